// Shape inference of Conv and ConvTranspose on graphs with symbolic dimensions, and what it refuses.
#include <gtest/gtest.h>

#include "ir/graph.h"
#include "ir/text.h"
#include "monza/error.h"

namespace monza {
namespace {

/// The type of the first output of a graph in text form.
std::string output_type(const std::string& text) {
  const auto graph = ir::parse(text);
  return ir::to_string(graph->value(graph->outputs()[0].value).type);
}

std::string error_of(const std::string& text) {
  try {
    ir::parse(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string conv(const std::string& x, const std::string& w, const std::string& attrs, const std::string& op = "Conv") {
  return "graph \"g\" (%x: " + x + ", %w: " + w + ") {\n  %y = " + op + "(%x, %w) {" + attrs +
         "}\n  return (y: %y)\n}\n";
}

TEST(ConvDefinition, InfersExtents) {
  EXPECT_EQ(output_type(conv("f32[1,3,224,224]", "f32[64,3,7,7]", "strides=[2,2], pads=[3,3,3,3]")),
            "f32[1,64,112,112]");
  EXPECT_EQ(output_type(conv("f32[2,8,10]", "f32[4,8,3]", "dilations=[2]")), "f32[2,4,6]");
  EXPECT_EQ(output_type(conv("f32[1,4,5,6,7]", "f32[6,2,2,2,2]", "group=2")), "f32[1,6,4,5,6]");
}

TEST(ConvDefinition, KeepsSymbolsThatAPaddedKernelDoesNotChange) {
  EXPECT_EQ(output_type(conv("f32[batch,8,h,w]", "f32[4,8,3,3]", "pads=[1,1,1,1]")), "f32[batch,4,h,w]");
}

TEST(ConvDefinition, ResolvesSamePaddingAgainstTheExtent) {
  EXPECT_EQ(output_type(conv("f32[1,8,9,10]", "f32[4,8,3,3]", "strides=[2,2], auto_pad=\"same_upper\"")),
            "f32[1,4,5,5]");
}

TEST(ConvDefinition, RefusesWhatDoesNotFit) {
  EXPECT_NE(error_of(conv("f32[1,3,8,8]", "f32[4,2,3,3]", "")).find("channels"), std::string::npos);
  EXPECT_NE(error_of(conv("f32[1,3,2,2]", "f32[4,3,4,3]", "")).find("reaches over 4"), std::string::npos);
  EXPECT_NE(error_of(conv("f32[1,4,8,8]", "f32[3,2,3,3]", "group=2")).find("do not divide"), std::string::npos);
  EXPECT_NE(error_of(conv("i32[1,3,8,8]", "i32[4,3,3,3]", "")).find("i32"), std::string::npos);
  EXPECT_NE(error_of(conv("f32[1,3,8,8]", "f32[4,3,3,3]", "activation=\"swoosh\"")).find("swoosh"), std::string::npos);
  EXPECT_NE(error_of(conv("f32[1,3,8,8]", "f32[4,3,3,3]", "strides=[0,1]")).find("stride 0"), std::string::npos);
}

TEST(ConvTransposeDefinition, InfersExtents) {
  EXPECT_EQ(output_type(conv("f32[1,8,5,6]", "f32[8,4,3,3]", "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]",
                             "ConvTranspose")),
            "f32[1,4,10,12]");
  EXPECT_EQ(output_type(conv("f32[n,8,h,4]", "f32[8,2,2,2]", "strides=[2,2], group=4", "ConvTranspose")),
            "f32[n,8,2*h,8]");
}

}  // namespace
}  // namespace monza
