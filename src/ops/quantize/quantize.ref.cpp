// Plain quantisation: one element at a time, as ONNX writes it.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "ops/quantize/quantize.params.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

int bits_of(DType t) {
  switch (t) {
    case DType::i4:
    case DType::u4:
    case DType::f4e2m1: return 4;
    case DType::i2:
    case DType::u2: return 2;
    default: return 8;
  }
}

/// Bits of element i of a dense tensor whose elements have at most 8 bits.
std::uint8_t load_bits(const TensorView& v, std::int64_t i) {
  const int bits = bits_of(v.dtype), each = 8 / bits;
  return static_cast<std::uint8_t>(v.as<std::uint8_t>()[i / each] >> (i % each * bits)) &
         static_cast<std::uint8_t>((1 << bits) - 1);
}
void store_bits(const TensorView& v, std::int64_t i, std::uint8_t value) {
  const int bits = bits_of(v.dtype), each = 8 / bits;
  const auto mask = static_cast<std::uint8_t>(((1 << bits) - 1) << (i % each * bits));
  std::uint8_t& byte = v.as<std::uint8_t>()[i / each];
  byte = static_cast<std::uint8_t>((byte & ~mask) | ((value << (i % each * bits)) & mask));
}

/// Element i of a dense integer tensor.
std::int64_t load_integer(const TensorView& v, std::int64_t i) {
  switch (v.dtype) {
    case DType::i32: return v.as<std::int32_t>()[i];
    case DType::i16: return v.as<std::int16_t>()[i];
    case DType::u16: return v.as<std::uint16_t>()[i];
    case DType::i8: return v.as<std::int8_t>()[i];
    case DType::i4: return (load_bits(v, i) ^ 8) - 8;
    case DType::i2: return (load_bits(v, i) ^ 2) - 2;
    default: return load_bits(v, i);
  }
}

bool is_small_float(DType t) {
  return is_float(t) && t != DType::f32 && t != DType::f16 && t != DType::bf16 && t != DType::f64;
}

/// Element i of a dense tensor of any type that quantisation takes.
float load(const TensorView& v, std::int64_t i) {
  switch (v.dtype) {
    case DType::f32: return v.as<float>()[i];
    case DType::f16: return f16_to_f32(v.as<std::uint16_t>()[i]);
    case DType::bf16: return bf16_to_f32(v.as<std::uint16_t>()[i]);
    default:
      return is_small_float(v.dtype) ? small_float_to_f32(v.dtype, load_bits(v, i))
                                     : static_cast<float>(load_integer(v, i));
  }
}

void store_float(const TensorView& v, std::int64_t i, float x) {
  if (v.dtype == DType::f32) v.as<float>()[i] = x;
  else v.as<std::uint16_t>()[i] = v.dtype == DType::f16 ? f32_to_f16(x) : f32_to_bf16(x);
}

/// `x` rounded to a floating point type.
float rounded(DType type, float x) {
  if (type == DType::f16) return f16_to_f32(f32_to_f16(x));
  if (type == DType::bf16) return bf16_to_f32(f32_to_bf16(x));
  return x;
}

struct Range {
  std::int64_t low, high;
};
Range range_of(DType t) {
  switch (t) {
    case DType::i16: return {-32768, 32767};
    case DType::u16: return {0, 65535};
    case DType::i8: return {-128, 127};
    case DType::i4: return {-8, 7};
    case DType::u4: return {0, 15};
    case DType::i2: return {-2, 1};
    case DType::u2: return {0, 3};
    default: return {0, 255};
  }
}

void store_integer(const TensorView& v, std::int64_t i, std::int64_t value) {
  switch (v.dtype) {
    case DType::i16: v.as<std::int16_t>()[i] = static_cast<std::int16_t>(value); break;
    case DType::u16: v.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(value); break;
    default: store_bits(v, i, static_cast<std::uint8_t>(value)); break;
  }
}

/// Which scale element i of x takes.
struct Granularity {
  std::int64_t inner, extent, block, blocks;
  bool single;
  Granularity(const QuantizeParams& p, const TensorView& x, const TensorView& scale) {
    single = p.block_size == 0 && scale.shape.numel() == 1;
    inner = x.shape.count(p.axis + 1, x.shape.rank);
    extent = x.shape.rank > 0 ? x.shape[p.axis] : 1;
    block = p.block_size;
    blocks = block > 0 ? (extent + block - 1) / block : 0;
  }
  std::int64_t operator()(std::int64_t i) const {
    if (single) return 0;
    const std::int64_t at = i / inner % extent;
    return block > 0 ? (i / inner / extent * blocks + at / block) * inner + i % inner : at;
  }
};

std::int64_t round_half_even(float v) {
  // Beyond this every saturating type has ended, and the conversion to an integer stays defined. NaN gives 0.
  if (!(v > -2147483648.0F)) return std::isnan(v) ? 0 : -2147483648LL;
  if (v > 2147483520.0F) return 2147483520LL;
  return static_cast<std::int64_t>(std::nearbyint(v));
}

