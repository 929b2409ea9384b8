// Element types, shapes, views and sizes of storage.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "monza/error.h"
#include "support/error_text.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/storage.h"

namespace monza {
namespace {

using test::error_of;

constexpr int kLastType = static_cast<int>(DType::nvfp4);

TEST(DType, NamesRoundTripAndAreUnique) {
  std::set<std::string_view> names;
  for (int i = 1; i <= kLastType; ++i) {
    const DType t = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(dtype_name(t)), t);
    EXPECT_TRUE(names.insert(dtype_name(t)).second) << dtype_name(t);
    EXPECT_EQ(dtype_bits(t) == 0, is_block_encoding(t)) << dtype_name(t);
    EXPECT_FALSE(is_float(t) && is_integer(t));
  }
  EXPECT_EQ(parse_dtype("f33"), DType::invalid);
  EXPECT_EQ(parse_dtype(""), DType::invalid);
  EXPECT_EQ(dtype_name(static_cast<DType>(200)), "invalid");
}

TEST(DType, NumbersOfTheFileFormatStay) {
  // The engine file stores these: a change here breaks every engine without saying so.
  EXPECT_EQ(static_cast<int>(DType::f32), 1);
  EXPECT_EQ(static_cast<int>(DType::i64), 11);
  EXPECT_EQ(static_cast<int>(DType::boolean), 13);
  EXPECT_EQ(static_cast<int>(DType::f8e8m0), 21);
  EXPECT_EQ(static_cast<int>(DType::q8_0), 28);
  EXPECT_EQ(static_cast<int>(DType::handle), 29);
  EXPECT_EQ(static_cast<int>(DType::nvfp4), 50);
}

TEST(Elements, SmallOnesBeforeTheFirstAreThoseOfTheBytesBefore) {
  // A view that steps backwards begins at its last element.
  std::uint8_t bytes[3] = {0x21, 0x43, 0x65};
  for (const DType type : {DType::u4, DType::i4})
    for (int i = -4; i < 2; ++i) EXPECT_EQ(element_access(type).load_int(bytes + 2, i), i + 5) << i;
  EXPECT_EQ(element_access(DType::f4e2m1).load(bytes + 2, -4), 0.5);
  std::uint8_t pairs[2] = {0b11'10'01'00, 0};
  for (int i = -4; i < 0; ++i) EXPECT_EQ(element_access(DType::u2).load_int(pairs + 1, i), i + 4) << i;
  element_access(DType::u4).store_int(bytes + 2, -3, 9);
  EXPECT_EQ(bytes[0], 0x91);
}

TEST(StorageBytes, EveryEncoding) {
  EXPECT_EQ(storage_bytes(DType::f32, {2, 3}), 24);
  EXPECT_EQ(storage_bytes(DType::f32, {}), 4);
  EXPECT_EQ(storage_bytes(DType::f32, {5, 0, 7}), 0);
  EXPECT_EQ(storage_bytes(DType::c128, {3}), 48);
  EXPECT_EQ(storage_bytes(DType::string, {3}), 48);
  EXPECT_EQ(storage_bytes(DType::i4, {3, 3}), 5);
  EXPECT_EQ(storage_bytes(DType::i4, {}), 1);
  EXPECT_EQ(storage_bytes(DType::u2, {9}), 3);
  EXPECT_EQ(storage_bytes(DType::f4e2m1, {4}), 2);
  EXPECT_EQ(storage_bytes(DType::q4_0, {2, 64}), 2 * 2 * 18);
  EXPECT_EQ(storage_bytes(DType::q4_0, {2, 65}), 2 * 3 * 18);  // whole blocks along the last axis
  EXPECT_EQ(storage_bytes(DType::q8_0, {3, 32}), 3 * 34);
  EXPECT_EQ(storage_bytes(DType::q8_0, {3, 0}), 0);
}

TEST(StorageBytes, BlockedLayoutsRoundChannels) {
  EXPECT_EQ(storage_bytes(DType::f32, {1, 5, 2, 2}, Layout::blocked8), 8 * 4 * 4);
  EXPECT_EQ(storage_bytes(DType::f32, {1, 16, 2, 2}, Layout::blocked16), 16 * 4 * 4);
  EXPECT_EQ(storage_bytes(DType::f32, {1, 17, 2, 2}, Layout::blocked16), 32 * 4 * 4);
  EXPECT_EQ(storage_bytes(DType::f32, {2, 3}, Layout::strided), 24);
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {5}, Layout::blocked8); }),
            "a blocked layout needs a channel axis, shape 5 has none");
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {1, 5}, Layout::packed); }),
            "only a kernel knows the size of its packed form");
}

