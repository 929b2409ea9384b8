// Elementwise operators on a GPU: a thread an element, computed in float (f64 in double, integers in 64 bits), or 16
// bytes of elements where what is computed is common and operands allow it. Bound by memory: 8 to 12 bytes an f32
// element, so 4 TB/s give 0.4 elements a picosecond.
#include <cmath>

#include "ops/elementwise/elementwise.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_vectors.cuh"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

using gpu::clamp;
using gpu::softplus;

template <typename C>
__device__ C unary(const UnaryParams& p, C x) {
  const C alpha = p.alpha, beta = p.beta, one = 1, zero = 0;
  switch (p.kind) {
    case UnaryKind::identity: return x;
    case UnaryKind::abs: return fabs(x);
    case UnaryKind::neg: return -x;
    case UnaryKind::sign: return x > zero ? one : x < zero ? -one : x == zero ? zero : x;
    case UnaryKind::ceil: return ceil(x);
    case UnaryKind::floor: return floor(x);
    case UnaryKind::round: return rint(x);
    case UnaryKind::sqrt: return sqrt(x);
    case UnaryKind::reciprocal: return one / x;
    case UnaryKind::exp: return exp(x);
    case UnaryKind::log: return log(x);
    case UnaryKind::sin: return sin(x);
    case UnaryKind::cos: return cos(x);
    case UnaryKind::tan: return tan(x);
    case UnaryKind::asin: return asin(x);
    case UnaryKind::acos: return acos(x);
    case UnaryKind::atan: return atan(x);
    case UnaryKind::sinh: return sinh(x);
    case UnaryKind::cosh: return cosh(x);
    case UnaryKind::tanh: return tanh(x);
    case UnaryKind::asinh: return asinh(x);
    case UnaryKind::acosh: return acosh(x);
    case UnaryKind::atanh: return atanh(x);
    case UnaryKind::erf: return erf(x);
    case UnaryKind::relu: return x < zero ? zero : x;
    case UnaryKind::leaky_relu: return x < zero ? alpha * x : x;
    case UnaryKind::elu: return x < zero ? alpha * expm1(x) : x;
    case UnaryKind::selu: return beta * (x <= zero ? alpha * expm1(x) : x);
    case UnaryKind::celu: return x < zero ? alpha * expm1(x / alpha) : x;
    case UnaryKind::sigmoid: return one / (one + exp(-x));
    case UnaryKind::hard_sigmoid: return clamp(alpha * x + beta, zero, one);
    case UnaryKind::hardswish: return x * clamp(x / C(6) + C(0.5), zero, one);
    case UnaryKind::swish: return x / (one + exp(-alpha * x));
    case UnaryKind::gelu_erf: return C(0.5) * x * (one + erf(x * C(M_SQRT1_2)));
    case UnaryKind::gelu_tanh:
      return C(0.5) * x * (one + tanh(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x)));
    case UnaryKind::mish: return x * tanh(softplus(x));
    case UnaryKind::softplus: return softplus(x);
    case UnaryKind::softsign: return x / (one + fabs(x));
    case UnaryKind::thresholded_relu: return x > alpha ? x : zero;
    case UnaryKind::shrink: return x < -alpha ? x + beta : x > alpha ? x - beta : zero;
    case UnaryKind::logical_not: return x == zero ? one : zero;
    case UnaryKind::bitwise_not: return x;  // integers only
    case UnaryKind::is_nan: return isnan(x) ? one : zero;
    case UnaryKind::is_inf: return isinf(x) && (x < zero ? alpha != 0 : beta != 0) ? one : zero;
  }
  return x;
}
__device__ std::int64_t unary_integer(const UnaryParams& p, bool is_unsigned, std::int64_t x) {
  const auto negated = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(x));
  switch (p.kind) {
    case UnaryKind::abs: return is_unsigned || x >= 0 ? x : negated;
    case UnaryKind::neg: return negated;
    case UnaryKind::sign: return x == 0 ? 0 : is_unsigned || x > 0 ? 1 : -1;
    case UnaryKind::relu: return is_unsigned || x > 0 ? x : 0;
    case UnaryKind::logical_not: return x == 0;
    case UnaryKind::bitwise_not: return ~x;
    default: return x;
  }
}

