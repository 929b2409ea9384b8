// Quantisation and dequantisation on a GPU over any strides, for integers of 8 and 16 bits: a thread an element, four
// where one scale serves a dense tensor. Bound by memory: 5 bytes an element of f32, so 4.2 TB/s take 160 us for 2^27
// of them.
#include "ops/quantize/quantize.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_rows.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// A dense operand with an element for each scale.
struct Scales {
  const void* data = nullptr;
  DType type = DType::invalid;
};

__device__ float load_as_float(const void* p, DType type, std::int64_t i) {
  return integral(type) ? static_cast<float>(load_integer(p, type, i)) : static_cast<float>(load_float(p, type, i));
}
/// `x` rounded to a floating point type.
__device__ float rounded(DType type, float x) {
  if (type == DType::f16) return __half2float(__float2half_rn(x));
  if (type == DType::bf16) return __bfloat162float(__float2bfloat16_rn(x));
  return x;
}
/// Beyond 32 bits every saturating type has ended. NaN gives 0.
__device__ std::int64_t round_half_even(float v) {
  if (!(v > -2147483648.0F)) return isnan(v) ? 0 : -2147483648LL;
  if (v > 2147483520.0F) return 2147483520LL;
  return static_cast<std::int64_t>(rintf(v));
}

struct Range {
  std::int64_t low, high;
};
Range range_of(DType t) {
  switch (t) {
    case DType::i16: return {-32768, 32767};
    case DType::u16: return {0, 65535};
    case DType::i8: return {-128, 127};
    default: return {0, 255};
  }
}
__device__ std::int64_t saturated(std::int64_t v, Range range) {
  return v < range.low ? range.low : v > range.high ? range.high : v;
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
  __device__ std::int64_t operator()(std::int64_t i) const {
    if (single) return 0;
    const std::int64_t row = i / inner, outer = row / extent, at = row - outer * extent;
    return block > 0 ? (outer * blocks + at / block) * inner + i - row * inner : at;
  }
};

/// Operands: x, y.
__global__ void quantize_kernel(Granularity scale_of, Axes<2> all, DType precision, Range range, const void* x,
                                DType from, Scales scale, Scales zero, void* y, DType to) {
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[2];
    all.at(i, at);
    const std::int64_t s = scale_of(i);
    float q;
    if (from == DType::i32 && scale.type == DType::i32) {
      q = static_cast<float>(static_cast<double>(load_integer(x, from, at[0])) /
                             static_cast<double>(load_integer(scale.data, scale.type, s)));
    } else {
      q = rounded(precision, rounded(precision, load_as_float(x, from, at[0])) /
                                 rounded(precision, load_as_float(scale.data, scale.type, s)));
    }
    const std::int64_t value = round_half_even(q) + (zero.data != nullptr ? load_integer(zero.data, zero.type, s) : 0);
    store_integer(y, to, at[1], saturated(value, range));
  });
}

/// Four elements of f32 to integers of 8 bits, all by one scale.
__global__ void quantize_four_kernel(std::int64_t count, Range range, const float4* x, const float* scale, Scales zero,
                                     uchar4* y) {
  const float by = *scale;
  const std::int64_t shift = zero.data != nullptr ? load_integer(zero.data, zero.type, 0) : 0;
  const auto one = [&](float v) {
    return static_cast<unsigned char>(saturated(round_half_even(v / by) + shift, range));
  };
  for_each(count, [&](std::int64_t i) {
    const float4 v = x[i];
    y[i] = make_uchar4(one(v.x), one(v.y), one(v.z), one(v.w));
  });
}

bool aligned(const TensorView& v, std::uintptr_t bytes) {
  return v.dense() && reinterpret_cast<std::uintptr_t>(v.data) % bytes == 0;
}

Scales scales(const KernelContext& c, int i) { return c.has_input(i) ? Scales{c.in[i].data, c.in[i].dtype} : Scales{}; }

