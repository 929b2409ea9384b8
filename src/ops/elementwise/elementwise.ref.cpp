// Elementwise references: one element at a time, floats in double, integers in 64 bits.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/elementwise/elementwise.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x)); }
double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

double unary(const UnaryParams& p, double x) {
  const double alpha = p.alpha, beta = p.beta;
  switch (p.kind) {
    case UnaryKind::identity: return x;
    case UnaryKind::abs: return std::fabs(x);
    case UnaryKind::neg: return -x;
    case UnaryKind::sign: return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;  // 0 of -0, too
    case UnaryKind::ceil: return std::ceil(x);
    case UnaryKind::floor: return std::floor(x);
    case UnaryKind::round: return std::nearbyint(x);
    case UnaryKind::sqrt: return std::sqrt(x);
    case UnaryKind::reciprocal: return 1 / x;
    case UnaryKind::exp: return std::exp(x);
    case UnaryKind::log: return std::log(x);
    case UnaryKind::sin: return std::sin(x);
    case UnaryKind::cos: return std::cos(x);
    case UnaryKind::tan: return std::tan(x);
    case UnaryKind::asin: return std::asin(x);
    case UnaryKind::acos: return std::acos(x);
    case UnaryKind::atan: return std::atan(x);
    case UnaryKind::sinh: return std::sinh(x);
    case UnaryKind::cosh: return std::cosh(x);
    case UnaryKind::tanh: return std::tanh(x);
    case UnaryKind::asinh: return std::asinh(x);
    case UnaryKind::acosh: return std::acosh(x);
    case UnaryKind::atanh: return std::atanh(x);
    case UnaryKind::erf: return std::erf(x);
    case UnaryKind::relu: return x < 0 ? 0 : x;
    case UnaryKind::leaky_relu: return x < 0 ? alpha * x : x;
    case UnaryKind::elu: return x < 0 ? alpha * std::expm1(x) : x;
    case UnaryKind::selu: return beta * (x <= 0 ? alpha * std::expm1(x) : x);
    case UnaryKind::celu: return x < 0 ? alpha * std::expm1(x / alpha) : x;
    case UnaryKind::sigmoid: return sigmoid(x);
    case UnaryKind::hard_sigmoid: return clamp(alpha * x + beta, 0, 1);
    case UnaryKind::hardswish: return x * clamp(x / 6 + 0.5, 0, 1);
    case UnaryKind::swish: return x * sigmoid(alpha * x);
    case UnaryKind::gelu_erf: return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    case UnaryKind::gelu_tanh: return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case UnaryKind::mish: return x * std::tanh(softplus(x));
    case UnaryKind::softplus: return softplus(x);
    case UnaryKind::softsign: return x / (1 + std::fabs(x));
    case UnaryKind::thresholded_relu: return x > alpha ? x : 0;
    case UnaryKind::shrink: return x < -alpha ? x + beta : x > alpha ? x - beta : 0;
    case UnaryKind::logical_not: return x == 0;
    case UnaryKind::bitwise_not: return x;  // integers only: below
    case UnaryKind::is_nan: return std::isnan(x);
    case UnaryKind::is_inf: return std::isinf(x) && (x < 0 ? alpha != 0 : beta != 0);
  }
  return x;
}

using U64 = std::uint64_t;

/// The kinds that must be exact for 64-bit integers; false for the others, which go through double.
bool unary_integer(const UnaryParams& p, bool is_unsigned, std::int64_t x, std::int64_t& y) {
  switch (p.kind) {
    case UnaryKind::identity: y = x; return true;
    case UnaryKind::abs: y = is_unsigned || x >= 0 ? x : static_cast<std::int64_t>(U64(0) - U64(x)); return true;
    case UnaryKind::neg: y = static_cast<std::int64_t>(U64(0) - U64(x)); return true;
    case UnaryKind::sign: y = x == 0 ? 0 : is_unsigned || x > 0 ? 1 : -1; return true;
    case UnaryKind::relu: y = is_unsigned || x > 0 ? x : 0; return true;
    case UnaryKind::logical_not: y = x == 0; return true;
    case UnaryKind::bitwise_not: y = ~x; return true;
    default: return false;
  }
}

bool integral(DType t) { return is_integer(t) || t == DType::boolean; }

Status run_unary(const KernelContext& c) noexcept {
  const auto& p = c.params_as<UnaryParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  const TensorView* in[] = {&x};
  std::int64_t probe;
  if (integral(x.dtype) && unary_integer(p, !is_signed(x.dtype), 0, probe)) {
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      std::int64_t y = 0;
      unary_integer(p, !is_signed(x.dtype), from.load_int(x.data, i[0]), y);
      to.store_int(out.data, o, y);
    });
    return {};
  }
  for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    to.store(out.data, o, unary(p, from.load(x.data, i[0])));
  });
  return {};
}