/// The types that models compute in.
template <typename T>
__global__ void unary_kernel(UnaryParams p, gpu::Walk<1> walk, const T* x, T* y) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    gpu::store(y + at[0], unary(p, gpu::load(x + at[1])));
  });
}
__global__ void unary_any_kernel(UnaryParams p, gpu::Walk<1> walk, const void* x, DType from, void* y, DType to) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    if (gpu::integral(from)) {
      gpu::store_integer(y, to, at[0], unary_integer(p, gpu::is_unsigned(from), gpu::load_integer(x, from, at[1])));
    } else {
      const double v = unary(p, gpu::load_float(x, from, at[1]));
      if (gpu::integral(to)) gpu::store_integer(y, to, at[0], v != 0);
      else gpu::store_float(y, to, at[0], v);
    }
  });
}

/// Functions that are compiled for vectors.
template <UnaryKind kKind, typename T>
__global__ void unary_vectors_kernel(UnaryParams p, gpu::Walk<1> walk, const T* x, T* y) {
  constexpr int kEach = 16 / sizeof(T);
  using Vector = gpu::Channels<T, kEach>;
  p.kind = kKind;
  gpu::await_previous();
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    Vector v = *reinterpret_cast<const Vector*>(x + at[1]);
#pragma unroll
    for (int j = 0; j < kEach; ++j) gpu::store(&v.v[j], unary(p, gpu::load(&v.v[j])));
    *reinterpret_cast<Vector*>(y + at[0]) = v;
  });
}
template <UnaryKind kKind, typename T>
__global__ void __launch_bounds__(gpu::kThreads)
    unary_tiles_kernel(UnaryParams p, gpu::WalkTiles tiles, const T* x, T* y) {
  p.kind = kKind;
  gpu::await_previous();
  gpu::for_each_in_tiles(tiles, x, y, [&](T v) {
    gpu::store(&v, unary(p, gpu::load(&v)));
    return v;
  });
}
/// False where the operands lie neither in vectors nor in tiles. x and y may be the same elements.
template <UnaryKind kKind, typename T>
bool unary_quickly(const UnaryParams& p, gpu::Walk<1> walk, const T* x, T* y, const KernelContext& c) {
  constexpr int kEach = 16 / sizeof(T), kBytes = sizeof(T);
  if (walk.rank > 0 && walk.stride[1][0] == 1 && gpu::walk_in_vectors<1>(walk, kEach, {kBytes, kBytes}, {y, x})) {
    gpu::launch_early(c, unary_vectors_kernel<kKind, T>, gpu::blocks_for(walk.count), gpu::kThreads, 0, p, walk, x, y);
    return true;
  }
  const gpu::WalkTiles tiles(walk);
  if (tiles.count == 0) return false;
  gpu::launch_early(c, unary_tiles_kernel<kKind, T>, gpu::blocks_for(tiles.count, 1), gpu::kThreads, 0, p, tiles, x, y);
  return true;
}
/// The functions that are worth it.
template <typename T>
bool unary_quickly(const UnaryParams& p, const gpu::Walk<1>& walk, const T* x, T* y, const KernelContext& c) {
  using K = UnaryKind;
  switch (p.kind) {
    case K::relu: return unary_quickly<K::relu>(p, walk, x, y, c);
    case K::leaky_relu: return unary_quickly<K::leaky_relu>(p, walk, x, y, c);
    case K::sigmoid: return unary_quickly<K::sigmoid>(p, walk, x, y, c);
    case K::hard_sigmoid: return unary_quickly<K::hard_sigmoid>(p, walk, x, y, c);
    case K::hardswish: return unary_quickly<K::hardswish>(p, walk, x, y, c);
    case K::swish: return unary_quickly<K::swish>(p, walk, x, y, c);
    case K::gelu_erf: return unary_quickly<K::gelu_erf>(p, walk, x, y, c);
    case K::gelu_tanh: return unary_quickly<K::gelu_tanh>(p, walk, x, y, c);
    case K::tanh: return unary_quickly<K::tanh>(p, walk, x, y, c);
    default: return false;
  }
}

bool has_integer_form(UnaryKind kind) {
  using K = UnaryKind;
  for (const K k : {K::identity, K::abs, K::neg, K::sign, K::relu, K::logical_not, K::bitwise_not})
    if (k == kind) return true;
  return false;
}

