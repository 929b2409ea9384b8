// Branches that the profiles decide: PyTorch exports squeeze(-1) as an If on an extent, whose branches differ in rank.
#include <gtest/gtest.h>

#include <fstream>

#include "monza/engine.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza {
namespace {

/// Relu where n < 8, another rank above.
Engine built(const std::string& shapes) {
  const test::NotedModel noted = test::parse_onnx_notation(R"(
    s = Shape(x: f32[n,4]; end = 1)
    k = Div(s, [8])
    c = Equal(k, [0])
    y = If(c; then_branch = { a = Relu(x) return a }, else_branch = { b = Unsqueeze(x, [0]) return b })
  )" + shapes);
  const test::TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  std::ofstream(path, std::ios::binary) << noted.model.SerializeAsString();
  return Engine::build(path, noted.options);
}

/// The shape of y for n rows of -1, whose first element goes to `first`.
std::vector<std::int64_t> run(const Engine& engine, std::int64_t n, float& first) {
  Context context = engine.create_context();
  Tensor x(DType::f32, {n, 4});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = -1;
  EXPECT_TRUE(context.bind_input("x", x).ok());
  const Status s = context.run();
  EXPECT_TRUE(s.ok()) << context.describe(s);
  first = context.output("y").as<float>()[0];
  return context.output("y").shape;
}

TEST(If, TakesTheBranchThatAllExtentsOfTheProfilesTake) {
  const Engine low = built("--min-shape x=1x4 --opt-shape x=4x4 --max-shape x=7x4");
  float first = 1;
  for (const std::int64_t n : {1, 5, 7}) {
    EXPECT_EQ(run(low, n, first), (std::vector<std::int64_t>{n, 4}));
    EXPECT_EQ(first, 0);
  }
  const Engine high = built("--min-shape x=8x4 --opt-shape x=8x4 --max-shape x=30x4");
  for (const std::int64_t n : {8, 30}) {
    EXPECT_EQ(run(high, n, first), (std::vector<std::int64_t>{1, n, 4}));
    EXPECT_EQ(first, -1);
  }
}

TEST(If, RefusesARangeInWhichBothBranchesAreTaken) {
  try {
    built("--min-shape x=1x4 --opt-shape x=8x4 --max-shape x=8x4");
    FAIL() << "it was built";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("output 0 is f32[n,4] in one branch and f32[1,n,4] in the other"),
              std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("try: give a narrower range of shapes, in which one branch is always taken"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace monza
