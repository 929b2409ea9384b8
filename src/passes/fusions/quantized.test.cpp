// Q/DQ and dynamic quantisation into integer products.
#include <gtest/gtest.h>

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

const std::vector<const Pass*> kPasses{&dynamic_quantize_pass,   &bias_pass,
                                       &activation_pass,         &quantized_moves_pass,
                                       &quantized_joins_pass,    &quantized_products_pass,
                                       &quantized_residual_pass, &quantized_sums_pass,
                                       &quantized_rest_pass,     &dead_code_pass,
                                       &residual_pass,           &activation_pass,
                                       &dead_code_pass};

constexpr const char* kQuantizedConstants = R"(
  %w = constant i8[4,3,1,1] [1, -2, 3, 100, -100, 50, 7, 8, -9, 127, -127, 0]
  %ws = constant f32[4] [0.01, 0.02, 0.03, 0.04]
  %wz = constant i8[4] [0, 0, 0, 0]
  %bias = constant i32[4] [100, -200, 3000, 5]
  %bs = constant f32[4] [0.0005, 0.001, 0.0015, 0.002]
  %bs2 = constant f32[4] [0.5, 0.001, 0.0015, 0.002]
  %m = constant i8[3,4] [1, -2, 3, 100, -100, 50, 7, 8, -9, 127, -127, 0]
  %xs = constant f32[] [0.05]
  %xz = constant u8[] [120]
  %ys = constant f32[] [0.09]
  %yz = constant u8[] [110]
  %zs = constant f32[] [0.13]
  %zz = constant u8[] [90]
  %zero = constant f32[] [0]
  %six = constant f32[] [6]
  %dx = DequantizeLinear(%x, %xs, %xz)
  %dr = DequantizeLinear(%r, %zs, %zz)
  %dw = DequantizeLinear(%w, %ws, %wz) {axis=0}
  %dm = DequantizeLinear(%m, %ws, %wz) {axis=1}
  %db = DequantizeLinear(%bias, %bs) {axis=0}
  %db2 = DequantizeLinear(%bias, %bs2) {axis=0}
)";

Rewritten run_quantized(const std::string& body, const std::string& outputs = "y: %y") {
  auto r = rewrite(
      graph_text("%x: u8[n,3,5,5], %r: u8[n,4,5,5], %v: u8[n,3], %f: f32[n,3]", kQuantizedConstants + body, outputs),
      kPasses);
  expect_same_numbers(r, 1e-5);
  return r;
}

TEST(QuantizedProducts, StayInFloatsWhereThatIsAsked) {
  const auto product = [](const std::string& precision) {
    return run_quantized("%c = Conv(%dx, %dw)" + precision + "\n%y = QuantizeLinear(%c, %ys, %yz)");
  };
  EXPECT_EQ(product(" @precision=\"fp32,int8\"").ops(), (Ops{"QConv"}));
  const Rewritten r = product(" @precision=\"fp32\"");
  EXPECT_EQ(r.ops(), (Ops{"DequantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear"})) << r.reasons();
  EXPECT_NE(r.reasons().find("no kernel of QConv computes in fp32, which is asked of it"), std::string::npos)
      << r.reasons();
}

TEST(QuantizedProducts, Convolution) {
  EXPECT_EQ(run_quantized("%c = Conv(%dx, %dw)\n%y = QuantizeLinear(%c, %ys, %yz)").ops(), (Ops{"QConv"}));
  EXPECT_EQ(run_quantized("%c = Conv(%dx, %dw, %db) {pads=[0, 1, 0, 1]}\n%y = QuantizeLinear(%c, %ys, %yz)").ops(),
            (Ops{"QConv"}));
  EXPECT_EQ(run_quantized("%c = Conv(%dx, %dw, %db)\n%a = Relu(%c)\n%y = QuantizeLinear(%a, %ys)").ops(),
            (Ops{"QConv"}));
  EXPECT_EQ(
      run_quantized("%c = Conv(%dx, %dw, %db)\n%a = Clip(%c, %zero, %six)\n%y = QuantizeLinear(%a, %ys, %yz)").ops(),
      (Ops{"QConv"}));
  // Bounds that cross: the upper one is the result.
  EXPECT_EQ(
      run_quantized("%c = Conv(%dx, %dw, %db)\n%a = Clip(%c, %six, %zero)\n%y = QuantizeLinear(%a, %ys, %yz)").ops(),
      (Ops{"QConv"}));
}