double min_or_nan(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : b < a ? b : a; }
double max_or_nan(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : b > a ? b : a; }

double binary(BinaryKind kind, double a, double b) {
  switch (kind) {
    case BinaryKind::add: return a + b;
    case BinaryKind::sub: return a - b;
    case BinaryKind::mul: return a * b;
    case BinaryKind::div: return a / b;
    case BinaryKind::mod: {
      const double m = std::fmod(a, b);
      return m == 0 ? std::copysign(m, b) : (m < 0) != (b < 0) ? m + b : m;
    }
    case BinaryKind::fmod: return std::fmod(a, b);
    case BinaryKind::pow: return std::pow(a, b);
    case BinaryKind::min: return min_or_nan(a, b);
    case BinaryKind::max: return max_or_nan(a, b);
    case BinaryKind::equal: return a == b;
    case BinaryKind::less: return a < b;
    case BinaryKind::less_or_equal: return a <= b;
    case BinaryKind::greater: return a > b;
    case BinaryKind::greater_or_equal: return a >= b;
    case BinaryKind::prelu: return a < 0 ? a * b : a;
    default: return 0;  // kinds of integers and booleans only: below
  }
}

std::int64_t power(std::int64_t base, std::int64_t exponent, bool is_unsigned) {
  if (!is_unsigned && exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  U64 result = 1, b = U64(base), e = U64(exponent);
  for (; e; e >>= 1, b *= b)
    if (e & 1) result *= b;
  return static_cast<std::int64_t>(result);
}

template <typename T>
std::int64_t binary_integer(BinaryKind kind, std::int64_t x, std::int64_t y, int bits) {
  const T a = static_cast<T>(x), b = static_cast<T>(y);
  const U64 ua = U64(x), ub = U64(y);
  const bool overflows = b == T(-1) && T(-1) < T(0);  // the lowest integer by -1
  switch (kind) {
    case BinaryKind::add: return static_cast<std::int64_t>(ua + ub);
    case BinaryKind::sub: return static_cast<std::int64_t>(ua - ub);
    case BinaryKind::mul: return static_cast<std::int64_t>(ua * ub);
    case BinaryKind::div:
      return b == 0 ? 0 : overflows ? static_cast<std::int64_t>(U64(0) - ua) : static_cast<std::int64_t>(a / b);
    case BinaryKind::mod: {
      if (b == 0 || overflows) return 0;
      const T m = a % b;
      return static_cast<std::int64_t>(m != 0 && (m < 0) != (b < 0) ? m + b : m);
    }
    case BinaryKind::fmod: return b == 0 || overflows ? 0 : static_cast<std::int64_t>(a % b);
    case BinaryKind::pow: return power(x, y, T(-1) > T(0));
    case BinaryKind::min: return b < a ? y : x;
    case BinaryKind::max: return b > a ? y : x;
    case BinaryKind::shift_left: return ub >= U64(bits) ? 0 : static_cast<std::int64_t>(ua << ub);
    case BinaryKind::shift_right: return static_cast<std::int64_t>(ub >= U64(bits) ? (a < T(0) ? T(-1) : 0) : a >> ub);
    case BinaryKind::bitwise_and: return x & y;
    case BinaryKind::bitwise_or: return x | y;
    case BinaryKind::bitwise_xor: return x ^ y;
    case BinaryKind::logical_and: return x != 0 && y != 0;
    case BinaryKind::logical_or: return x != 0 || y != 0;
    case BinaryKind::logical_xor: return (x != 0) != (y != 0);
    case BinaryKind::equal: return x == y;
    case BinaryKind::less: return a < b;
    case BinaryKind::less_or_equal: return a <= b;
    case BinaryKind::greater: return a > b;
    case BinaryKind::greater_or_equal: return a >= b;
    case BinaryKind::prelu: return a < T(0) ? static_cast<std::int64_t>(ua * ub) : x;
  }
  return 0;
}

Status run_binary(const KernelContext& c) noexcept {
  const BinaryKind kind = c.params_as<BinaryParams>().kind;
  const TensorView &a = c.in[0], &b = c.in[1], &out = c.out[0];
  const ElementAccess &from_a = element_access(a.dtype), &from_b = element_access(b.dtype),
                      &to = element_access(out.dtype);
  const TensorView* in[] = {&a, &b};
  if (integral(a.dtype) && integral(b.dtype)) {
    const int bits = dtype_bits(a.dtype);
    const auto f = is_signed(a.dtype) ? binary_integer<std::int64_t> : binary_integer<std::uint64_t>;
    for_each_broadcast<2>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      to.store_int(out.data, o, f(kind, from_a.load_int(a.data, i[0]), from_b.load_int(b.data, i[1]), bits));
    });
    return {};
  }
  for_each_broadcast<2>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    to.store(out.data, o, binary(kind, from_a.load(a.data, i[0]), from_b.load(b.data, i[1])));
  });
  return {};
}

