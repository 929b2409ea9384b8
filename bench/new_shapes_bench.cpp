// What the first run of a new shape costs beside its second: monza_bench_new_shapes ENGINE [SHAPES] [SEED]
//
// Draws SHAPES (default 40) distinct shapes within the engine's profiles. Each of ROUNDS new contexts, whose pages are
// touched when they are made (prefault), runs the smallest shape of each profile, then every shape drawn twice in a
// row, in the order drawn: later shapes may be larger than all before. Then another context runs the shape before, and
// the first one runs its shape again, which is not new to it: what that takes more than the second run, it takes
// because caches and branch predictors hold other things. Prints for each shape the medians over the rounds of the
// three runs and of the ratios to the second; then the median, the 90th percentile and the largest of both ratios.
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

constexpr int kRounds = 5;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// A shape of a profile: an extent for each of its dimensions, drawn anew for those without a name.
struct Drawn {
  const monza::ProfileInfo* profile = nullptr;
  std::vector<std::vector<std::int64_t>> extents;  ///< of each input
  std::string text;
  std::vector<double> first, second, again, ratio, control;
};

template <typename Choose>
Drawn shape_of(const monza::ProfileInfo& profile, Choose&& choose) {
  Drawn drawn;
  drawn.profile = &profile;
  std::map<std::string, std::int64_t> symbols;
  for (const monza::TensorInfo& info : profile.inputs) {
    std::vector<std::int64_t>& extents = drawn.extents.emplace_back();
    for (std::size_t a = 0; a < info.min.size(); ++a) {
      std::int64_t value = choose(info.min[a], info.max[a]);
      if (!info.symbols[a].empty()) value = symbols.emplace(info.symbols[a], value).first->second;
      extents.push_back(value);
      drawn.text += (a > 0 ? "x" : drawn.text.empty() ? "" : " ") + std::to_string(value);
    }
  }
  return drawn;
}

std::vector<Drawn> draw_shapes(const monza::Engine& engine, int count, std::mt19937& random) {
  std::vector<Drawn> shapes;
  std::set<std::string> seen;
  for (int i = 0; i < count * 4 && static_cast<int>(shapes.size()) < count; ++i) {
    Drawn drawn =
        shape_of(engine.profiles()[random() % engine.profiles().size()], [&](std::int64_t min, std::int64_t max) {
          return std::uniform_int_distribution<std::int64_t>(min, max)(random);
        });
    if (seen.insert(drawn.text).second) shapes.push_back(std::move(drawn));
  }
  return shapes;
}

void summarize(const char* what, std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  std::printf("ratio of %s: median %.2f, 90 %% %.2f, largest %.2f of %zu shapes\n", what, ratios[ratios.size() / 2],
              ratios[ratios.size() * 9 / 10], ratios.back(), ratios.size());
}

/// Brings an input into the caches, where whoever has just made it would have it: a larger shape reads memory that no
/// run before has read.
void read_all(const monza::TensorRef& tensor, std::size_t element_bytes) {
  const std::size_t bytes = static_cast<std::size_t>(tensor.numel()) * element_bytes;
  volatile unsigned char last = 0;
  for (std::size_t i = 0; i < bytes; i += 64) last = static_cast<const unsigned char*>(tensor.data)[i];
  static_cast<void>(last);
}

int measure(const char* path, int count, unsigned seed) {
  const monza::Engine engine = monza::Engine::load(path, {.prefault = true});
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
  /// Milliseconds of a run at that shape.
  const auto run = [&](monza::Context& context, const Drawn& shape) {
    for (std::size_t i = 0; i < shape.extents.size(); ++i) {
      monza::TensorRef ref = memory[i].ref();
      std::copy(shape.extents[i].begin(), shape.extents[i].end(), ref.shape.begin());
      if (const monza::Status s = context.bind_input(i, ref); !s) throw monza::Error(context.describe(s));
      read_all(ref, memory[i].bytes() / static_cast<std::size_t>(memory[i].numel()));
    }
    const auto begin = Clock::now();
    const monza::Status s = context.run();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    if (!s) throw monza::Error(context.describe(s));
    return ms;
  };
  std::vector<Drawn> shapes = draw_shapes(engine, count, random);
  for (int round = 0; round < kRounds; ++round) {
    monza::Context context = engine.create_context({.prefault = true}),
                   other = engine.create_context({.prefault = true});
    for (const monza::ProfileInfo& profile : engine.profiles())
      for (int i = 0; i < 3; ++i) run(context, shape_of(profile, [](std::int64_t min, std::int64_t) { return min; }));
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      Drawn& shape = shapes[k];
      shape.first.push_back(run(context, shape));
      shape.second.push_back(run(context, shape));
      for (int i = 0; i < 2; ++i) run(other, shapes[k > 0 ? k - 1 : shapes.size() - 1]);
      shape.again.push_back(run(context, shape));
      shape.ratio.push_back(shape.first.back() / shape.second.back());
      shape.control.push_back(shape.again.back() / shape.second.back());
    }
  }
  std::vector<double> ratios, controls;
  std::printf("%-32s %10s %10s %10s %13s %13s\n", "shape", "first ms", "second ms", "again ms", "first/second",
              "again/second");
  for (const Drawn& shape : shapes) {
    ratios.push_back(median(shape.ratio));
    controls.push_back(median(shape.control));
    std::printf("%-32s %10.3f %10.3f %10.3f %13.2f %13.2f\n", shape.text.c_str(), median(shape.first),
                median(shape.second), median(shape.again), ratios.back(), controls.back());
  }
  summarize("first to second", ratios);
  summarize("again to second", controls);
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
