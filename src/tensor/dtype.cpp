#include "tensor/dtype.h"

#include "base/error.h"
#include "tensor/block_encoding.h"

namespace monza {
namespace {

struct Row {
  DType type;
  std::string_view name;
  int bits;
  enum { other, floating, integer, block } family;
  bool is_signed;
  BlockEncoding blocks{};  ///< of a block encoding
};
// In the order of the enum: looked up by index.
constexpr Row kRows[] = {
    {DType::invalid, "invalid", 0, Row::other, false},
    {DType::f32, "f32", 32, Row::floating, true},
    {DType::f64, "f64", 64, Row::floating, true},
    {DType::f16, "f16", 16, Row::floating, true},
    {DType::bf16, "bf16", 16, Row::floating, true},
    {DType::i8, "i8", 8, Row::integer, true},
    {DType::u8, "u8", 8, Row::integer, false},
    {DType::i16, "i16", 16, Row::integer, true},
    {DType::u16, "u16", 16, Row::integer, false},
    {DType::i32, "i32", 32, Row::integer, true},
    {DType::u32, "u32", 32, Row::integer, false},
    {DType::i64, "i64", 64, Row::integer, true},
    {DType::u64, "u64", 64, Row::integer, false},
    {DType::boolean, "bool", 8, Row::other, false},
    {DType::c64, "c64", 64, Row::other, true},
    {DType::c128, "c128", 128, Row::other, true},
    {DType::string, "string", 128, Row::other, false},
    {DType::f8e4m3fn, "f8e4m3fn", 8, Row::floating, true},
    {DType::f8e4m3fnuz, "f8e4m3fnuz", 8, Row::floating, true},
    {DType::f8e5m2, "f8e5m2", 8, Row::floating, true},
    {DType::f8e5m2fnuz, "f8e5m2fnuz", 8, Row::floating, true},
    {DType::f8e8m0, "f8e8m0", 8, Row::floating, false},
    {DType::i4, "i4", 4, Row::integer, true},
    {DType::u4, "u4", 4, Row::integer, false},
    {DType::f4e2m1, "f4e2m1", 4, Row::floating, true},
    {DType::i2, "i2", 2, Row::integer, true},
    {DType::u2, "u2", 2, Row::integer, false},
    {DType::q4_0, "q4_0", 0, Row::block, true, {32, 18, decode_q4_0}},
    {DType::q8_0, "q8_0", 0, Row::block, true, {32, 34, decode_q8_0}},
    {DType::handle, "handle", 128, Row::other, false},
    {DType::q4_1, "q4_1", 0, Row::block, true, {32, 20, decode_q4_1}},
    {DType::q5_0, "q5_0", 0, Row::block, true, {32, 22, decode_q5_0}},
    {DType::q5_1, "q5_1", 0, Row::block, true, {32, 24, decode_q5_1}},
    {DType::q2_k, "q2_k", 0, Row::block, true, {256, 84, decode_q2_k}},
    {DType::q3_k, "q3_k", 0, Row::block, true, {256, 110, decode_q3_k}},
    {DType::q4_k, "q4_k", 0, Row::block, true, {256, 144, decode_q4_k}},
    {DType::q5_k, "q5_k", 0, Row::block, true, {256, 176, decode_q5_k}},
    {DType::q6_k, "q6_k", 0, Row::block, true, {256, 210, decode_q6_k}},
    {DType::iq1_s, "iq1_s", 0, Row::block, true, {256, 50, decode_iq1_s}},
    {DType::iq1_m, "iq1_m", 0, Row::block, true, {256, 56, decode_iq1_m}},
    {DType::iq2_xxs, "iq2_xxs", 0, Row::block, true, {256, 66, decode_iq2_xxs}},
    {DType::iq2_xs, "iq2_xs", 0, Row::block, true, {256, 74, decode_iq2_xs}},
    {DType::iq2_s, "iq2_s", 0, Row::block, true, {256, 82, decode_iq2_s}},
    {DType::iq3_xxs, "iq3_xxs", 0, Row::block, true, {256, 98, decode_iq3_xxs}},
    {DType::iq3_s, "iq3_s", 0, Row::block, true, {256, 110, decode_iq3_s}},
    {DType::iq4_nl, "iq4_nl", 0, Row::block, true, {32, 18, decode_iq4_nl}},
    {DType::iq4_xs, "iq4_xs", 0, Row::block, true, {256, 136, decode_iq4_xs}},
    {DType::tq1_0, "tq1_0", 0, Row::block, true, {256, 54, decode_tq1_0}},
    {DType::tq2_0, "tq2_0", 0, Row::block, true, {256, 66, decode_tq2_0}},
    {DType::mxfp4, "mxfp4", 0, Row::block, true, {32, 17, decode_mxfp4}},
    {DType::nvfp4, "nvfp4", 0, Row::block, true, {64, 36, decode_nvfp4}},
};
constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kRows); ++i)
    if (static_cast<std::size_t>(kRows[i].type) != i || kRows[i].blocks.elements > kMostBlockElements) return false;
  return true;
}
static_assert(in_order());

const Row& row(DType type) {
  const auto i = static_cast<std::size_t>(type);
  return kRows[i < std::size(kRows) ? i : 0];
}

}  // namespace

std::string_view dtype_name(DType type) { return row(type).name; }
DType parse_dtype(std::string_view name) {
  for (const Row& r : kRows)
    if (r.name == name) return r.type;
  return DType::invalid;
}
int dtype_bits(DType type) { return row(type).bits; }
bool is_float(DType type) { return row(type).family == Row::floating; }
bool is_integer(DType type) { return row(type).family == Row::integer; }
bool is_signed(DType type) { return row(type).is_signed; }
bool is_block_encoding(DType type) { return row(type).family == Row::block; }

const BlockEncoding& block_encoding(DType type) {
  if (!is_block_encoding(type)) fail("{} is not a block encoding", dtype_name(type));
  return row(type).blocks;
}
std::vector<DType> block_encodings() {
  std::vector<DType> list;
  for (const Row& r : kRows)
    if (r.family == Row::block) list.push_back(r.type);
  return list;
}

}  // namespace monza
