// What the planner takes for a port's operand, the check of the step takes, too.
#include "plan/place.h"

#include <gtest/gtest.h>

#include <random>

#include "kernel/check.h"
#include "kernel/ports.h"
#include "plan/layouts.h"

namespace monza::plan {
namespace {

/// The view of a place of fixed extents.
TensorView view_at(const Place& place, const ir::SymShape& shape) {
  TensorView v;
  v.dtype = DType::f32;
  v.layout = place.layout;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    v.shape[v.shape.rank++] = shape[a].constant();
    v.stride[a] = place.stride[a].constant();
  }
  return v;
}

std::string refusal(Port port, const TensorView& view) {
  const Kernel kernel{.name = "test", .op = "Test", .in = {port}, .out = {Port::dense}};
  const OperandDesc desc;
  const std::int64_t bytes = 0;
  const Refusal r = refuse_step(kernel, nullptr, {{nullptr, &view, 1, nullptr, 0}, &desc, nullptr, &bytes});
  return r == nullptr ? "" : r;
}

TEST(Places, ThePlannerAndTheCheckOfAStepAgree) {
  std::mt19937 rng(4);
  const auto pick = [&](std::initializer_list<std::int64_t> list) { return *(list.begin() + rng() % list.size()); };
  constexpr Port kPorts[] = {Port::dense,    Port::strided,   Port::rows,   Port::channels_last,
                             Port::blocked8, Port::blocked16, Port::uniform};
  int taken = 0;
  for (int round = 0; round < 3000; ++round) {
    ir::SymShape shape{pick({1, 2}), pick({1, 3, 8, 13, 16, 32})};
    for (std::size_t rank = 2 + rng() % 3; shape.size() < rank;) shape.emplace_back(pick({1, 2, 5}));
    const Port form = shape.size() < 3 ? Port::dense : kForms[rng() % 4];
    Place place = form_place(form, shape);
    if (rng() % 3 == 0) {  // gaps, turned axes
      const std::size_t a = rng() % shape.size();
      if (rng() % 2) place.stride[a] = place.stride[a] * ir::Expr(2);
      else if (place.layout == Layout::strided) std::swap(place.stride[a], place.stride[rng() % shape.size()]);
    }
    for (const Port port : kPorts) {
      if (!satisfies(port, place, shape)) continue;
      ++taken;
      EXPECT_TRUE(admits(port, place.layout));
      // Gaps within blocks come of no view, and the check alone knows of them.
      const std::string r = refusal(port, view_at(place, shape));
      if (port == Port::blocked8 || port == Port::blocked16) continue;
      EXPECT_EQ(r, "") << "port " << static_cast<int>(port) << " " << ir::to_string(shape);
    }
  }
  EXPECT_GT(taken, 2000);
}

}  // namespace
}  // namespace monza::plan
