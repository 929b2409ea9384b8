// Convolutions of patches become products, on a GPU.
#include <gtest/gtest.h>

#include "ir/op.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "passes/fusions/fusions.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using test::Rewritten;
using Ops = std::vector<std::string>;

constexpr const char* kImages = "%x: f32[b,3,12,8], %y: f32[b,3,h,8], %z: f32[b,8,12,8]";
constexpr const char* kFilters = R"(
  %w = constant f32[5,3,4,2] random 1
  %b = constant f32[5] random 2
  %w5 = constant f32[5,3,5,2] random 3
  %w1 = constant f32[6,1,4,2] random 4
  %w8 = constant f32[5,8,4,2] random 5
  %one = constant f32[5] [1, 2, 1, 0.5, 1]
)";

Rewritten lowered(const std::string& body, const std::string& outputs = "1: %1", Device device = Device::cuda) {
  BuildOptions options;
  options.device = device;
  auto r = rewrite(graph_text(kImages, kFilters + body, outputs), {&patches_pass}, options);
  expect_same_numbers(r, 1e-5, 2);
  return r;
}

const Ops kProduct{"Reshape", "Transpose", "Reshape", "MatMul", "Transpose", "Reshape"};

TEST(Patches, BecomeAProduct) {
  if (find_kernel("matmul_cuda") == nullptr) GTEST_SKIP() << "this build has no kernels for GPUs";
  EXPECT_EQ(lowered("%1 = Conv(%x, %w, %b) {strides=[4,2]}").ops(), kProduct);
  EXPECT_EQ(lowered("%1 = Conv(%x, %w) {strides=[4,2]}").ops(), kProduct);
}

TEST(Patches, StayAConvolutionElsewhere) {
  EXPECT_EQ(lowered("%1 = Conv(%x, %w, %b) {strides=[4,2]}", "1: %1", Device::cpu).ops(), (Ops{"Conv"}));
}

TEST(Patches, RefuseWhatIsNoProductOfPatches) {
  const auto refused = [](const std::string& body, const std::string& reason) {
    const auto r = lowered(body);
    EXPECT_NE(r.reasons().find(reason), std::string::npos) << r.reasons();
    for (const std::string& name : r.ops()) EXPECT_NE(name, "MatMul") << body;
  };
  refused("%1 = Conv(%x, %w) {strides=[2,2]}", "side by side");
  refused("%1 = Conv(%x, %w) {strides=[4,2], pads=[0,2,0,0]}", "it pads");
  refused("%1 = Conv(%x, %w5) {strides=[5,2]}", "do not cover");
  refused("%1 = Conv(%y, %w) {strides=[4,2]}", "not known at build");
  refused("%1 = Conv(%x, %w1) {strides=[4,2], group=3}", "groups");
  refused("%1 = Conv(%z, %w8) {strides=[4,2]}", "as many channels");
  refused("%2 = Conv(%x, %w) {strides=[4,2]}\n%1 = BatchNormalization(%2, %one, %one, %one, %one)", "normalisation");
}

TEST(Patches, AreMovedOnceInAVisionTransformer) {
  if (find_kernel("matmul_cuda") == nullptr) GTEST_SKIP() << "this build has no kernels for GPUs";
  const auto graph = ir::parse("graph \"main\" (%x: f32[b,3,12,8], %c: f32[b,1,5]) {" + std::string(kFilters) +
                               "%1 = Conv(%x, %w, %b) {strides=[4,2]}\n%2 = Reshape(%1) {shape=[0,5,12]}\n"
                               "%3 = Transpose(%2) {perm=[0,2,1]}\n%4 = Concat(%c, %3) {axis=1}\n return (y: %4)\n}");
  BuildOptions options;
  options.device = Device::cuda;
  (void)optimize(*graph, options);
  Ops names;
  for (const ir::NodeId id : graph->order()) names.emplace_back(std::as_const(*graph).node(id).op->name);
  EXPECT_EQ(names, (Ops{"Reshape", "Transpose", "Reshape", "MatMul", "Concat"})) << ir::print(*graph);
}

}  // namespace
}  // namespace monza