Status run_unary(const KernelContext& c) noexcept {
  const auto& p = c.params_as<UnaryParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  gpu::Walk<1> walk(y, {&x});
  if (walk.count == 0) return {};
  gpu::order_by_output(walk);
  const unsigned blocks = gpu::blocks_for(walk.count);
  const cudaStream_t stream = gpu::stream_of(c);
  const bool f32 = x.dtype == DType::f32 && y.dtype == DType::f32, f16 = x.dtype == DType::f16 && y.dtype == DType::f16;
  if ((f32 && unary_quickly(p, walk, x.as<float>(), y.as<float>(), c)) ||
      (f16 && unary_quickly(p, walk, x.as<__half>(), y.as<__half>(), c)))
    return gpu::launched();
  if (f32) unary_kernel<<<blocks, gpu::kThreads, 0, stream>>>(p, walk, x.as<float>(), y.as<float>());
  else if (f16) unary_kernel<<<blocks, gpu::kThreads, 0, stream>>>(p, walk, x.as<__half>(), y.as<__half>());
  else unary_any_kernel<<<blocks, gpu::kThreads, 0, stream>>>(p, walk, x.data, x.dtype, y.data, y.dtype);
  return gpu::launched();
}

Refusal accepts_unary(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const UnaryParams*>(q.params);
  const DType from = q.in[0].dtype, to = q.out[0].dtype;
  if (!gpu::is_number(from) || (to != from && to != DType::boolean)) return "its element types have no CUDA kernel";
  if (!gpu::is_stored_float(from) && !has_integer_form(p.kind)) return "the function is for floats";
  return nullptr;
}

template <typename C>
__device__ C min_or_nan(C a, C b) {
  return isnan(a) ? a : isnan(b) ? b : b < a ? b : a;
}
template <typename C>
__device__ C max_or_nan(C a, C b) {
  return isnan(a) ? a : isnan(b) ? b : b > a ? b : a;
}

template <typename C>
__device__ C binary(BinaryKind kind, C a, C b) {
  switch (kind) {
    case BinaryKind::add: return a + b;
    case BinaryKind::sub: return a - b;
    case BinaryKind::mul: return a * b;
    case BinaryKind::div: return a / b;
    case BinaryKind::mod: {
      const C m = fmod(a, b);
      return m == C(0) ? copysign(m, b) : (m < C(0)) != (b < C(0)) ? m + b : m;
    }
    case BinaryKind::fmod: return fmod(a, b);
    case BinaryKind::pow: return pow(a, b);
    case BinaryKind::min: return min_or_nan(a, b);
    case BinaryKind::max: return max_or_nan(a, b);
    case BinaryKind::equal: return a == b ? C(1) : C(0);
    case BinaryKind::less: return a < b ? C(1) : C(0);
    case BinaryKind::less_or_equal: return a <= b ? C(1) : C(0);
    case BinaryKind::greater: return a > b ? C(1) : C(0);
    case BinaryKind::greater_or_equal: return a >= b ? C(1) : C(0);
    case BinaryKind::prelu: return a < C(0) ? a * b : a;
    default: return C(0);  // of integers and booleans only
  }
}

template <typename C>
__device__ std::int64_t binary_integer(BinaryKind kind, std::int64_t x, std::int64_t y, int bits) {
  const C a = static_cast<C>(x), b = static_cast<C>(y);
  using U = std::uint64_t;
  constexpr bool kSigned = C(-1) < C(0);
  const U ua = static_cast<U>(a), ub = static_cast<U>(b);
  const bool overflows = kSigned && b == C(-1);  // the lowest integer by -1
  switch (kind) {
    case BinaryKind::add: return static_cast<std::int64_t>(ua + ub);
    case BinaryKind::sub: return static_cast<std::int64_t>(ua - ub);
    case BinaryKind::mul: return static_cast<std::int64_t>(ua * ub);
    case BinaryKind::div:
      return b == 0 ? 0 : overflows ? static_cast<std::int64_t>(U(0) - ua) : static_cast<std::int64_t>(a / b);
    case BinaryKind::mod: {
      if (b == 0 || overflows) return 0;
      const C m = a % b;
      return static_cast<std::int64_t>(m != 0 && (m < C(0)) != (b < C(0)) ? m + b : m);
    }
    case BinaryKind::fmod: return b == 0 || overflows ? 0 : static_cast<std::int64_t>(a % b);
    case BinaryKind::pow: {
      if (kSigned && b < C(0)) return a == C(1) ? 1 : a == C(-1) ? (b % 2 != 0 ? -1 : 1) : 0;
      U result = 1, base = ua;
      for (U e = ub; e != 0; e >>= 1, base *= base)
        if (e & 1) result *= base;
      return static_cast<std::int64_t>(result);
    }
    case BinaryKind::min: return static_cast<std::int64_t>(b < a ? b : a);
    case BinaryKind::max: return static_cast<std::int64_t>(b > a ? b : a);
    case BinaryKind::shift_left: return ub >= U(bits) ? 0 : static_cast<std::int64_t>(ua << ub);
    case BinaryKind::shift_right: return static_cast<std::int64_t>(ub >= U(bits) ? (a < C(0) ? C(-1) : C(0)) : a >> ub);
    case BinaryKind::bitwise_and: return static_cast<std::int64_t>(ua & ub);
    case BinaryKind::bitwise_or: return static_cast<std::int64_t>(ua | ub);
    case BinaryKind::bitwise_xor: return static_cast<std::int64_t>(ua ^ ub);
    case BinaryKind::logical_and: return a != 0 && b != 0;
    case BinaryKind::logical_or: return a != 0 || b != 0;
    case BinaryKind::logical_xor: return (a != 0) != (b != 0);
    case BinaryKind::equal: return a == b;
    case BinaryKind::less: return a < b;
    case BinaryKind::less_or_equal: return a <= b;
    case BinaryKind::greater: return a > b;
    case BinaryKind::greater_or_equal: return a >= b;
    case BinaryKind::prelu: return a < C(0) ? static_cast<std::int64_t>(ua * ub) : static_cast<std::int64_t>(a);
  }
  return 0;
}

