#include "engine/options_key.h"

#include <fmt/ranges.h>

#include "base/limits.h"
#include "engine/constraints.h"

namespace monza {
namespace {

// Every text with its length, so that no two options read alike.
std::string key_of(const std::string& text) { return fmt::format("{}:{}", text.size(), text); }
std::string key_of(std::int64_t number) { return std::to_string(number); }
std::string key_of(const ShapeProfile& p) {
  return fmt::format("{}..{}..{}", fmt::join(p.min, "x"), fmt::join(p.opt, "x"), fmt::join(p.max, "x"));
}
template <typename T>
std::string key_of(const std::vector<T>& list) {
  std::string text = fmt::format("[{}", list.size());
  for (const T& item : list) text += " " + key_of(item);
  return text + "]";
}
template <typename T>
std::string key_of(const std::map<std::string, T>& map);
template <typename T>
std::string key_of(const std::vector<std::map<std::string, T>>& list) {
  std::string text = fmt::format("[{}", list.size());
  for (const auto& item : list) text += " " + key_of(item);
  return text + "]";
}
std::string key_of(DType type) { return std::to_string(static_cast<int>(type)); }
template <typename T>
std::string key_of(const std::map<std::string, T>& map) {
  std::string text = fmt::format("{{{}", map.size());
  for (const auto& [name, value] : map) text += " " + key_of(name) + "=" + key_of(value);
  return text + "}";
}
std::string key_of(const Limits& limits) {
  std::string text;
  for (const LimitInfo& limit : limit_list()) text += std::to_string(limits.*limit.field) + " ";
  return text;
}

std::string key_of(const QuantizationPlan* plan) {
  if (plan == nullptr) return "-";
  std::string key = fmt::format("{} ranges", plan->ranges.size());
  for (const auto& [name, range] : plan->ranges)  // floats to the last bit
    key += fmt::format(" {}={:a}..{:a}", key_of(name), range.low, range.high);
  for (const auto* channels : {&plan->factors, &plan->means}) {
    key += fmt::format(" {} channels of", channels->size());
    for (const auto& [name, values] : *channels) {
      key += fmt::format(" {}={}:", key_of(name), values.size());
      for (const float v : values) key += fmt::format("{:a} ", v);
    }
  }
  if (plan->narrow_pairs) key += " narrow";
  return key + " kept " + key_of(plan->kept);
}

}  // namespace

std::string options_key(const BuildOptions& options) {
  // Named one by one: an option that is added does not compile until it is decided here.
  const auto& [shapes, profiles, shape_values, io_types, outputs, precision, device, quantization, constraints,
               allow_cpu_nodes, threads, isa, tune, optimize, max_build_seconds, timing_cache, tactic_seed, max_memory,
               limits, spool_folder, external_weights, disabled_passes, max_rewrites, strict_rewrites, batch_invariant,
               strip, metadata, progress] = options;
  (void)progress, (void)spool_folder;
  (void)precision, (void)constraints;  // in constraints_key
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", key_of(shapes),
                     key_of(profiles), key_of(shape_values), key_of(io_types), key_of(outputs),
                     constraints_key(options), static_cast<int>(device), allow_cpu_nodes, threads, key_of(isa), tune,
                     optimize, max_build_seconds, key_of(timing_cache),
                     tactic_seed ? key_of(std::to_string(*tactic_seed)) : "-", max_memory, key_of(limits),
                     external_weights, key_of(disabled_passes), max_rewrites, strict_rewrites, batch_invariant, strip,
                     key_of(metadata), key_of(quantization.get()));
}

}  // namespace monza
