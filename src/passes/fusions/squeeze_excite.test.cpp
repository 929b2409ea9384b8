// x * conv(conv(mean(x))) on a GPU.
#include <gtest/gtest.h>

#include "kernel/registry.h"
#include "passes/fusions/fusions.h"
#include "support/rewrite.h"

namespace monza {
namespace {

using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using Ops = std::vector<std::string>;

constexpr const char* kExciteParts = R"(
  %s = constant f32[2,8,1,1] random 1
  %sb = constant f32[2] random 2
  %e = constant f32[8,2,1,1] random 3
  %eb = constant f32[8] random 4
)";
constexpr const char* kSqueeze = "%h = Conv(%m, %s, %sb) {activation=\"silu\"}\n";
constexpr const char* kExcite = "%g = Conv(%h, %e, %eb) {activation=\"sigmoid\"}\n";

test::Rewritten excite(const std::string& body, Device device = Device::cuda, const char* inputs = "%x: f32[n,8,5,6]") {
  BuildOptions options;
  options.device = device;
  return rewrite(graph_text(inputs, kExciteParts + body), {&squeeze_excite_pass}, options);
}

TEST(SqueezeExcite, TakesEverySpelling) {
  if (find_kernel("squeeze_excite_cuda") == nullptr) GTEST_SKIP() << "this build has no kernels for GPUs";
  for (const char* mean : {"%m = AveragePool(%x) {global=1}\n", "%m = ReduceMean(%x) {axes=[2, 3]}\n",
                           "%m = ReduceMean(%x) {axes=[-1, -2]}\n"})
    for (const char* scaled : {"%y = Mul(%g, %x)", "%y = Mul(%x, %g)"}) {
      const auto r = excite(std::string(mean) + kSqueeze + kExcite + scaled);
      EXPECT_EQ(r.ops(), (Ops{"SqueezeExcite"})) << r.reasons();
      expect_same_numbers(r);
    }
  const auto r = excite(
      "%m = AveragePool(%x) {global=1}\n%h = Conv(%m, %s) {activation=\"relu\"}\n"
      "%g = Conv(%h, %e) {activation=\"hard_sigmoid\", act_alpha=0.2, act_beta=0.5}\n%y = Mul(%x, %g)");
  EXPECT_EQ(r.ops(), (Ops{"SqueezeExcite"})) << r.reasons();
  expect_same_numbers(r);
}

TEST(SqueezeExcite, RefusesOthers) {
  const std::string mean = "%m = AveragePool(%x) {global=1}\n", scaled = "%y = Mul(%x, %g)";
  const auto refused = [](const std::string& body, const char* why, const char* inputs = "%x: f32[n,8,5,6]") {
    const auto r = excite(body, Device::cuda, inputs);
    EXPECT_EQ(r.rewrites(), 0) << body;
    EXPECT_NE(r.reasons().find(why), std::string::npos) << r.reasons();
  };
  refused(mean + "%h = Conv(%m, %s, %sb, %r) {activation=\"silu\"}\n" + kExcite + scaled, "a residual",
          "%x: f32[n,8,5,6], %r: f32[n,2,1,1]");
  refused(mean + "%h = Conv(%m, %s, %r) {activation=\"silu\"}\n" + kExcite + scaled, "a bias is not a constant",
          "%x: f32[n,8,5,6], %r: f32[2]");
  refused(mean + "%q = constant f32[2,4,1,1] random 5\n%h = Conv(%m, %q) {group=2}\n" + kExcite + scaled, "groups");
  refused(mean + "%q = constant f32[2,8,3,3] random 5\n%h = Conv(%m, %q) {pads=[1, 1, 1, 1]}\n" + kExcite + scaled,
          "pads");
  refused(mean + kSqueeze + "%q = constant f32[1,2,1,1] random 5\n%g = Conv(%h, %q)\n" + scaled,
          "another number of channels");
  // No near miss: these are other formulas.
  for (const char* other : {"%m = AveragePool(%x) {kernel_shape=[5, 6]}\n", "%m = ReduceMean(%x) {axes=[1, 2]}\n"})
    EXPECT_EQ(excite(std::string(other) + "%y = Mul(%x, %m)").rewrites(), 0);
  EXPECT_EQ(excite(mean + kSqueeze + kExcite + scaled, Device::cpu).rewrites(), 0) << "kernels of CPUs do the parts";
}

}  // namespace
}  // namespace monza