TEST(QuantizedProducts, BiasWithItsOwnScaleBecomesReal) {
  auto r = run_quantized("%c = Conv(%dx, %dw, %db2)\n%y = QuantizeLinear(%c, %ys, %yz)");
  EXPECT_EQ(r.ops(), (Ops{"QConv"}));
  const ir::Node& n = std::as_const(*r.after).node(r.after->order()[0]);
  EXPECT_EQ(r.after->value(n.inputs[8]).type.dtype, DType::f32);
  r = run_quantized("%c = Conv(%dx, %dw, %db)\n%y = QuantizeLinear(%c, %ys, %yz)");
  EXPECT_EQ(r.after->value(std::as_const(*r.after).node(r.after->order()[0]).inputs[8]).type.dtype, DType::i32);
}

TEST(QuantizedProducts, MatMulWithFloatResult) {
  auto r = run_quantized("%dv = DequantizeLinear(%v, %xs, %xz)\n%c = MatMul(%dv, %dm, %db)\n%y = Gelu(%c)");
  EXPECT_EQ(r.ops(), (Ops{"QMatMul"})) << r.reasons();
}

TEST(QuantizedProducts, Refusals) {
  // Weights quantised along their input channels cannot be summed as integers.
  auto r = run_quantized(
      "%ts = constant f32[3] [0.1, 0.2, 0.3]\n%dn = DequantizeLinear(%w, %ts) {axis=1}\n%c = Conv(%dx, %dn)\n"
      "%y = QuantizeLinear(%c, %ys, %yz)");
  EXPECT_EQ(r.ops().back(), "QuantizeLinear");
  EXPECT_NE(r.reasons().find("weights are quantised along axis 1"), std::string::npos) << r.reasons();
  // A slope per channel is no number of an activation.
  r = run_quantized(
      "%k = constant f32[4,1,1] [0.1, 0.2, 0.3, 0.4]\n%c = Conv(%dx, %dw, %db)\n%a = PRelu(%c, %k)\n%y = "
      "QuantizeLinear(%a, %ys, %yz)");
  EXPECT_EQ(r.ops().back(), "QuantizeLinear") << r.reasons();
  EXPECT_NE(r.reasons().find("a slope per channel has no integer form"), std::string::npos) << r.reasons();
}

TEST(QuantizedProducts, ActivationsOnTheWayOut) {
  for (const char* activation : {"Swish(%c)", "Sigmoid(%c)", "Gelu(%c)", "HardSwish(%c)", "Tanh(%c)", "Elu(%c)"})
    EXPECT_EQ(run_quantized("%c = Conv(%dx, %dw, %db)\n%a = " + std::string(activation) +
                            "\n%y = QuantizeLinear(%a, %ys, %yz)")
                  .ops(),
              Ops{"QConv"})
        << activation;
}

TEST(QuantizedResidual, SumsOfQuantizedTensors) {
  const std::string conv =
      "%c = Conv(%dx, %dw, %db)\n%q = QuantizeLinear(%c, %ys, %yz)\n%dq = DequantizeLinear(%q, %ys, %yz)\n";
  EXPECT_EQ(run_quantized(conv + "%s = Add(%dq, %dr)\n%y = QuantizeLinear(%s, %zs, %zz)").ops(), (Ops{"QConv"}));
  EXPECT_EQ(run_quantized(conv + "%s = Add(%dr, %dq)\n%a = Relu(%s)\n%y = QuantizeLinear(%a, %zs, %zz)").ops(),
            (Ops{"QConv"}));
  EXPECT_EQ(
      run_quantized(conv + "%s = Add(%dr, %dq)\n%a = Clip(%s, %zero, %six)\n%y = QuantizeLinear(%a, %zs, %zz)").ops(),
      (Ops{"QConv"}));
  // The quantised product is read by somebody else: it stays as it is.
  auto r = run_quantized(conv + "%s = Add(%dq, %dr)\n%y = QuantizeLinear(%s, %zs, %zz)", "y: %y, q: %q");
  EXPECT_EQ(r.ops(), (Ops{"QConv", "QAdd"}));
  EXPECT_NE(r.reasons().find("also an output"), std::string::npos) << r.reasons();
}