template <typename T>
__global__ void binary_kernel(BinaryKind kind, gpu::Walk<2> walk, const T* a, const T* b, T* y) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[3];
    walk.at(i, at);
    gpu::store(y + at[0], binary(kind, gpu::load(a + at[1]), gpu::load(b + at[2])));
  });
}
__global__ void binary_any_kernel(BinaryKind kind, gpu::Walk<2> walk, const void* a, const void* b, DType from, void* y,
                                  DType to, int bits) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[3];
    walk.at(i, at);
    if (gpu::integral(from)) {
      const std::int64_t u = gpu::load_integer(a, from, at[1]), v = gpu::load_integer(b, from, at[2]);
      gpu::store_integer(y, to, at[0],
                         gpu::is_unsigned(from) ? binary_integer<std::uint64_t>(kind, u, v, bits)
                                                : binary_integer<std::int64_t>(kind, u, v, bits));
    } else {
      const double v = binary(kind, gpu::load_float(a, from, at[1]), gpu::load_float(b, from, at[2]));
      if (gpu::integral(to)) gpu::store_integer(y, to, at[0], v != 0);
      else gpu::store_float(y, to, at[0], v);
    }
  });
}

template <BinaryKind kKind, typename T>
__global__ void binary_vectors_kernel(gpu::Walk<2> walk, const T* a, const T* b, T* y) {
  constexpr int kEach = 16 / sizeof(T);
  using Vector = gpu::Channels<T, kEach>;
  gpu::await_previous();
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[3];
    walk.at(i, at);
    Vector u = gpu::load_vector<kEach>(a + at[1], walk.stride[1][0] == 0);
    const Vector v = gpu::load_vector<kEach>(b + at[2], walk.stride[2][0] == 0);
#pragma unroll
    for (int j = 0; j < kEach; ++j) gpu::store(&u.v[j], binary(kKind, gpu::load(&u.v[j]), gpu::load(&v.v[j])));
    *reinterpret_cast<Vector*>(y + at[0]) = u;
  });
}
/// False where the function or the operands are not for vectors.
template <typename T>
bool binary_in_vectors(BinaryKind kind, gpu::Walk<2> walk, const T* a, const T* b, T* y, const KernelContext& c) {
  constexpr int kEach = 16 / sizeof(T), kBytes = sizeof(T);
  using K = BinaryKind;
  decltype(&binary_vectors_kernel<K::add, T>) kernel = nullptr;
  switch (kind) {
    case K::add: kernel = binary_vectors_kernel<K::add, T>; break;
    case K::sub: kernel = binary_vectors_kernel<K::sub, T>; break;
    case K::mul: kernel = binary_vectors_kernel<K::mul, T>; break;
    case K::div: kernel = binary_vectors_kernel<K::div, T>; break;
    default: return false;
  }
  if (!gpu::walk_in_vectors<2>(walk, kEach, {kBytes, kBytes, kBytes}, {y, a, b})) return false;
  gpu::launch_early(c, kernel, gpu::blocks_for(walk.count), gpu::kThreads, 0, walk, a, b, y);
  return true;
}

