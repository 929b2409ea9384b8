// Cast, every plain type to every other.
#include <bit>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/elementwise/elementwise.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

/// A power of two for |v|: the exponent of its f32, rounded as asked; NaN and infinity are 0xff.
std::uint8_t to_e8m0(float v, const CastParams& p) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
  std::uint32_t exponent = (bits >> 23) & 0xff;
  const std::uint32_t fraction = bits & 0x7fffff;
  if (exponent == 0xff) return 0xff;
  const bool half = fraction & 0x400000;
  bool up = false;
  if (p.e8m0 == CastParams::Round::up) up = fraction != 0;
  if (p.e8m0 == CastParams::Round::nearest) up = half && ((fraction & 0x3fffff) != 0 || exponent > 0);
  if (up && !(p.saturate && exponent == 0xfe)) ++exponent;
  return static_cast<std::uint8_t>(exponent);
}

bool is_f8(DType t) {
  return t == DType::f8e4m3fn || t == DType::f8e4m3fnuz || t == DType::f8e5m2 || t == DType::f8e5m2fnuz;
}

Status run_cast(const KernelContext& c) noexcept {
  const auto& p = c.params_as<CastParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  const TensorView* in[] = {&x};
  const bool from_integer = is_integer(x.dtype) || x.dtype == DType::boolean;
  const bool to_integer = is_integer(out.dtype) || out.dtype == DType::boolean;
  const auto loop = [&](auto&& element) {
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) { element(o, i[0]); });
  };
  if (from_integer && to_integer) {
    loop([&](std::int64_t o, std::int64_t i) { to.store_int(out.data, o, from.load_int(x.data, i)); });
  } else if (out.dtype == DType::f8e8m0) {
    loop([&](std::int64_t o, std::int64_t i) {
      out.as<std::uint8_t>()[o] = to_e8m0(static_cast<float>(from.load(x.data, i)), p);
    });
  } else if (is_f8(out.dtype) && !p.saturate) {
    loop([&](std::int64_t o, std::int64_t i) {
      out.as<std::uint8_t>()[o] = f32_to_small_float(out.dtype, static_cast<float>(from.load(x.data, i)), false);
    });
  } else if (x.dtype == DType::i64 && out.dtype == DType::f32) {
    // One rounding only: through double, large integers would be rounded twice.
    loop([&](std::int64_t o, std::int64_t i) { out.as<float>()[o] = static_cast<float>(x.as<std::int64_t>()[i]); });
  } else {
    loop([&](std::int64_t o, std::int64_t i) { to.store(out.data, o, from.load(x.data, i)); });
  }
  return {};
}

}  // namespace

extern const Kernel cast_ref = reference_kernel("cast_ref", "Cast", run_cast);

}  // namespace monza::ops