TEST(QuantizedResidual, Refusals) {
  const std::string conv =
      "%c = Conv(%dx, %dw, %db)\n%q = QuantizeLinear(%c, %ys, %yz)\n%dq = DequantizeLinear(%q, %ys, %yz)\n";
  // The product twice: it is its own residual, and would be removed.
  auto r = run_quantized(conv + "%s = Add(%dq, %dq)\n%y = QuantizeLinear(%s, %zs, %zz)");
  EXPECT_EQ(r.ops(), (Ops{"QConv", "QAdd"}));
  EXPECT_NE(r.reasons().find("would be removed and is still read"), std::string::npos) << r.reasons();
  // Zero points that are inputs are the same only where they are one.
  const auto with_zeros = [&](const char* first, const char* second) {
    auto zeros = rewrite(
        graph_text("%x: u8[n,3,5,5], %r: u8[n,4,5,5], %za: u8[], %zb: u8[]",
                   std::string(kQuantizedConstants) + "%c = Conv(%dx, %dw, %db)\n%q = QuantizeLinear(%c, %ys, " +
                       first + ")\n%dq = DequantizeLinear(%q, %ys, " + second +
                       ")\n%s = Add(%dq, %dr)\n%y = QuantizeLinear(%s, %zs, %zz)"),
        kPasses);
    expect_same_numbers(zeros, 1e-5);
    return zeros;
  };
  EXPECT_EQ(with_zeros("%za", "%za").ops(), Ops{"QConv"});
  r = with_zeros("%za", "%zb");
  EXPECT_EQ(r.ops(), (Ops{"QConv", "QAdd"}));
  EXPECT_NE(r.reasons().find("another zero point"), std::string::npos) << r.reasons();
}

TEST(QuantizedProducts, BiasInBlocks) {
  auto r = run_quantized(
      "%k = constant f32[2] [0.0005, 0.001]\n%b = DequantizeLinear(%bias, %k) {axis=0, block_size=2}\n"
      "%c = Conv(%dx, %dw, %b)\n%y = QuantizeLinear(%c, %ys, %yz)");
  EXPECT_EQ(r.ops().back(), "QuantizeLinear");
  EXPECT_NE(r.reasons().find("the bias is quantised in blocks"), std::string::npos) << r.reasons();
}

TEST(QuantizedMoves, EqualQuantisationsNeedNoFloats) {
  EXPECT_EQ(run_quantized("%y = QuantizeLinear(%dx, %xs, %xz)").ops(), Ops{});
  EXPECT_EQ(run_quantized("%t = Transpose(%dx) {perm=[0, 2, 3, 1]}\n%y = QuantizeLinear(%t, %xs, %xz)").ops(),
            (Ops{"Transpose"}));
  auto r = run_quantized("%t = Transpose(%dx) {perm=[0, 2, 3, 1]}\n%y = QuantizeLinear(%t, %ys, %xz)");
  EXPECT_EQ(r.ops(), (Ops{"DequantizeLinear", "Transpose", "QuantizeLinear"}));
  EXPECT_NE(r.reasons().find("scale or zero point change"), std::string::npos) << r.reasons();
}

TEST(QuantizedMoves, ResizeToTheNearest) {
  const auto resized = [](const std::string& attrs) {
    return run_quantized("%t = Resize(%dx) {scales=[1.0, 1.0, 2.0, 2.0]" + attrs +
                         "}\n%y = QuantizeLinear(%t, %xs, %xz)")
        .ops();
  };
  EXPECT_EQ(resized(", mode=\"nearest\""), Ops{"Resize"});
  EXPECT_EQ(resized(", mode=\"linear\""), (Ops{"DequantizeLinear", "Resize", "QuantizeLinear"}));
}

TEST(QuantizedJoins, ConcatAndSplitOfOneQuantisation) {
  EXPECT_EQ(run_quantized("%c = Concat(%dx, %dx) {axis=1}\n%y = QuantizeLinear(%c, %xs, %xz)").ops(), Ops{"Concat"});
  EXPECT_EQ(
      run_quantized("%c = Concat(%dx, %dx) {axis=1}\n%y = QuantizeLinear(%c, %xs, %xz)\n%z = QuantizeLinear(%c, %xs, "
                    "%xz)",
                    "y: %y, z: %z")
          .ops(),
      Ops{"Concat"});
  EXPECT_EQ(run_quantized("%p, %q = Split(%dx) {axis=1, split=[1, 2]}\n%y = QuantizeLinear(%p, %xs, %xz)\n%z = "
                          "QuantizeLinear(%q, %xs, %xz)",
                          "y: %y, z: %z")
                .ops(),
            Ops{"Split"});
}