Status run_binary(const KernelContext& c) noexcept {
  const BinaryKind kind = c.params_as<BinaryParams>().kind;
  const TensorView &a = c.in[0], &b = c.in[1], &y = c.out[0];
  gpu::Walk<2> walk(y, {&a, &b});
  if (walk.count == 0) return {};
  gpu::order_by_output(walk);
  const unsigned blocks = gpu::blocks_for(walk.count);
  const cudaStream_t stream = gpu::stream_of(c);
  const bool f32 = a.dtype == DType::f32 && y.dtype == DType::f32, f16 = a.dtype == DType::f16 && y.dtype == DType::f16;
  if ((f32 && binary_in_vectors(kind, walk, a.as<float>(), b.as<float>(), y.as<float>(), c)) ||
      (f16 && binary_in_vectors(kind, walk, a.as<__half>(), b.as<__half>(), y.as<__half>(), c)))
    return gpu::launched();
  if (f32) binary_kernel<<<blocks, gpu::kThreads, 0, stream>>>(kind, walk, a.as<float>(), b.as<float>(), y.as<float>());
  else if (f16)
    binary_kernel<<<blocks, gpu::kThreads, 0, stream>>>(kind, walk, a.as<__half>(), b.as<__half>(), y.as<__half>());
  else
    binary_any_kernel<<<blocks, gpu::kThreads, 0, stream>>>(kind, walk, a.data, b.data, a.dtype, y.data, y.dtype,
                                                            dtype_bits(a.dtype));
  return gpu::launched();
}

Refusal accepts_binary(const KernelQuery& q) noexcept {
  const DType type = q.in[0].dtype;
  if (!gpu::is_number(type) || q.in[1].dtype != type) return "its element types have no CUDA kernel";
  if (q.out[0].dtype != type && q.out[0].dtype != DType::boolean) return "its element types have no CUDA kernel";
  return nullptr;
}

/// An absent bound is the type's last finite number.
__global__ void clip_kernel(gpu::Walk<1> walk, const void* x, const void* low, const void* high, DType type,
                            double last, void* y) {
  if (gpu::integral(type)) {
    const bool is_unsigned = gpu::is_unsigned(type);
    const auto below = [&](std::int64_t a, std::int64_t b) {
      return is_unsigned ? static_cast<std::uint64_t>(a) < static_cast<std::uint64_t>(b) : a < b;
    };
    const std::int64_t least = low != nullptr ? gpu::load_integer(low, type, 0) : 0,
                       most = high != nullptr ? gpu::load_integer(high, type, 0) : 0;
    gpu::for_each(walk.count, [&](std::int64_t i) {
      std::int64_t at[2];
      walk.at(i, at);
      std::int64_t v = gpu::load_integer(x, type, at[1]);
      if (low != nullptr && below(v, least)) v = least;
      if (high != nullptr && below(most, v)) v = most;
      gpu::store_integer(y, type, at[0], v);
    });
    return;
  }
  const double least = low != nullptr ? gpu::load_float(low, type, 0) : -last,
               most = high != nullptr ? gpu::load_float(high, type, 0) : last;
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    gpu::store_float(y, type, at[0], min_or_nan(max_or_nan(gpu::load_float(x, type, at[1]), least), most));
  });
}

Status run_clip(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const gpu::Walk<1> walk(y, {&x});
  if (walk.count == 0) return {};
  clip_kernel<<<gpu::blocks_for(walk.count), gpu::kThreads, 0, gpu::stream_of(c)>>>(
      walk, x.data, c.has_input(1) ? c.in[1].data : nullptr, c.has_input(2) ? c.in[2].data : nullptr, x.dtype,
      gpu::integral(x.dtype) ? 0 : largest_finite(x.dtype), y.data);
  return gpu::launched();
}

Refusal accepts_clip(const KernelQuery& q) noexcept {
  return gpu::is_number(q.in[0].dtype) && q.in[0].dtype != DType::boolean ? nullptr
                                                                          : "its element type has no CUDA kernel";
}

template <typename T>
__global__ void where_kernel(gpu::Walk<3> walk, const std::uint8_t* condition, const T* a, const T* b, T* y) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[4];
    walk.at(i, at);
    y[at[0]] = condition[at[1]] != 0 ? a[at[2]] : b[at[3]];
  });
}