Status run_quantize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QuantizeParams>();
  const TensorView &x = c.in[0], &scale = c.in[1], &y = c.out[0];
  const Granularity scale_of(p, x, scale);
  const auto precision = p.precision != 0 ? static_cast<DType>(p.precision) : x.dtype;
  const Range range = range_of(y.dtype);
  Axes<2> all;
  all.add(x.shape, ~0u, {x.stride, y.stride});
  if (all.count == 0) return {};
  const cudaStream_t stream = stream_of(c);
  if (scale_of.single && x.dtype == DType::f32 && precision == DType::f32 && scale.dtype == DType::f32 &&
      range.high < 256 && all.count % 4 == 0 && aligned(x, 16) && aligned(y, 4)) {
    quantize_four_kernel<<<blocks_for(all.count / 4), kThreads, 0, stream>>>(
        all.count / 4, range, x.as<float4>(), scale.as<float>(), scales(c, 2), y.as<uchar4>());
  } else {
    quantize_kernel<<<blocks_for(all.count), kThreads, 0, stream>>>(scale_of, all, precision, range, x.data, x.dtype,
                                                                    scales(c, 1), scales(c, 2), y.data, y.dtype);
  }
  return launched();
}

__global__ void dequantize_kernel(Granularity scale_of, Axes<2> all, const void* x, DType from, Scales scale,
                                  Scales zero, void* y, DType to) {
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[2];
    all.at(i, at);
    const std::int64_t s = scale_of(i), shift = zero.data != nullptr ? load_integer(zero.data, zero.type, s) : 0;
    const float v = static_cast<float>(load_integer(x, from, at[0]) - shift) * load_as_float(scale.data, scale.type, s);
    if (to == DType::f32) static_cast<float*>(y)[at[1]] = v;
    else if (to == DType::f16) static_cast<__half*>(y)[at[1]] = __float2half_rn(v);
    else static_cast<__nv_bfloat16*>(y)[at[1]] = __float2bfloat16_rn(v);
  });
}

/// Four integers of 8 bits to f32, all by one scale.
__global__ void dequantize_four_kernel(std::int64_t count, const uchar4* x, DType from, const float* scale, Scales zero,
                                       float4* y) {
  const float by = *scale;
  const int shift = zero.data != nullptr ? static_cast<int>(load_integer(zero.data, zero.type, 0)) : 0;
  const auto one = [&](unsigned char v) {
    return static_cast<float>(
               (from == DType::i8 ? static_cast<int>(static_cast<signed char>(v)) : static_cast<int>(v)) - shift) *
           by;
  };
  for_each(count, [&](std::int64_t i) {
    const uchar4 v = x[i];
    y[i] = make_float4(one(v.x), one(v.y), one(v.z), one(v.w));
  });
}

Status run_dequantize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QuantizeParams>();
  const TensorView &x = c.in[0], &scale = c.in[1], &y = c.out[0];
  const Granularity scale_of(p, x, scale);
  Axes<2> all;
  all.add(x.shape, ~0u, {x.stride, y.stride});
  if (all.count == 0) return {};
  const cudaStream_t stream = stream_of(c);
  if (scale_of.single && (x.dtype == DType::i8 || x.dtype == DType::u8) && scale.dtype == DType::f32 &&
      y.dtype == DType::f32 && all.count % 4 == 0 && aligned(x, 4) && aligned(y, 16)) {
    dequantize_four_kernel<<<blocks_for(all.count / 4), kThreads, 0, stream>>>(
        all.count / 4, x.as<uchar4>(), x.dtype, scale.as<float>(), scales(c, 2), y.as<float4>());
  } else {
    dequantize_kernel<<<blocks_for(all.count), kThreads, 0, stream>>>(scale_of, all, x.data, x.dtype, scales(c, 1),
                                                                      scales(c, 2), y.data, y.dtype);
  }
  return launched();
}

constexpr unsigned kMostParts = kThreads;  ///< of a tensor whose range is sought

struct Extremes {
  float low, high;  ///< with 0 between them
};

__global__ void range_kernel(std::int64_t count, const float* x, Extremes* parts) {
  Extremes e{0, 0};
  for_each(count, [&](std::int64_t i) {
    e.low = x[i] < e.low ? x[i] : e.low;
    e.high = x[i] > e.high ? x[i] : e.high;
  });
  e.low = over_lanes(e.low, kThreads, [](float a, float b) { return b < a ? b : a; });
  e.high = over_lanes(e.high, kThreads, [](float a, float b) { return b > a ? b : a; });
  if (threadIdx.x == 0) parts[blockIdx.x] = e;
}

