#include "plan/data/reach.h"

#include <gtest/gtest.h>

#include "tensor/block_encoding.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

std::int64_t reach_of(DType dtype, const Shape& shape, std::initializer_list<std::int64_t> strides,
                      std::int64_t offset = 0, Layout layout = Layout::strided) {
  return reach(dtype, layout, shape, strides.begin(), offset);
}

TEST(Reach, DenseIsStorageBytes) {
  for (DType t : {DType::f32, DType::u8, DType::i4, DType::i2, DType::c128}) {
    const TensorView v = dense_view(nullptr, t, {3, 5, 7});
    EXPECT_EQ(reach(t, v.layout, v.shape, v.stride, 0), storage_bytes(t, v.shape));
  }
  for (DType t : block_encodings())
    for (std::int64_t row : {1, 32, 33, 96, 300}) {
      const TensorView v = dense_view(nullptr, t, {3, row});
      EXPECT_EQ(reach(t, v.layout, v.shape, v.stride, 0), storage_bytes(t, v.shape));
    }
}

TEST(Reach, StridedViews) {
  EXPECT_EQ(reach_of(DType::f32, {2, 3}, {10, 1}), 52);
  EXPECT_EQ(reach_of(DType::f32, {2, 3}, {10, 1}, 5), 72);
  EXPECT_EQ(reach_of(DType::f32, {4}, {0}), 4);
  EXPECT_EQ(reach_of(DType::f32, {}, {}), 4);
  EXPECT_EQ(reach_of(DType::f32, {4, 0}, {1000, 1000}, 1 << 20), 0);
}

TEST(Reach, BackwardsNeedsAnOffset) {
  EXPECT_EQ(reach_of(DType::f32, {4}, {-1}), -1);
  EXPECT_EQ(reach_of(DType::f32, {4}, {-1}, 2), -1);
  EXPECT_EQ(reach_of(DType::f32, {4}, {-1}, 3), 16);
}

TEST(Reach, BlockedCountsWholeBlocks) {
  // N=1, C=5 in one block of 8, 2x2 pixels: 8 * 4 floats.
  EXPECT_EQ(reach_of(DType::f32, {1, 5, 2, 2}, {32, 32, 16, 8}, 0, Layout::blocked8), 32 * 4);
  EXPECT_EQ(reach_of(DType::f32, {1, 17, 2, 2}, {128, 64, 32, 16}, 0, Layout::blocked16), 128 * 4);
  EXPECT_EQ(reach_of(DType::f32, {5}, {1}, 0, Layout::blocked8), -1);
}

TEST(Reach, StridesLeaveRoomForOneStepMore) {
  // An axis of one element is never stepped along, but loops add its stride before they end.
  for (const std::int64_t extent : {0, 1}) {
    EXPECT_EQ(reach_of(DType::f32, {extent, 2}, {kMostStride, 1}), extent * 8);
    EXPECT_EQ(reach_of(DType::f32, {extent, 2}, {kMostStride + 1, 1}), -1);
    EXPECT_EQ(reach_of(DType::f32, {extent, 2}, {INT64_MAX, 1}), -1);
    EXPECT_EQ(reach_of(DType::f32, {extent, 2}, {INT64_MIN, 1}), -1);
  }
}

TEST(Reach, RefusesNonsense) {
  EXPECT_EQ(reach_of(DType::f32, {-1}, {1}), -1);
  EXPECT_EQ(reach_of(DType::invalid, {1}, {1}), -1);
  EXPECT_EQ(reach_of(DType::f32, {INT64_MAX, 3}, {3, 1}), -1);
  EXPECT_EQ(reach_of(DType::f32, {INT64_MAX}, {1}), -1);
  EXPECT_EQ(reach_of(DType::f32, {2}, {1}, INT64_MAX), -1);
  EXPECT_EQ(reach_of(DType::q8_0, {2, 32}, {64, 1}), -1);
  EXPECT_EQ(reach_of(DType::q8_0, {2, 32}, {32, 1}, 32), -1);
  EXPECT_EQ(reach_of(DType::q8_0, {2, INT64_MAX}, {INT64_MAX, 1}), -1);
}

}  // namespace
}  // namespace monza::plan
