// Graphs whose nodes may compute in fp16: what is stored in f16, what stays, and what is cast between them.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/pass.h"

namespace monza {
namespace {

std::string halved(const std::string& text, Device device = Device::cuda) {
  const auto graph = ir::parse("graph \"main\" " + text);
  BuildOptions options;
  options.device = device;
  (void)optimize(*graph, options);
  ir::verify(*graph);
  return ir::print(*graph);
}

int count(const std::string& text, const std::string& what) {
  int n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(HalfPrecision, CastsAtTheEdgesAlone) {
  const std::string text = halved(
      "(%x: f32[2,8]) {\n  %a = Tanh(%x) @precision=\"fp32,fp16\"\n  %b = Sigmoid(%a) @precision=\"fp32,fp16\"\n"
      "  %c = Add(%b, %a) @precision=\"fp32,fp16\"\n  return (y: %c)\n}");
  EXPECT_EQ(count(text, "Cast("), 2) << text;
  EXPECT_EQ(count(text, ": f16[2,8]"), 4) << text;
}

TEST(HalfPrecision, WhatMayOverflowStaysInFp32) {
  const std::string text = halved(
      "(%x: f32[2,8]) {\n  %a = Tanh(%x) @precision=\"fp32,fp16\"\n  %b = Exp(%a) @precision=\"fp32,fp16\"\n"
      "  %c = Neg(%b) @precision=\"fp32,fp16\"\n  return (y: %c)\n}");
  EXPECT_NE(text.find("f32[2,8] = Exp("), std::string::npos) << text;
  EXPECT_EQ(count(text, "Cast("), 4) << text;
}

TEST(HalfPrecision, QuotientsByConstantsFromOneOnAreNoLarger) {
  const auto divided = [](const std::string& by) {
    return halved("(%x: f32[2,8]) {\n  %d = constant f32[] [" + by +
                  "]\n  %a = Tanh(%x) @precision=\"fp32,fp16\"\n  %b = Div(%a, %d) @precision=\"fp32,fp16\"\n"
                  "  %c = Neg(%b) @precision=\"fp32,fp16\"\n  return (y: %c)\n}");
  };
  for (const char* by : {"2", "-255", "1.5"}) EXPECT_EQ(count(divided(by), "Cast("), 2) << divided(by);
  for (const char* by : {"0.5", "0", "1e6"}) EXPECT_EQ(count(divided(by), "Cast("), 4) << divided(by);
}

TEST(HalfPrecision, WhatMeetsALargeConstantStaysInFp32) {
  const std::string text = halved(
      "(%x: f32[2,8]) {\n  %c = constant f32[1] [-3.4e38]\n  %a = Tanh(%x) @precision=\"fp32,fp16\"\n"
      "  %b = Mul(%a, %c) @precision=\"fp32,fp16\"\n  return (y: %b)\n}");
  EXPECT_NE(text.find("f32[2,8] = Mul("), std::string::npos) << text;
  EXPECT_NE(text.find("f16[2,8] = Tanh("), std::string::npos) << text;
}

TEST(HalfPrecision, MasksOfAttentionAreComputedInFp32) {
  const std::string text = halved(
      "(%q: f32[1,2,4,8], %m: f32[1,1,1,4]) {\n  %c = constant f32[1] [-10000]\n"
      "  %a = Neg(%m) @precision=\"fp32,fp16\"\n  %b = Mul(%a, %c) @precision=\"fp32,fp16\"\n"
      "  %y = Attention(%q, %q, %q, %b) @precision=\"fp32,fp16\"\n  return (y: %y)\n}");
  EXPECT_EQ(count(text, "Cast("), 2) << text;
  EXPECT_NE(text.find("f16[1,2,4,8] = Attention("), std::string::npos) << text;
}

TEST(HalfPrecision, OnlyWhereItIsAskedForAndOnlyOnGpus) {
  const std::string plain = "(%x: f32[2,8]) {\n  %a = Tanh(%x)\n  return (y: %a)\n}";
  EXPECT_EQ(count(halved(plain), "f16"), 0);
  const std::string asked = "(%x: f32[2,8]) {\n  %a = Tanh(%x) @precision=\"fp32,fp16\"\n  return (y: %a)\n}";
  EXPECT_EQ(count(halved(asked, Device::cpu), ": f16"), 0);
  EXPECT_GT(count(halved(asked), ": f16"), 0);
}

}  // namespace
}  // namespace monza