Status run_quantize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QuantizeParams>();
  const TensorView &x = c.in[0], &scale = c.in[1], &y = c.out[0];
  const bool zero = c.has_input(2);
  const Granularity at(p, x, scale);
  const Range range = range_of(y.dtype);
  const auto precision = p.precision != 0 ? static_cast<DType>(p.precision) : x.dtype;
  const std::int64_t count = x.shape.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t s = at(i);
    float q;
    if (x.dtype == DType::i32 && scale.dtype == DType::i32) {
      q = static_cast<float>(static_cast<double>(load_integer(x, i)) / static_cast<double>(load_integer(scale, s)));
    } else {
      q = rounded(precision, rounded(precision, load(x, i)) / rounded(precision, load(scale, s)));
    }
    if (is_small_float(y.dtype)) {
      if (zero && y.dtype == DType::f4e2m1) q += load(c.in[2], s);
      store_bits(y, i, f32_to_small_float(y.dtype, q, p.saturate != 0));
      continue;
    }
    const std::int64_t value = round_half_even(q) + (zero ? load_integer(c.in[2], s) : 0);
    store_integer(y, i, value < range.low ? range.low : value > range.high ? range.high : value);
  }
  return {};
}

Status run_dequantize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QuantizeParams>();
  const TensorView &x = c.in[0], &scale = c.in[1], &y = c.out[0];
  const bool integer = !is_small_float(x.dtype), zero = integer && c.has_input(2);
  const Granularity at(p, x, scale);
  const std::int64_t count = x.shape.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t s = at(i);
    const float v =
        integer ? static_cast<float>(load_integer(x, i) - (zero ? load_integer(c.in[2], s) : 0)) : load(x, i);
    const float result = v * load(scale, s);
    store_float(y, i, result);
  }
  return {};
}

Status run_dynamic(const KernelContext& c) noexcept {
  const float* x = c.in[0].as<float>();
  const std::int64_t count = c.in[0].shape.numel();
  float low = 0, high = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  // Zero is always representable; a tensor of zeros gets scale 1.
  const float scale = high == low ? 1.0F : (high - low) / 255.0F;
  const std::int64_t zero = round_half_even((0.0F - low) / scale);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t q = round_half_even(x[i] / scale) + zero;
    c.out[0].as<std::uint8_t>()[i] = static_cast<std::uint8_t>(q < 0 ? 0 : q > 255 ? 255 : q);
  }
  *c.out[1].as<float>() = scale;
  *c.out[2].as<std::uint8_t>() = static_cast<std::uint8_t>(zero < 0 ? 0 : zero > 255 ? 255 : zero);
  return {};
}

Status run_blocks(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const BlockEncoding& encoding = block_encoding(x.dtype);
  const std::int64_t k = x.shape[x.shape.rank - 1], row_bytes = block_row_bytes(encoding, k);
  if (k == 0) return {};
  parallel_for(*c.parallel, x.shape.numel() / k, [&](std::int64_t row, int) {
    const std::byte* block = x.as<std::byte>() + row * row_bytes;
    float elements[kMostBlockElements];
    for (std::int64_t i = 0; i < k; i += encoding.elements, block += encoding.bytes) {
      encoding.decode(block, elements);
      for (std::int64_t j = i; j < k && j < i + encoding.elements; ++j) store_float(y, row * k + j, elements[j - i]);
    }
  });
  return {};
}

Status run_rows(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &indices = c.in[1];
  const BlockEncoding& encoding = block_encoding(x.dtype);
  const std::int64_t rows = x.shape[0], k = x.shape[1], row_bytes = block_row_bytes(encoding, k);
  for (std::int64_t i = 0; i < indices.shape[0]; ++i)
    if (const std::int64_t row = indices.as<std::int64_t>()[i]; row < 0 || row >= rows)
      return {StatusCode::out_of_range, "an index lies outside the table"};
  if (k == 0) return {};
  parallel_for(*c.parallel, indices.shape[0], [&](std::int64_t i, int) {
    const std::byte* block = x.as<std::byte>() + indices.as<std::int64_t>()[i] * row_bytes;
    float* to = c.out[0].as<float>() + i * k;
    float elements[kMostBlockElements];
    for (std::int64_t j = 0; j < k; j += encoding.elements, block += encoding.bytes) {
      encoding.decode(block, elements);
      std::copy_n(elements, std::min<std::int64_t>(encoding.elements, k - j), to + j);
    }
  });
  return {};
}

}  // namespace

extern const Kernel quantize_linear_ref{
    .name = "quantize_linear_ref", .op = "QuantizeLinear", .reference = true, .run = run_quantize};
extern const Kernel dequantize_linear_ref{
    .name = "dequantize_linear_ref", .op = "DequantizeLinear", .reference = true, .run = run_dequantize};
extern const Kernel dynamic_quantize_linear_ref{.name = "dynamic_quantize_linear_ref",
                                                .op = "DynamicQuantizeLinear",
                                                .reference = true,
                                                .batch_invariant = false,
                                                .run = run_dynamic};
extern const Kernel dequantize_rows_ref{
    .name = "dequantize_rows_ref", .op = "DequantizeRows", .reference = true, .run = run_rows};
extern const Kernel dequantize_blocks_ref{
    .name = "dequantize_blocks_ref", .op = "DequantizeBlocks", .reference = true, .run = run_blocks};

}  // namespace monza::ops
