#include "engine/options_key.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace monza {
namespace {

std::shared_ptr<const QuantizationPlan> plan_of(QuantizationPlan plan) {
  return std::make_shared<QuantizationPlan>(std::move(plan));
}

TEST(OptionsKey, KnowsEveryOption) {
  // One change of each; the key of all of them together with that of none is distinct.
  const std::function<void(BuildOptions&)> changes[] = {
      [](BuildOptions& o) { o.shapes["x"] = {{1}, {2}, {3}}; },
      [](BuildOptions& o) { o.shapes["x"] = {{1}, {2}, {4}}; },
      [](BuildOptions& o) { o.profiles = {{{"x", {{1}, {2}, {3}}}}}; },
      [](BuildOptions& o) { o.profiles = {{{"x", {{1}, {2}, {3}}}}, {}}; },
      [](BuildOptions& o) { o.shape_values["x"] = {1, 2}; },
      [](BuildOptions& o) { o.shape_values["x"] = {12}; },
      [](BuildOptions& o) { o.io_types["x"] = DType::u8; },
      [](BuildOptions& o) { o.io_types["x"] = DType::i8; },
      [](BuildOptions& o) { o.io_types[""] = DType::u8; },
      [](BuildOptions& o) { o.outputs = {"a", "b"}; },
      [](BuildOptions& o) { o.outputs = {"a 1:b"}; },
      [](BuildOptions& o) { o.precision = Precision::bf16; },
      [](BuildOptions& o) { o.device = Device::reference; },
      [](BuildOptions& o) { o.constraints = {{"a", {{Precision::fp32}, {}}}}; },
      [](BuildOptions& o) { o.constraints = {{"a", {{Precision::bf16}, {}}}}; },
      [](BuildOptions& o) { o.constraints = {{"a", {{}, {Device::cpu}}}}; },
      [](BuildOptions& o) { o.constraints = {{"a", {}}, {"a", {}}}; },
      [](BuildOptions& o) { o.quantization = std::make_shared<QuantizationPlan>(); },
      [](BuildOptions& o) { o.quantization = plan_of({.ranges = {{"a", {0, 1}}}, .kept = {}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.ranges = {{"a", {0, 1.0000001F}}}, .kept = {}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.ranges = {{"b", {0, 1}}}, .kept = {}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.ranges = {}, .kept = {{"a", "slow"}}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.factors = {{"a", {1, 2}}}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.means = {{"a", {1, 2}}}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.means = {{"a", {1}}}}); },
      [](BuildOptions& o) { o.quantization = plan_of({.narrow_pairs = true}); },
      [](BuildOptions& o) { o.threads = 3; },
      [](BuildOptions& o) { o.isa = "avx2"; },
      [](BuildOptions& o) { o.tune = false; },
      [](BuildOptions& o) { o.optimize = false; },
      [](BuildOptions& o) { o.max_build_seconds = 1; },
      [](BuildOptions& o) { o.timing_cache = "t"; },
      [](BuildOptions& o) { o.tactic_seed = 0; },
      [](BuildOptions& o) { o.tactic_seed = 1; },
      [](BuildOptions& o) { o.max_memory = 1; },
      [](BuildOptions& o) { o.limits.trips = 1; },
      [](BuildOptions& o) { o.limits.nodes = 1; },
      [](BuildOptions& o) { o.external_weights = true; },
      [](BuildOptions& o) { o.allow_cpu_nodes = true; },
      [](BuildOptions& o) { o.disabled_passes = {"p"}; },
      [](BuildOptions& o) { o.max_rewrites = 0; },
      [](BuildOptions& o) { o.strict_rewrites = true; },
      [](BuildOptions& o) { o.batch_invariant = true; },
      [](BuildOptions& o) { o.strip = true; },
      [](BuildOptions& o) { o.metadata["a"] = "b"; },
  };
  std::set<std::string> keys = {options_key({})};
  for (const auto& change : changes) {
    BuildOptions options;
    change(options);
    EXPECT_TRUE(keys.insert(options_key(options)).second) << options_key(options);
  }
  EXPECT_EQ(options_key({}), options_key({}));
}

}  // namespace
}  // namespace monza
