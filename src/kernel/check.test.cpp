// Every operator that has a kernel says what its kernels rely on, and views that share bytes are found.
#include "kernel/check.h"

#include <gtest/gtest.h>

#include "kernel/registry.h"

namespace monza {
namespace {

TEST(Check, EveryKernelsOperatorHasARule) {
  for (const Kernel* k : all_kernels())
    EXPECT_NE(find_check(k->op), nullptr) << k->op << ": add its rule to src/ops/<family>/<family>.check.cpp";
}

TensorView view(std::byte* data, Shape shape, std::initializer_list<std::int64_t> stride) {
  TensorView v;
  v.data = data;
  v.dtype = DType::f32;
  v.shape = shape;
  std::copy(stride.begin(), stride.end(), v.stride);
  return v;
}

TEST(Check, ViewsThatShareBytes) {
  alignas(64) std::byte memory[1024];
  const TensorView a = view(memory, {4, 6}, {8, 1});
  EXPECT_TRUE(may_overlap(a, a));
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 5, {4, 2}, {8, 1})));
  // Columns beside each other, and rows after each other.
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 6, {4, 2}, {8, 1})));
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 6, {4, 3}, {8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 32, {4, 6}, {8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory, {0, 6}, {8, 1})));
  // Backwards.
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 40, {6, 8}, {-8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 72, {5, 8}, {-8, 1})));
}

}  // namespace
}  // namespace monza
