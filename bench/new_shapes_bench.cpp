// What the first run of a new shape costs beside its second: monza_bench_new_shapes ENGINE [SHAPES] [SEED]
//
// Draws SHAPES (default 40) distinct shapes within the engine's profiles and runs each of them twice in a row on one
// context whose pages were touched before (prefault), after runs at each profile's largest shape. Prints, for each, the
// two times and their ratio; then the median, the 90th percentile and the largest ratio.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace {

using Clock = std::chrono::steady_clock;

int measure(const char* path, int shapes, unsigned seed) {
  const monza::Engine engine = monza::Engine::load(path, {.prefault = true});
  monza::Context context = engine.create_context({.prefault = true});
  std::mt19937 random(seed);
  std::vector<monza::Tensor> memory;
  for (const monza::TensorInfo& info : engine.inputs()) {
    memory.emplace_back(info.dtype, info.max);
    std::memset(memory.back().ref().data, 0, memory.back().bytes());
    for (std::int64_t i = 0; info.dtype == monza::DType::f32 && i < memory.back().numel(); ++i)
      memory.back().as<float>()[i] = static_cast<float>(random() >> 8) * 0x1p-24f;
    for (std::int64_t i = 0; info.dtype == monza::DType::i64 && i < memory.back().numel(); ++i)
      memory.back().as<std::int64_t>()[i] = 1;
  }
  /// Milliseconds of a run of that profile with each of its dimensions at `extent`.
  const auto run = [&](const monza::ProfileInfo& profile, auto&& extent, std::string* text) {
    std::map<std::string, std::int64_t> symbols;
    if (text) text->clear();
    for (std::size_t i = 0; i < profile.inputs.size(); ++i) {
      const monza::TensorInfo& info = profile.inputs[i];
      monza::TensorRef ref = memory[i].ref();
      for (std::size_t a = 0; a < ref.shape.size(); ++a) {
        std::int64_t value = extent(info.min[a], info.max[a]);
        if (!info.symbols[a].empty()) value = symbols.emplace(info.symbols[a], value).first->second;
        ref.shape[a] = value;
        if (text) *text += (a ? "x" : i ? " " : "") + std::to_string(value);
      }
      if (const monza::Status s = context.bind_input(i, ref); !s) throw monza::Error(context.describe(s));
    }
    const auto begin = Clock::now();
    const monza::Status s = context.run();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    if (!s) throw monza::Error(context.describe(s));
    return ms;
  };
  for (const monza::ProfileInfo& profile : engine.profiles())
    for (int i = 0; i < 3; ++i) run(profile, [](std::int64_t, std::int64_t max) { return max; }, nullptr);
  std::vector<double> ratios;
  std::set<std::string> seen;
  std::printf("%-32s %10s %10s %8s\n", "shape", "first ms", "second ms", "ratio");
  for (int i = 0; i < shapes * 4 && static_cast<int>(ratios.size()) < shapes; ++i) {
    const monza::ProfileInfo& profile = engine.profiles()[random() % engine.profiles().size()];
    const std::mt19937 state = random;
    const auto draw = [&](std::int64_t min, std::int64_t max) {
      return std::uniform_int_distribution<std::int64_t>(min, max)(random);
    };
    std::string text;
    const double first = run(profile, draw, &text);
    random = state;
    const double second = run(profile, draw, nullptr);
    if (!seen.insert(text).second) continue;
    ratios.push_back(first / second);
    std::printf("%-32s %10.3f %10.3f %8.2f\n", text.c_str(), first, second, first / second);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("ratio of first to second: median %.2f, 90 %% %.2f, largest %.2f of %zu shapes\n",
              ratios[ratios.size() / 2], ratios[ratios.size() * 9 / 10], ratios.back(), ratios.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: monza_bench_new_shapes ENGINE [SHAPES] [SEED]\n");
    return 2;
  }
  try {
    return measure(argv[1], argc > 2 ? std::atoi(argv[2]) : 40,
                   argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1u);
  } catch (const monza::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
