// Shape inference of MatMul, and what it refuses.
#include <gtest/gtest.h>

#include "ir/graph.h"
#include "ir/text.h"
#include "monza/error.h"

namespace monza {
namespace {

std::string matmul(const std::string& a, const std::string& b, const std::string& attrs = "") {
  return "graph \"g\" (%a: " + a + ", %b: " + b + ") {\n  %y = MatMul(%a, %b) {" + attrs + "}\n  return (y: %y)\n}\n";
}
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

TEST(MatMulDefinition, InfersExtents) {
  EXPECT_EQ(output_type(matmul("f32[2,3]", "f32[3,4]")), "f32[2,4]");
  EXPECT_EQ(output_type(matmul("f32[b,s,768]", "f32[768,3072]")), "f32[b,s,3072]");
  EXPECT_EQ(output_type(matmul("f32[b,1,5,3]", "f32[7,3,4]")), "f32[b,7,5,4]");
  EXPECT_EQ(output_type(matmul("f32[3]", "f32[3]")), "f32[]");
  EXPECT_EQ(output_type(matmul("f32[3]", "f32[2,3,4]")), "f32[2,4]");
  EXPECT_EQ(output_type(matmul("f32[2,4,3]", "f32[3]")), "f32[2,4]");
  EXPECT_EQ(output_type(matmul("f32[3,2]", "f32[4,3]", "trans_a=1, trans_b=1")), "f32[2,4]");
  EXPECT_EQ(output_type(matmul("i64[2,3]", "i64[3,4]")), "i64[2,4]");
  EXPECT_EQ(output_type(matmul("f32[m,64]", "q4_0[128,64]", "trans_b=1")), "f32[m,128]");
}

TEST(MatMulDefinition, RefusesWhatDoesNotFit) {
  EXPECT_NE(error_of(matmul("f32[2,3]", "f32[4,5]")).find("3 against 4"), std::string::npos);
  EXPECT_NE(error_of(matmul("f32[2,5,3]", "f32[3,3,4]")).find("broadcast"), std::string::npos);
  EXPECT_NE(error_of(matmul("f32[]", "f32[3,4]")).find("scalar"), std::string::npos);
  EXPECT_NE(error_of(matmul("f32[2,3]", "f64[3,4]")).find("f64"), std::string::npos);
  EXPECT_NE(error_of(matmul("f32[2,64]", "q8_0[64,128]")).find("trans_b"), std::string::npos);
  EXPECT_NE(error_of(matmul("u8[2,3]", "u8[3,4]")).find("u8"), std::string::npos);
}

}  // namespace
}  // namespace monza
