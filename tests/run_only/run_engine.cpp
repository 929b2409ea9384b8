// Loads an engine file and runs it, linking nothing of the compiler (only monza_run).
//
//   run_engine ENGINE [RUNS [PLUGIN...]]
//
// Inputs are filled with a fixed pattern. Prints a line for each output: its name, its shape and a hash of its bytes;
// then the load time, the first run and the fastest of RUNS, in milliseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "monza/engine.h"
#include "monza/load_plugin.h"

namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Floats in [0, 1), integers 0 or 1: valid pixels, token ids and masks.
void fill(monza::Tensor& t) {
  std::uint32_t state = 12345;
  const auto next = [&] { return state = state * 1664525u + 1013904223u; };
  for (std::int64_t i = 0; i < t.numel(); ++i) switch (t.dtype()) {
      case monza::DType::f32: t.as<float>()[i] = static_cast<float>(next() >> 8) / 16777216.0f; break;
      case monza::DType::i64: t.as<std::int64_t>()[i] = next() >> 31; break;
      case monza::DType::i32: t.as<std::int32_t>()[i] = static_cast<std::int32_t>(next() >> 31); break;
      case monza::DType::u8: t.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(next() >> 24); break;
      case monza::DType::boolean: t.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(next() >> 31); break;
      default: break;
    }
}

int run(const char* path, int runs) {
  const auto begin = Clock::now();
  const monza::Engine engine = monza::Engine::load(path);
  const double load_ms = ms_since(begin);
  monza::Context context = engine.create_context();
  std::vector<monza::Tensor> inputs;
  for (const monza::TensorInfo& info : engine.inputs()) {
    inputs.emplace_back(info.dtype, info.opt);
    fill(inputs.back());
    if (monza::Status s = context.bind_input(info.name, inputs.back()); !s) {
      std::fprintf(stderr, "%s\n", context.describe(s).c_str());
      return 1;
    }
  }
  double first_ms = 0, best_ms = 0;
  for (int i = 0; i <= runs; ++i) {
    const auto start = Clock::now();
    if (monza::Status s = context.run(); !s) {
      std::fprintf(stderr, "%s\n", context.describe(s).c_str());
      return 1;
    }
    const double ms = ms_since(start);
    if (i == 0) first_ms = ms;
    if (i > 0) best_ms = i == 1 ? ms : std::min(best_ms, ms);
  }
  for (const monza::TensorInfo& info : engine.outputs()) {
    const monza::TensorRef y = context.output(info.name);
    std::printf("%s", info.name.c_str());
    for (std::int64_t d : y.shape) std::printf(" %lld", static_cast<long long>(d));
    std::printf(" %016llx\n", static_cast<unsigned long long>(monza::hash64({y.as<std::byte>(), y.bytes})));
  }
  std::printf("load_ms %.3f first_ms %.3f best_ms %.3f\n", load_ms, first_ms, best_ms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: run_engine ENGINE [RUNS [PLUGIN...]]\n");
    return 2;
  }
  try {
    for (int i = 3; i < argc; ++i) (void)monza::load_plugin(argv[i]);
    return run(argv[1], argc > 2 ? std::atoi(argv[2]) : 0);
  } catch (const monza::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
