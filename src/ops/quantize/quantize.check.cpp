// What the kernels of this family rely on: a scale for each tensor, axis index or block, and zero points beside them;
// block encodings in rows.
#include "kernel/check_rules.h"
#include "ops/quantize/quantize.params.h"

namespace monza::ops {
namespace {

bool plain_float(const TensorView& v) {
  return v.dtype == DType::f32 || v.dtype == DType::f16 || v.dtype == DType::bf16;
}

Refusal refuse_granularity(const CheckContext& c) {
  const auto& p = c.params_as<QuantizeParams>();
  const Shape &x = c.in[0].shape, &scale = c.in[1].shape;
  MONZA_REQUIRE(x == c.out[0].shape, "input and output differ in shape");
  MONZA_REQUIRE(p.block_size >= 0 && (is_axis(p.axis, x.rank) || (p.axis == 0 && p.block_size == 0)),
                "the axis lies outside the rank");
  const std::int64_t extent = x.rank > 0 ? x[p.axis] : 1;
  if (p.block_size > 0) {
    MONZA_REQUIRE(same_but(scale, x, p.axis) && scale[p.axis] == (extent + p.block_size - 1) / p.block_size,
                  "there is not one scale for each block");
  } else {
    MONZA_REQUIRE(scale.numel() == 1 || (scale.rank == 1 && scale[0] == extent),
                  "there is not one scale for each index of the axis");
  }
  MONZA_REQUIRE(!c.has_input(2) || c.in[2].shape.numel() == scale.numel(),
                "there is not one zero point for each scale");
  return nullptr;
}

Refusal check_quantize(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.in[1]) && plain(c.out[0]), kTypes);
  MONZA_REQUIRE(!c.has_input(2) || c.in[2].dtype == c.out[0].dtype, kTypes);
  MONZA_REQUIRE(dtype_bits(c.out[0].dtype) <= 16, kTypes);
  return refuse_granularity(c);
}

Refusal check_dequantize(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.in[1]) && plain_float(c.out[0]), kTypes);
  MONZA_REQUIRE(!c.has_input(2) || c.in[2].dtype == c.in[0].dtype, kTypes);
  return refuse_granularity(c);
}

Refusal check_dynamic(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_out = 3, .most_out = 3})) return r;
  MONZA_REQUIRE(c.in[0].dtype == DType::f32 && c.out[0].dtype == DType::u8 && c.out[1].dtype == DType::f32 &&
                    c.out[2].dtype == DType::u8,
                kTypes);
  MONZA_REQUIRE(c.in[0].shape == c.out[0].shape, "input and output differ in shape");
  MONZA_REQUIRE(one_element(c.out[1]) && one_element(c.out[2]), "scale and zero point are not one number each");
  return nullptr;
}

Refusal check_blocks(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const TensorView& x = c.in[0];
  MONZA_REQUIRE(is_block_encoding(x.dtype) && plain_float(c.out[0]), kTypes);
  MONZA_REQUIRE(x.shape == c.out[0].shape, "input and output differ in shape");
  MONZA_REQUIRE(x.shape.rank >= 1 && x.dense(), "the blocks do not lie in rows");
  return nullptr;
}

Refusal check_rows(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const TensorView &x = c.in[0], &indices = c.in[1], &y = c.out[0];
  MONZA_REQUIRE(is_block_encoding(x.dtype) && indices.dtype == DType::i64 && y.dtype == DType::f32, kTypes);
  MONZA_REQUIRE(x.shape.rank == 2 && x.dense(), "the blocks do not lie in rows");
  MONZA_REQUIRE(indices.shape.rank == 1 && indices.dense() && y.dense(), "indices or output are not dense");
  MONZA_REQUIRE(y.shape == (Shape{indices.shape[0], x.shape[1]}), "the output is not a row for each index");
  return nullptr;
}

constexpr OperatorCheck kQuantizeChecks[] = {
    {"QuantizeLinear", check_quantize},       {"DequantizeLinear", check_dequantize},
    {"DynamicQuantizeLinear", check_dynamic}, {"DequantizeBlocks", check_blocks},
    {"DequantizeRows", check_rows},
};

}  // namespace

extern const CheckList quantize_checks{kQuantizeChecks};

}  // namespace monza::ops