TEST(QuantizedJoins, Refusals) {
  const auto reasons = [](const std::string& body, const std::string& outputs) {
    const auto r = run_quantized(body, outputs);
    EXPECT_NE(r.ops(), Ops{"Concat"});
    EXPECT_NE(r.ops(), Ops{"Split"});
    return r.reasons();
  };
  const std::string concat = "%c = Concat(%dx, %dx) {axis=1}\n";
  EXPECT_NE(reasons("%c = Concat(%dx, %dr) {axis=1}\n%y = QuantizeLinear(%c, %xs, %xz)", "y: %y").find("scale or zero"),
            std::string::npos);
  EXPECT_NE(reasons(concat + "%y = QuantizeLinear(%c, %ys, %xz)", "y: %y").find("scale or zero point change"),
            std::string::npos);
  EXPECT_NE(
      reasons(concat + "%i = constant i8[] [120]\n%y = QuantizeLinear(%c, %xs, %i)", "y: %y").find("type changes"),
      std::string::npos);
  EXPECT_NE(reasons(concat + "%y = QuantizeLinear(%c, %xs, %xz)", "y: %y, c: %c").find("its result is an output"),
            std::string::npos);
  EXPECT_NE(reasons(concat + "%y = QuantizeLinear(%c, %xs, %xz)\n%z = Relu(%c)", "y: %y, z: %z")
                .find("its result is read as floats, too"),
            std::string::npos);
  EXPECT_NE(reasons("%p, %q = Split(%dx) {axis=1, split=[1, 2]}\n%y = QuantizeLinear(%p, %xs, %xz)\n%z = Relu(%q)",
                    "y: %y, z: %z")
                .find("its result is read as floats, too"),
            std::string::npos);
  EXPECT_NE(reasons("%t = constant f32[3] [0.1, 0.2, 0.3]\n%d = DequantizeLinear(%x, %t) {axis=1}\n%c = Concat(%d, %d) "
                    "{axis=0}\n%y = QuantizeLinear(%c, %t) {axis=1}",
                    "y: %y")
                .find("per channel"),
            std::string::npos);
}

TEST(QuantizedSums, SumsAndAverages) {
  EXPECT_EQ(run_quantized("%s = Add(%dx, %dx)\n%y = QuantizeLinear(%s, %zs, %zz)").ops(), (Ops{"QAdd"}));
  EXPECT_EQ(run_quantized("%s = Add(%dr, %dr)\n%a = Relu(%s)\n%y = QuantizeLinear(%a, %ys, %yz)").ops(), (Ops{"QAdd"}));
  EXPECT_EQ(run_quantized("%s = Add(%dr, %dr)\n%a = Clip(%s, %zero, %six)\n%y = QuantizeLinear(%a, %ys)").ops(),
            (Ops{"QAdd"}));
  EXPECT_EQ(run_quantized("%g = AveragePool(%dx) {global=1}\n%y = QuantizeLinear(%g, %ys, %yz)").ops(),
            (Ops{"QGlobalAveragePool"}));
  auto r = run_quantized("%g = AveragePool(%dx) {kernel_shape=[2, 2]}\n%y = QuantizeLinear(%g, %ys, %yz)");
  EXPECT_EQ(r.ops(), (Ops{"DequantizeLinear", "AveragePool", "QuantizeLinear"}));
  EXPECT_NE(r.reasons().find("over windows"), std::string::npos) << r.reasons();
  r = run_quantized(
      "%one = constant u8[1,3,1,1] [1, 2, 3]\n%d = DequantizeLinear(%one, %xs)\n%s = Add(%dx, %d)\n%y = "
      "QuantizeLinear(%s, %zs, %zz)");
  EXPECT_NE(r.reasons().find("broadcast"), std::string::npos) << r.reasons();
}

TEST(DynamicQuantize, EverySpelling) {
  const std::string head =
      "%q, %s, %z = DynamicQuantizeLinear(%f)\n%i = MatMulInteger(%q, %m, %z, %wz)\n%c = Cast(%i) {to=\"f32\"}\n";
  const std::string tail = "%b = constant f32[4] [1, 2, 3, 4]\n%a = Add(%o, %b)\n%y = Relu(%a)";
  const Ops want{"DynamicQuantizeLinear", "QMatMul"};
  EXPECT_EQ(run_quantized(head + "%k = Mul(%s, %ws)\n%o = Mul(%c, %k)\n" + tail).ops(), want);
  EXPECT_EQ(run_quantized(head + "%k = Mul(%ws, %s)\n%o = Mul(%k, %c)\n" + tail).ops(), want);
  EXPECT_EQ(run_quantized(head + "%k = Mul(%c, %s)\n%o = Mul(%k, %ws)\n" + tail).ops(), want);
  EXPECT_EQ(run_quantized(head + "%k = Mul(%c, %ws)\n%o = Mul(%s, %k)\n" + tail).ops(), want);
  auto r = run_quantized(head + "%k = constant f32[1,3,4] splat 0.5\n%l = Mul(%s, %k)\n%y = Mul(%c, %l)");
  EXPECT_EQ(r.ops().size(), 5u);
}
}  // namespace
}  // namespace monza