__global__ void dynamic_kernel(std::int64_t count, const float* x, const Extremes* parts, unsigned part_count,
                               std::uint8_t* y, float* scale_out, std::uint8_t* zero_out) {
  const Extremes own = threadIdx.x < part_count ? parts[threadIdx.x] : Extremes{0, 0};
  const float low = over_lanes(own.low, kThreads, [](float a, float b) { return b < a ? b : a; });
  const float high = over_lanes(own.high, kThreads, [](float a, float b) { return b > a ? b : a; });
  // Zero is always representable; a tensor of zeros gets scale 1.
  const float scale = high == low ? 1.0F : (high - low) / 255.0F;
  const std::int64_t zero = round_half_even((0.0F - low) / scale);
  const Range range{0, 255};
  for_each(count, [&](std::int64_t i) {
    y[i] = static_cast<std::uint8_t>(saturated(round_half_even(x[i] / scale) + zero, range));
  });
  if (blockIdx.x != 0 || threadIdx.x != 0) return;
  *scale_out = scale;
  *zero_out = static_cast<std::uint8_t>(saturated(zero, range));
}

Status run_dynamic(const KernelContext& c) noexcept {
  const auto* x = c.in[0].as<const float>();
  const std::int64_t count = c.in[0].shape.numel();
  auto* parts = reinterpret_cast<Extremes*>(c.scratch);
  const unsigned blocks = blocks_for(count), part_count = blocks < kMostParts ? blocks : kMostParts;
  range_kernel<<<part_count, kThreads, 0, stream_of(c)>>>(count, x, parts);
  dynamic_kernel<<<blocks, kThreads, 0, stream_of(c)>>>(count, x, parts, part_count, c.out[0].as<std::uint8_t>(),
                                                        c.out[1].as<float>(), c.out[2].as<std::uint8_t>());
  return launched();
}
std::size_t scratch_dynamic(const KernelQuery&) noexcept { return kMostParts * sizeof(Extremes); }

bool is_short_integer(DType t) { return t == DType::i8 || t == DType::u8 || t == DType::i16 || t == DType::u16; }

Refusal accepts_quantize(const KernelQuery& q) noexcept {
  if (!is_short_integer(q.out[0].dtype)) return "gives integers of 8 and 16 bits only";
  const auto reads = [](DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16 || t == DType::i32; };
  return reads(q.in[0].dtype) && reads(q.in[1].dtype) ? nullptr : "its element types have no CUDA kernel";
}
Refusal accepts_dequantize(const KernelQuery& q) noexcept {
  if (!is_short_integer(q.in[0].dtype) && q.in[0].dtype != DType::i32)
    return "takes integers of 8, 16 and 32 bits only";
  const DType scale = q.in[1].dtype;
  if (scale != DType::f32 && scale != DType::f16 && scale != DType::bf16)
    return "its element types have no CUDA kernel";
  return nullptr;
}

}  // namespace

extern const Kernel quantize_linear_cuda{.name = "quantize_linear_cuda",
                                         .op = "QuantizeLinear",
                                         .device = DeviceKind::cuda,
                                         .in{Port::strided, Port::dense},
                                         .out{Port::strided},
                                         .accepts = accepts_quantize,
                                         .run = run_quantize};
extern const Kernel dequantize_linear_cuda{.name = "dequantize_linear_cuda",
                                           .op = "DequantizeLinear",
                                           .device = DeviceKind::cuda,
                                           .in{Port::strided, Port::dense},
                                           .out{Port::strided},
                                           .accepts = accepts_dequantize,
                                           .run = run_dequantize};
extern const Kernel dynamic_quantize_linear_cuda{.name = "dynamic_quantize_linear_cuda",
                                                 .op = "DynamicQuantizeLinear",
                                                 .device = DeviceKind::cuda,
                                                 .batch_invariant = false,
                                                 .scratch_bytes = scratch_dynamic,
                                                 .run = run_dynamic};

}  // namespace monza::ops