Status run_where(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  const gpu::Walk<3> walk(y, {&c.in[0], &c.in[1], &c.in[2]});
  if (walk.count == 0) return {};
  const bool known = gpu::with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    where_kernel<T><<<gpu::blocks_for(walk.count), gpu::kThreads, 0, gpu::stream_of(c)>>>(
        walk, c.in[0].as<std::uint8_t>(), c.in[1].as<T>(), c.in[2].as<T>(), y.as<T>());
  });
  return known ? gpu::launched() : gpu::kOtherType;
}

template <typename T>
__global__ void move_kernel(gpu::Walk<1> walk, const T* x, T* y) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    y[at[0]] = x[at[1]];
  });
}

/// Identity and BitCast.
Status run_move(const KernelContext& c) noexcept {
  const gpu::Walk<1> walk(c.out[0], {&c.in[0]});
  if (walk.count == 0) return {};
  const bool known = gpu::with_size(dtype_bits(c.out[0].dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    move_kernel<T>
        <<<gpu::blocks_for(walk.count), gpu::kThreads, 0, gpu::stream_of(c)>>>(walk, c.in[0].as<T>(), c.out[0].as<T>());
  });
  return known ? gpu::launched() : gpu::kOtherType;
}

Refusal accepts_whole_bytes(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.out[0].dtype);
  return bits >= 8 && bits <= 64 ? nullptr : "its element type has no CUDA kernel";
}

consteval Kernel unary_kernel_of(const char* name, const char* op) {
  return gpu::plain_kernel(name, op, run_unary, accepts_unary, 1);
}
consteval Kernel test_kernel_of(const char* name, const char* op) {  // its output has another type
  return gpu::plain_kernel(name, op, run_unary, accepts_unary);
}
consteval Kernel binary_kernel_of(const char* name, const char* op) {
  return gpu::plain_kernel(name, op, run_binary, accepts_binary, 3);
}
consteval Kernel comparison_kernel_of(const char* name, const char* op) {
  return gpu::plain_kernel(name, op, run_binary, accepts_binary);
}

}  // namespace

