#include "tools/measure/profile.h"

#include <algorithm>

#include "base/constraint.h"
#include "base/cpu.h"
#include "kernel/registry.h"
#include "tools/args/inputs.h"
#include "tools/measure/statistics.h"
#include "tools/measure/transfers.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// What this machine reaches in what the step's kernel computes in, and its name.
std::pair<double, const char*> arithmetic(const StepProfile& s, const Ceilings& c) {
  const Kernel* kernel = find_kernel(s.kernel);
  const Precision p = kernel != nullptr ? kernel->arithmetic.computes_in : Precision::fp32;
  if (p == Precision::bf16 && c.bf16_gflops > 0) return {c.bf16_gflops, precision_name(p)};
  if (p == Precision::int8 && c.int8_gops > 0) return {c.int8_gops, precision_name(p)};
  return {c.f32_gflops, precision_name(Precision::fp32)};
}

std::vector<LayerTime> layers_of(const std::vector<StepProfile>& profile, const Ceilings& c) {
  std::vector<LayerTime> layers;
  double total = 0;
  for (const StepProfile& s : profile) {
    if (s.runs == 0) continue;
    LayerTime r;
    r.step = s;
    r.us = s.best_us;
    total += r.us;
    if (r.us > 0) {
      r.gflops = s.flops / r.us * 1e-3;
      r.gb_s = s.bytes / r.us * 1e-3;
      const auto [peak, name] = arithmetic(s, c);
      const double compute = peak > 0 ? r.gflops / peak : 0, memory = c.read_gb_s > 0 ? r.gb_s / c.read_gb_s : 0;
      r.of_ceiling = std::max(compute, memory);
      r.ceiling = r.of_ceiling == 0 ? "" : compute >= memory ? name : "memory";
      // A layer whose data comes from a cache may be above the ceiling of memory: nothing is to be won.
      r.gain_us = *r.ceiling != 0 ? r.us * (1 - std::min(1.0, r.of_ceiling)) : 0;
    }
    layers.push_back(std::move(r));
  }
  for (LayerTime& r : layers) r.share = total > 0 ? r.us / total : 0;
  return layers;
}

}  // namespace

ProfileResult measure_profile(const Engine& engine, const std::vector<Tensor>& given, const ProfileOptions& o) {
  const std::vector<Tensor> inputs = in_fast_memory(engine, given);
  const auto say = [&](std::string_view what, double fraction) {
    if (o.progress) o.progress(what, fraction);
  };
  ProfileResult result;
  if (o.ceilings) {
    say("ceilings", 0);
    result.ceilings = measure_ceilings(o.threads, cpu_info().isa);
  }
  Context context = engine.create_context(o.context);
  bind_inputs(engine, context, inputs);
  for (int i = 0; i < 3; ++i) check(context, context.run());
  context.set_profiling(true);
  const Contention contention;
  const Stopwatch watch;
  for (int runs = 0; o.iterations > 0 ? runs < o.iterations : runs < 3 || watch.ms() < o.duration * 1e3; ++runs) {
    const Stopwatch one;
    check(context, context.run());
    result.run_ms.push_back(one.ms());
    say("profiling", o.iterations > 0 ? static_cast<double>(runs) / o.iterations : watch.ms() / (o.duration * 1e3));
  }
  result.warning = crowding(contention.per_second(), o.threads, result.run_ms);
  result.best_run_ms = *std::min_element(result.run_ms.begin(), result.run_ms.end());
  result.layers = layers_of(context.profile(), result.ceilings);
  for (const LayerTime& l : result.layers) result.layers_us += l.us;
  return result;
}

}  // namespace monza::tool
