#include "tools/measure/profile.h"

#include <algorithm>
#include <functional>

#include "base/constraint.h"
#include "base/cpu.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "tools/args/inputs.h"
#include "tools/measure/statistics.h"
#include "tools/measure/transfers.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Operators whose sums of products GPUs compute on tensor cores.
bool multiplies(const StepProfile& s) {
  return s.op == "MatMul" || s.op == "Conv" || s.op == "ConvTranspose" || s.op == "Attention";
}

/// What this machine reaches in what the step's kernel computes in, and its name.
std::pair<double, const char*> arithmetic(const StepProfile& s, const Ceilings& c, Precision asked) {
  const Kernel* kernel = find_kernel(s.kernel);
  if (c.device == DeviceKind::cuda && asked == Precision::fp16 && multiplies(s))
    return {c.f16_gflops, precision_name(asked)};
  const Precision p = kernel != nullptr ? kernel->arithmetic.computes_in : Precision::fp32;
  if (p == Precision::bf16 && c.bf16_gflops > 0) return {c.bf16_gflops, precision_name(p)};
  if (p == Precision::int8 && c.int8_gops > 0) return {c.int8_gops, precision_name(p)};
  return {c.f32_gflops, precision_name(Precision::fp32)};
}

/// Whether the ceilings are those of what the step runs on: a step without a kernel is a copy over the bus.
bool limits(const Ceilings& c, const StepProfile& s) {
  if (c.device == DeviceKind::cpu) return true;
  const Kernel* kernel = find_kernel(s.kernel);
  return kernel != nullptr && kernel->device == c.device;
}

/// For each step the If, Loop or Scan whose body holds it, or -1.
std::vector<int> holders_of(const plan::Plan& plan) {
  std::vector<int> holders(plan.steps.size(), -1);
  const auto hold = [&](std::size_t holder, std::int32_t region) {
    const plan::Range steps = plan.regions[static_cast<std::size_t>(region)].steps;
    std::fill_n(holders.begin() + steps.begin, steps.count, static_cast<int>(holder));
  };
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    if (step.kind == plan::StepKind::loop) hold(i, plan.loops[static_cast<std::size_t>(step.loop)].region);
    for (std::uint32_t r = 0; r < step.regions.count; ++r) hold(i, plan.region_refs[step.regions.begin + r]);
  }
  return holders;
}

/// What each step takes in one run: its least, or, in a body, its part of the least of what holds it, as all iterations
/// together say. What holds bodies has what is left.
std::vector<double> own_times(const std::vector<StepProfile>& profile, const std::vector<int>& holders) {
  const auto total = [&](std::size_t i) { return profile[i].mean_us * static_cast<double>(profile[i].runs); };
  std::vector<double> us(profile.size(), -1);
  const std::function<double(std::size_t)> of = [&](std::size_t i) {
    if (us[i] >= 0) return us[i];
    if (holders[i] < 0) return us[i] = profile[i].best_us;
    const auto holder = static_cast<std::size_t>(holders[i]);
    const double all = total(holder);
    return us[i] = all > 0 ? of(holder) * total(i) / all : 0;
  };
  std::vector<double> own(profile.size());
  for (std::size_t i = 0; i < profile.size(); ++i) own[i] = of(i);
  for (std::size_t i = 0; i < profile.size(); ++i)
    if (holders[i] >= 0) own[static_cast<std::size_t>(holders[i])] -= us[i];
  for (double& t : own) t = std::max(t, 0.0);
  return own;
}

/// `runs`: whole runs that the profile is of.
std::vector<LayerTime> layers_of(const std::vector<StepProfile>& profile, const plan::Plan& plan, std::size_t runs,
                                 const Ceilings& c, Precision asked) {
  std::vector<LayerTime> layers;
  const std::vector<int> holders = holders_of(plan);
  const std::vector<double> own = own_times(profile, holders);
  double total = 0;
  for (std::size_t i = 0; i < profile.size(); ++i) {
    const StepProfile& s = profile[i];
    if (s.runs == 0) continue;
    LayerTime r;
    r.step = s;
    r.us = own[i];
    r.calls = static_cast<double>(s.runs) / static_cast<double>(runs);
    if (holders[i] >= 0) {
      const StepProfile& holder = profile[static_cast<std::size_t>(holders[i])];
      r.within = holder.op + " '" + holder.name + "'";
    }
    total += r.us;
    if (r.us > 0) {
      r.gflops = s.flops * r.calls / r.us * 1e-3;
      r.gb_s = s.bytes * r.calls / r.us * 1e-3;
      const auto [peak, name] = arithmetic(s, c, asked);
      const bool known = limits(c, s);
      const double compute = known && peak > 0 ? r.gflops / peak : 0,
                   memory = known && c.read_gb_s > 0 ? r.gb_s / c.read_gb_s : 0;
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
    result.ceilings =
        engine.stats().device == Device::cuda ? measure_gpu_ceilings() : measure_ceilings(o.threads, cpu_info().isa);
  }
  Context context = engine.create_context(o.context);
  bind_inputs(engine, context, inputs);
  const auto run_once = [&] {
    if (o.before_run) o.before_run(context);
    const Stopwatch one;
    check(context, context.run());
    return one.ms();
  };
  for (int i = 0; i < o.warmup; ++i) run_once();
  context.set_profiling(true);
  const Contention contention;
  const Stopwatch watch;
  for (int runs = 0; o.iterations > 0 ? runs < o.iterations : runs < o.least_runs || watch.ms() < o.duration * 1e3;
       ++runs) {
    result.run_ms.push_back(run_once());
    say("profiling", o.iterations > 0 ? static_cast<double>(runs) / o.iterations : watch.ms() / (o.duration * 1e3));
  }
  result.warning = crowding(contention.per_second(), o.threads, result.run_ms);
  result.best_run_ms = *std::min_element(result.run_ms.begin(), result.run_ms.end());
  result.layers = layers_of(context.profile(), engine.impl().profiles[context.profile_index()].program->plan,
                            result.run_ms.size(), result.ceilings, engine.stats().precision);
  for (const LayerTime& l : result.layers) result.layers_us += l.us;
  return result;
}

}  // namespace monza::tool