Status run_clip(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const TensorView* in[] = {&x};
  const bool has_low = c.has_input(1), has_high = c.has_input(2);
  if (is_integer(x.dtype)) {
    const auto f = is_signed(x.dtype) ? binary_integer<std::int64_t> : binary_integer<std::uint64_t>;
    const std::int64_t low = has_low ? access.load_int(c.in[1].data, 0) : 0,
                       high = has_high ? access.load_int(c.in[2].data, 0) : 0;
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      std::int64_t v = access.load_int(x.data, i[0]);
      if (has_low) v = f(BinaryKind::max, v, low, 64);
      if (has_high) v = f(BinaryKind::min, v, high, 64);
      access.store_int(out.data, o, v);
    });
    return {};
  }
  const double last = largest_finite(x.dtype), low = has_low ? access.load(c.in[1].data, 0) : -last,
               high = has_high ? access.load(c.in[2].data, 0) : last;
  for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    access.store(out.data, o, min_or_nan(max_or_nan(access.load(x.data, i[0]), low), high));
  });
  return {};
}

/// Copies elements of whole bytes from in[select(o)] to out.
template <int N, typename Select>
void copy_elements(const KernelContext& c, const TensorView* const* in, Select&& select) {
  const TensorView& out = c.out[0];
  const auto size = static_cast<std::int64_t>(dtype_bits(out.dtype) / 8);
  for_each_broadcast<N>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    const int k = select(i);
    std::memcpy(out.as<std::byte>() + o * size, in[k]->template as<std::byte>() + i[k] * size,
                static_cast<std::size_t>(size));
  });
}

Status run_where(const KernelContext& c) noexcept {
  const TensorView* in[] = {&c.in[0], &c.in[1], &c.in[2]};
  copy_elements<3>(c, in, [&](const std::int64_t* i) { return c.in[0].as<std::uint8_t>()[i[0]] != 0 ? 1 : 2; });
  return {};
}

/// Identity and BitCast: the same bits, of any plain type.
Status run_copy(const KernelContext& c) noexcept {
  const TensorView* in[] = {&c.in[0]};
  if (dtype_bits(c.out[0].dtype) % 8 == 0) {
    copy_elements<1>(c, in, [](const std::int64_t*) { return 0; });
    return {};
  }
  // Sub-byte types: their bits as integers of the same width.
  const DType bits = dtype_bits(c.out[0].dtype) == 2 ? DType::u2 : DType::u4;
  const ElementAccess& access = element_access(bits);
  for_each_broadcast<1>(*c.parallel, c.out[0], in, [&](std::int64_t o, const std::int64_t* i) {
    access.store_int(c.out[0].data, o, access.load_int(c.in[0].data, i[0]));
  });
  return {};
}

consteval Kernel unary_kernel(const char* name, const char* op) { return reference_kernel(name, op, run_unary, 1); }
consteval Kernel binary_kernel(const char* name, const char* op) { return reference_kernel(name, op, run_binary, 3); }

}  // namespace

