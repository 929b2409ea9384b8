// A transposed convolution as a convolution, depth to space and a slice.
#include <gtest/gtest.h>

#include <random>

#include "ir/text.h"
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

const std::vector<const Pass*> kTransposePasses{&conv_batch_norm_pass, &conv_scale_pass,     &bias_pass,
                                                &activation_pass,      &conv_transpose_pass, &dead_code_pass};

Rewritten lowered(const std::string& inputs, const std::string& weight, const std::string& body) {
  auto r = rewrite(graph_text(inputs, "%w = constant f32[" + weight + "] random 1\n" + body), kTransposePasses);
  expect_same_numbers(r, 2e-5, 2);
  return r;
}

TEST(ConvTranspose, BecomesAConvolutionOfItsPhases) {
  // Where the stride divides the kernel and no pads cut, depth goes to space and nothing else.
  EXPECT_EQ(lowered("%x: f32[2,3,5,4]", "3,6,2,2", "%y = ConvTranspose(%x, %w) {strides=[2,2]}").ops(),
            (Ops{"Conv", "DepthToSpace"}));
  // Pads and a kernel that the stride does not divide leave a part of the blocks at both ends.
  EXPECT_EQ(lowered("%x: f32[2,3,5,4]", "3,6,4,4", "%y = ConvTranspose(%x, %w) {strides=[2,2], pads=[1,1,1,1]}").ops(),
            (Ops{"Conv", "DepthToSpace", "Slice"}));
  // Without strides it is a convolution.
  EXPECT_EQ(
      lowered("%x: f32[2,3,5,4]", "3,6,3,3", "%y = ConvTranspose(%x, %w) {dilations=[2,1], pads=[1,0,2,1]}").ops(),
      (Ops{"Conv"}));
  // Pads that cut off more than the kernel reaches are cut.
  EXPECT_EQ(lowered("%x: f32[1,2,9]", "2,1,3", "%y = ConvTranspose(%x, %w) {pads=[4,3]}").ops(),
            (Ops{"Conv", "Slice"}));
  // Extents may vary.
  EXPECT_EQ(lowered("%x: f32[n,3,h,v]", "3,6,4,4", "%y = ConvTranspose(%x, %w) {strides=[2,2], pads=[1,1,1,1]}").ops(),
            (Ops{"Conv", "DepthToSpace", "Slice"}));
}

TEST(ConvTranspose, TakesNormalisationBiasAndActivationAlong) {
  const auto r = lowered("%x: f32[1,4,3,3]", "4,3,2,2", R"(
  %s = constant f32[6] random 4
  %m = constant f32[6] random 5
  %v = constant f32[6] [0.5, 1, 2, 0.1, 3, 1]
  %b = constant f32[1,6,1,1] random 6
  %c = ConvTranspose(%x, %w) {strides=[2,2], group=2}
  %n = BatchNormalization(%c, %s, %s, %m, %v) {epsilon=0.001}
  %d = Add(%n, %b)
  %y = Relu(%d))");
  EXPECT_EQ(r.ops(), (Ops{"Conv", "DepthToSpace"})) << r.reasons();
}

TEST(ConvTranspose, OfAnyShape) {
  std::mt19937 rng(7);
  const auto pick = [&](int low, int high) {
    return low + static_cast<int>(rng() % static_cast<unsigned>(high - low + 1));
  };
  int made = 0;
  for (int round = 0; round < 300; ++round) {
    const int axes = pick(1, 3), group = pick(1, 3) == 3 ? 2 : 1;
    const int channels = group * pick(1, 3), per_group = pick(1, 3);
    std::string x = std::to_string(pick(1, 2)) + "," + std::to_string(channels),
                w = std::to_string(channels) + "," + std::to_string(per_group);
    std::string strides, dilations, begins, ends, extra;
    for (int a = 0; a < axes; ++a) {
      const int extent = pick(1, 5), stride = pick(1, 4), dilation = pick(1, 5) == 5 ? 2 : 1, kernel = pick(1, 5);
      const int full = (extent - 1) * stride + (kernel - 1) * dilation + 1;
      const int begin = std::min(pick(0, 3), full - 1), end = std::min(pick(0, 3), full - 1 - begin);
      const char* comma = a > 0 ? "," : "";
      x += "," + std::to_string(extent);
      w += "," + std::to_string(kernel);
      strides += comma + std::to_string(stride);
      dilations += comma + std::to_string(dilation);
      begins += comma + std::to_string(begin);
      ends += "," + std::to_string(end);
      extra += comma + std::to_string(stride > 1 ? pick(0, stride - 1) : 0);
    }
    const bool biased = pick(0, 1) == 1;
    const std::string body =
        (biased ? "%b = constant f32[" + std::to_string(group * per_group) + "] random 3\n" : std::string()) +
        "%y = ConvTranspose(%x, %w" + (biased ? ", %b" : "") + ") {group=" + std::to_string(group) + ", strides=[" +
        strides + "], dilations=[" + dilations + "], pads=[" + begins + ends + "], output_padding=[" + extra +
        "], activation=\"relu\"}";
    SCOPED_TRACE("x [" + x + "], w [" + w + "]: " + body);
    made += lowered("%x: f32[" + x + "]", w, body).rewrites() > 0 ? 1 : 0;
  }
  EXPECT_GT(made, 220);
}

TEST(ConvTranspose, StaysWhereItsPhasesAreNoGain) {
  const auto refused = [](const std::string& inputs, const std::string& body) {
    const auto r = rewrite(graph_text(inputs, body), kTransposePasses);
    EXPECT_EQ(r.rewrites(), 0);
    return r.reasons();
  };
  EXPECT_NE(refused("%x: f32[1,2,3,3], %b: f32[1]",
                    "%w = constant f32[2,1,2,2] random 1\n%y = ConvTranspose(%x, %w, %b) {strides=[2,2]}")
                .find("the bias is not a constant"),
            std::string::npos);
  EXPECT_NE(
      refused("%x: f32[1,1,2]", "%w = constant f32[1,1,3] random 1\n%y = ConvTranspose(%x, %w) {dilations=[12000000]}")
          .find("its pads would be larger than a convolution takes"),
      std::string::npos);
  EXPECT_NE(refused("%x: f32[1,2,3,3], %w: f32[2,1,2,2]", "%y = ConvTranspose(%x, %w) {strides=[2,2]}")
                .find("the weight is not a constant"),
            std::string::npos);
  EXPECT_NE(
      refused("%x: f32[1,2,3,3]", "%w = constant f32[2,1,1,1] random 1\n%y = ConvTranspose(%x, %w) {strides=[3,3]}")
          .find("most elements of its phases would be zeros"),
      std::string::npos);
  EXPECT_NE(refused("%x: f32[1,2,3]", "%w = constant f32[2,0,3] random 1\n%y = ConvTranspose(%x, %w)")
                .find("the weight has no elements"),
            std::string::npos);
  EXPECT_NE(
      refused("%x: f32[1,1,2]", "%w = constant f32[1,1,5000] random 1\n%y = ConvTranspose(%x, %w) {strides=[5000]}")
          .find("it has more phases than a convolution should have filters"),
      std::string::npos);
}

}  // namespace
}  // namespace monza