extern const Kernel abs_cuda = unary_kernel_of("abs_cuda", "Abs");
extern const Kernel neg_cuda = unary_kernel_of("neg_cuda", "Neg");
extern const Kernel sign_cuda = unary_kernel_of("sign_cuda", "Sign");
extern const Kernel ceil_cuda = unary_kernel_of("ceil_cuda", "Ceil");
extern const Kernel floor_cuda = unary_kernel_of("floor_cuda", "Floor");
extern const Kernel round_cuda = unary_kernel_of("round_cuda", "Round");
extern const Kernel sqrt_cuda = unary_kernel_of("sqrt_cuda", "Sqrt");
extern const Kernel reciprocal_cuda = unary_kernel_of("reciprocal_cuda", "Reciprocal");
extern const Kernel exp_cuda = unary_kernel_of("exp_cuda", "Exp");
extern const Kernel log_cuda = unary_kernel_of("log_cuda", "Log");
extern const Kernel sin_cuda = unary_kernel_of("sin_cuda", "Sin");
extern const Kernel cos_cuda = unary_kernel_of("cos_cuda", "Cos");
extern const Kernel tan_cuda = unary_kernel_of("tan_cuda", "Tan");
extern const Kernel asin_cuda = unary_kernel_of("asin_cuda", "Asin");
extern const Kernel acos_cuda = unary_kernel_of("acos_cuda", "Acos");
extern const Kernel atan_cuda = unary_kernel_of("atan_cuda", "Atan");
extern const Kernel sinh_cuda = unary_kernel_of("sinh_cuda", "Sinh");
extern const Kernel cosh_cuda = unary_kernel_of("cosh_cuda", "Cosh");
extern const Kernel tanh_cuda = unary_kernel_of("tanh_cuda", "Tanh");
extern const Kernel asinh_cuda = unary_kernel_of("asinh_cuda", "Asinh");
extern const Kernel acosh_cuda = unary_kernel_of("acosh_cuda", "Acosh");
extern const Kernel atanh_cuda = unary_kernel_of("atanh_cuda", "Atanh");
extern const Kernel erf_cuda = unary_kernel_of("erf_cuda", "Erf");
extern const Kernel relu_cuda = unary_kernel_of("relu_cuda", "Relu");
extern const Kernel leaky_relu_cuda = unary_kernel_of("leaky_relu_cuda", "LeakyRelu");
extern const Kernel elu_cuda = unary_kernel_of("elu_cuda", "Elu");
extern const Kernel selu_cuda = unary_kernel_of("selu_cuda", "Selu");
extern const Kernel celu_cuda = unary_kernel_of("celu_cuda", "Celu");
extern const Kernel sigmoid_cuda = unary_kernel_of("sigmoid_cuda", "Sigmoid");
extern const Kernel hard_sigmoid_cuda = unary_kernel_of("hard_sigmoid_cuda", "HardSigmoid");
extern const Kernel hardswish_cuda = unary_kernel_of("hardswish_cuda", "HardSwish");
extern const Kernel swish_cuda = unary_kernel_of("swish_cuda", "Swish");
extern const Kernel gelu_cuda = unary_kernel_of("gelu_cuda", "Gelu");
extern const Kernel mish_cuda = unary_kernel_of("mish_cuda", "Mish");
extern const Kernel softplus_cuda = unary_kernel_of("softplus_cuda", "Softplus");
extern const Kernel softsign_cuda = unary_kernel_of("softsign_cuda", "Softsign");
extern const Kernel thresholded_relu_cuda = unary_kernel_of("thresholded_relu_cuda", "ThresholdedRelu");
extern const Kernel shrink_cuda = unary_kernel_of("shrink_cuda", "Shrink");
extern const Kernel logical_not_cuda = unary_kernel_of("logical_not_cuda", "Not");
extern const Kernel bitwise_not_cuda = unary_kernel_of("bitwise_not_cuda", "BitwiseNot");
extern const Kernel is_nan_cuda = test_kernel_of("is_nan_cuda", "IsNaN");
extern const Kernel is_inf_cuda = test_kernel_of("is_inf_cuda", "IsInf");
extern const Kernel add_cuda = binary_kernel_of("add_cuda", "Add");
extern const Kernel sub_cuda = binary_kernel_of("sub_cuda", "Sub");
extern const Kernel mul_cuda = binary_kernel_of("mul_cuda", "Mul");
extern const Kernel div_cuda = binary_kernel_of("div_cuda", "Div");
extern const Kernel mod_cuda = binary_kernel_of("mod_cuda", "Mod");
extern const Kernel min_cuda = binary_kernel_of("min_cuda", "Min");
extern const Kernel max_cuda = binary_kernel_of("max_cuda", "Max");
extern const Kernel bit_shift_cuda = binary_kernel_of("bit_shift_cuda", "BitShift");
extern const Kernel bitwise_and_cuda = binary_kernel_of("bitwise_and_cuda", "BitwiseAnd");
extern const Kernel bitwise_or_cuda = binary_kernel_of("bitwise_or_cuda", "BitwiseOr");
extern const Kernel bitwise_xor_cuda = binary_kernel_of("bitwise_xor_cuda", "BitwiseXor");
extern const Kernel logical_and_cuda = binary_kernel_of("logical_and_cuda", "And");
extern const Kernel logical_or_cuda = binary_kernel_of("logical_or_cuda", "Or");
extern const Kernel logical_xor_cuda = binary_kernel_of("logical_xor_cuda", "Xor");
extern const Kernel prelu_cuda = binary_kernel_of("prelu_cuda", "PRelu");
extern const Kernel equal_cuda = comparison_kernel_of("equal_cuda", "Equal");
extern const Kernel less_cuda = comparison_kernel_of("less_cuda", "Less");
extern const Kernel less_or_equal_cuda = comparison_kernel_of("less_or_equal_cuda", "LessOrEqual");
extern const Kernel greater_cuda = comparison_kernel_of("greater_cuda", "Greater");
extern const Kernel greater_or_equal_cuda = comparison_kernel_of("greater_or_equal_cuda", "GreaterOrEqual");
extern const Kernel clip_cuda = gpu::plain_kernel("clip_cuda", "Clip", run_clip, accepts_clip, 1);
extern const Kernel where_cuda = gpu::plain_kernel("where_cuda", "Where", run_where, accepts_whole_bytes, 6);
extern const Kernel bit_cast_cuda = gpu::plain_kernel("bit_cast_cuda", "BitCast", run_move, accepts_whole_bytes, 1);
extern const Kernel identity_cuda = gpu::plain_kernel("identity_cuda", "Identity", run_move, accepts_whole_bytes, 1);

}  // namespace monza::ops