extern const Kernel abs_ref = unary_kernel("abs_ref", "Abs");
extern const Kernel neg_ref = unary_kernel("neg_ref", "Neg");
extern const Kernel sign_ref = unary_kernel("sign_ref", "Sign");
extern const Kernel ceil_ref = unary_kernel("ceil_ref", "Ceil");
extern const Kernel floor_ref = unary_kernel("floor_ref", "Floor");
extern const Kernel round_ref = unary_kernel("round_ref", "Round");
extern const Kernel sqrt_ref = unary_kernel("sqrt_ref", "Sqrt");
extern const Kernel reciprocal_ref = unary_kernel("reciprocal_ref", "Reciprocal");
extern const Kernel exp_ref = unary_kernel("exp_ref", "Exp");
extern const Kernel log_ref = unary_kernel("log_ref", "Log");
extern const Kernel sin_ref = unary_kernel("sin_ref", "Sin");
extern const Kernel cos_ref = unary_kernel("cos_ref", "Cos");
extern const Kernel tan_ref = unary_kernel("tan_ref", "Tan");
extern const Kernel asin_ref = unary_kernel("asin_ref", "Asin");
extern const Kernel acos_ref = unary_kernel("acos_ref", "Acos");
extern const Kernel atan_ref = unary_kernel("atan_ref", "Atan");
extern const Kernel sinh_ref = unary_kernel("sinh_ref", "Sinh");
extern const Kernel cosh_ref = unary_kernel("cosh_ref", "Cosh");
extern const Kernel tanh_ref = unary_kernel("tanh_ref", "Tanh");
extern const Kernel asinh_ref = unary_kernel("asinh_ref", "Asinh");
extern const Kernel acosh_ref = unary_kernel("acosh_ref", "Acosh");
extern const Kernel atanh_ref = unary_kernel("atanh_ref", "Atanh");
extern const Kernel erf_ref = unary_kernel("erf_ref", "Erf");
extern const Kernel relu_ref = unary_kernel("relu_ref", "Relu");
extern const Kernel leaky_relu_ref = unary_kernel("leaky_relu_ref", "LeakyRelu");
extern const Kernel elu_ref = unary_kernel("elu_ref", "Elu");
extern const Kernel selu_ref = unary_kernel("selu_ref", "Selu");
extern const Kernel celu_ref = unary_kernel("celu_ref", "Celu");
extern const Kernel sigmoid_ref = unary_kernel("sigmoid_ref", "Sigmoid");
extern const Kernel hard_sigmoid_ref = unary_kernel("hard_sigmoid_ref", "HardSigmoid");
extern const Kernel hardswish_ref = unary_kernel("hardswish_ref", "HardSwish");
extern const Kernel swish_ref = unary_kernel("swish_ref", "Swish");
extern const Kernel gelu_ref = unary_kernel("gelu_ref", "Gelu");
extern const Kernel mish_ref = unary_kernel("mish_ref", "Mish");
extern const Kernel softplus_ref = unary_kernel("softplus_ref", "Softplus");
extern const Kernel softsign_ref = unary_kernel("softsign_ref", "Softsign");
extern const Kernel thresholded_relu_ref = unary_kernel("thresholded_relu_ref", "ThresholdedRelu");
extern const Kernel shrink_ref = unary_kernel("shrink_ref", "Shrink");
extern const Kernel logical_not_ref = unary_kernel("logical_not_ref", "Not");
extern const Kernel bitwise_not_ref = unary_kernel("bitwise_not_ref", "BitwiseNot");

// Another element type comes out: no output can overwrite its input.
extern const Kernel is_nan_ref = reference_kernel("is_nan_ref", "IsNaN", run_unary);
extern const Kernel is_inf_ref = reference_kernel("is_inf_ref", "IsInf", run_unary);

extern const Kernel add_ref = binary_kernel("add_ref", "Add");
extern const Kernel sub_ref = binary_kernel("sub_ref", "Sub");
extern const Kernel mul_ref = binary_kernel("mul_ref", "Mul");
extern const Kernel div_ref = binary_kernel("div_ref", "Div");
extern const Kernel mod_ref = binary_kernel("mod_ref", "Mod");
extern const Kernel pow_ref = reference_kernel("pow_ref", "Pow", run_binary, 1);
extern const Kernel min_ref = binary_kernel("min_ref", "Min");
extern const Kernel max_ref = binary_kernel("max_ref", "Max");
extern const Kernel bit_shift_ref = binary_kernel("bit_shift_ref", "BitShift");
extern const Kernel bitwise_and_ref = binary_kernel("bitwise_and_ref", "BitwiseAnd");
extern const Kernel bitwise_or_ref = binary_kernel("bitwise_or_ref", "BitwiseOr");
extern const Kernel bitwise_xor_ref = binary_kernel("bitwise_xor_ref", "BitwiseXor");
extern const Kernel logical_and_ref = binary_kernel("logical_and_ref", "And");
extern const Kernel logical_or_ref = binary_kernel("logical_or_ref", "Or");
extern const Kernel logical_xor_ref = binary_kernel("logical_xor_ref", "Xor");
extern const Kernel equal_ref = reference_kernel("equal_ref", "Equal", run_binary);
extern const Kernel less_ref = reference_kernel("less_ref", "Less", run_binary);
extern const Kernel less_or_equal_ref = reference_kernel("less_or_equal_ref", "LessOrEqual", run_binary);
extern const Kernel greater_ref = reference_kernel("greater_ref", "Greater", run_binary);
extern const Kernel greater_or_equal_ref = reference_kernel("greater_or_equal_ref", "GreaterOrEqual", run_binary);
extern const Kernel prelu_ref = binary_kernel("prelu_ref", "PRelu");
extern const Kernel clip_ref = reference_kernel("clip_ref", "Clip", run_clip, 1);
extern const Kernel where_ref = reference_kernel("where_ref", "Where", run_where, 6);
extern const Kernel bit_cast_ref = reference_kernel("bit_cast_ref", "BitCast", run_copy, 1);
extern const Kernel identity_ref = reference_kernel("identity_ref", "Identity", run_copy, 1);

}  // namespace monza::ops