TEST(BlockEncodings, StorageIsWholeBlocksOfTheLastAxis) {
  for (const DType type : block_encodings()) {
    SCOPED_TRACE(dtype_name(type));
    const BlockEncoding& e = block_encoding(type);
    EXPECT_EQ(storage_bytes(type, {3, 2 * e.elements + 1}), 3 * 3 * e.bytes);
    EXPECT_EQ(block_row_bytes(e, 2 * e.elements + 1), 3 * e.bytes);
    EXPECT_EQ(storage_bytes(type, {3, 0}), 0);
    EXPECT_EQ(parse_dtype(dtype_name(type)), type);
  }
}

TEST(BlockEncodings, DecodeWhatTheFormatsSay) {
  std::byte block[34] = {std::byte{0x00}, std::byte{0x38}};  // f16 0.5
  float got[32];
  for (int i = 0; i < 32; ++i) block[2 + i] = static_cast<std::byte>(i * 8 - 128);
  block_encoding(DType::q8_0).decode(block, got);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(got[i], 0.5f * static_cast<float>(i * 8 - 128));
  for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<std::byte>(i | (15 - i) << 4);
  block_encoding(DType::q4_0).decode(block, got);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(got[i], 0.5f * static_cast<float>(i - 8));
    EXPECT_EQ(got[i + 16], 0.5f * static_cast<float>(7 - i));
  }
}

TEST(StorageBytes, RefusesNegativeExtentsAndOverflow) {
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {2, -1}); }), "extent 1 of shape 2x-1 is negative");
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {0, -1}); }), "extent 1 of shape 0x-1 is negative");
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {INT64_MAX}); }),
            "the tensor's size overflows 64 bits: 9223372036854775807 * 4");
  EXPECT_THROW(storage_bytes(DType::u8, {INT64_MAX, 2}), Error);
  EXPECT_EQ(storage_bytes(DType::u8, {INT64_MAX}), INT64_MAX);
  EXPECT_THROW(storage_bytes(DType::i4, {INT64_MAX}), Error);
  EXPECT_EQ(error_of([] { storage_bytes(DType::q4_0, {INT64_MAX}); }),
            "the row length overflows 64 bits: 9223372036854775807 + 31");
  EXPECT_EQ(error_of([] { storage_bytes(DType::q4_0, {INT64_MAX, 1}); }),
            "the tensor's size overflows 64 bits: 9223372036854775807 * 18");
  EXPECT_EQ(error_of([] { storage_bytes(DType::f32, {1, INT64_MAX, 1}, Layout::blocked8); }),
            "the channel count overflows 64 bits: 9223372036854775807 + 7");
  EXPECT_EQ(error_of([] { storage_bytes(DType::invalid, {1}); }), "invalid has no storage");
  EXPECT_EQ(error_of([] { block_encoding(DType::f32); }), "f32 is not a block encoding");
}

TEST(TensorView, DenseIgnoresExtentsOfOne) {
  TensorView v = dense_view(nullptr, DType::f32, {2, 3, 4});
  EXPECT_TRUE(v.dense());
  EXPECT_EQ(v.stride[0], 12);
  v.stride[1] = 5;
  EXPECT_FALSE(v.dense());
  v = dense_view(nullptr, DType::f32, {2, 1, 4});
  v.stride[1] = 999;
  EXPECT_TRUE(v.dense());
  v = dense_view(nullptr, DType::f32, {2, 0, 4});
  v.stride[0] = 999;
  EXPECT_TRUE(v.dense());
  v = dense_view(nullptr, DType::f32, {2, 16});
  v.layout = Layout::blocked16;
  EXPECT_FALSE(v.dense());
  EXPECT_FALSE(TensorView{}.present());
}

TEST(Shape, CountsPrintsAndCompares) {
  const Shape s{2, 3, 4};
  EXPECT_EQ(s.numel(), 24);
  EXPECT_EQ(s.count(1, 3), 12);
  EXPECT_EQ(s.count(1, 1), 1);
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ(to_string(s), "2x3x4");
  EXPECT_EQ(to_string(Shape{}), "scalar");
  EXPECT_TRUE(s == Shape({2, 3, 4}));
  EXPECT_FALSE(s == Shape({2, 3}));
  EXPECT_FALSE(s == Shape({2, 3, 5}));
}

}  // namespace
}  // namespace monza
