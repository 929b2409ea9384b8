#include "tools/quantize/speed.h"

#include "eval/run.h"
#include "eval/tensors.h"
#include "tools/measure/statistics.h"
#include "tools/text/terminal.h"

namespace monza::tool {

Speeds measure_speeds(const Engine& first, const Engine& second, const ContextOptions& options, double seconds) {
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : first.inputs())
    inputs.push_back(eval::random_tensor(info.dtype, info.opt, inputs.size()));
  Context a = first.create_context(options), b = second.create_context(options);
  eval::bind_inputs(first, a, inputs);
  eval::bind_inputs(second, b, inputs);
  const auto timed = [](Context& context) {
    const Stopwatch watch;
    eval::run(context);
    return watch.ms();
  };
  timed(a), timed(b);  // the first run touches memory
  std::vector<double> first_ms, second_ms;
  constexpr std::size_t kLeast = 5;
  for (const Stopwatch watch; first_ms.size() < kLeast || watch.ms() < seconds * 1e3;) {
    first_ms.push_back(timed(a));
    second_ms.push_back(timed(b));
  }
  return {summarize(std::move(first_ms)).median, summarize(std::move(second_ms)).median};
}

}  // namespace monza::tool
