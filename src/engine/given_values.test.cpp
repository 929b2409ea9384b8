// Elements of integer inputs that a build is given: what takes them, and what does not.
#include <gtest/gtest.h>

#include <fstream>

#include "monza/engine.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza {
namespace {

/// Builds `notation`, whose options may give elements, and runs it on x = 0, 1, ... and i = `index`.
Status run_on(const std::string& notation, std::int64_t index, std::vector<float>& out) {
  const test::TemporaryFolder folder;
  const test::NotedModel noted = test::parse_onnx_notation(notation);
  std::ofstream(folder / "m.onnx", std::ios::binary) << noted.model.SerializeAsString();
  const Engine engine = Engine::build(folder / "m.onnx", noted.options);
  Context context = engine.create_context();
  Tensor x(DType::f32, {4}), i(DType::i64, {1});
  for (int k = 0; k < 4; ++k) x.as<float>()[k] = static_cast<float>(k);
  i.as<std::int64_t>()[0] = index;
  if (const Status s = context.bind_input("x", x); !s) return s;
  if (const Status s = context.bind_input("i", i); !s) return s;
  const Status status = context.run();
  if (!status) return status;
  const TensorRef y = context.output(std::size_t{0});
  out.assign(y.as<float>(), y.as<float>() + y.numel());
  return status;
}

TEST(GivenValues, StayDataWhereNoShapeDependsOnThem) {
  const std::string gather = "Gather(x: f32[4], i: i64[1]) --shape-values i=2";
  std::vector<float> out;
  ASSERT_TRUE(run_on(gather, 2, out));
  EXPECT_EQ(out, std::vector<float>{2});
  ASSERT_TRUE(run_on(gather, 1, out));
  EXPECT_EQ(out, std::vector<float>{1}) << "the index of this run, not that of the build";
  EXPECT_FALSE(run_on(gather, 4, out));
}

TEST(GivenValues, AreCheckedWhereAShapeIsTheirs) {
  const std::string reshape = "y = Expand(x: f32[4], i: i64[1]) --shape-values i=4";
  std::vector<float> out;
  ASSERT_TRUE(run_on(reshape, 4, out));
  EXPECT_EQ(out, (std::vector<float>{0, 1, 2, 3}));
  EXPECT_FALSE(run_on(reshape, 1, out)) << "the engine is specialised to 4";
}

}  // namespace
}  // namespace monza
