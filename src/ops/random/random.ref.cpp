// Random numbers: a hash of seed and element index, so that elements are independent of order and threads.
#include <chrono>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/random/random.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// splitmix64's output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

struct Generator {
  std::uint64_t seed;
  /// Uniform in [0, 1): number `i`.
  double operator()(std::int64_t i) const {
    return static_cast<double>(mix(seed ^ mix(static_cast<std::uint64_t>(i))) >> 11) * 0x1p-53;
  }
};

Generator generator(const KernelContext& c) {
  const auto& p = c.params_as<RandomParams>();
  if (p.seeded) return {mix(p.seed)};
  // Without a seed every run draws anew.
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return {mix(static_cast<std::uint64_t>(now)) ^ reinterpret_cast<std::uintptr_t>(c.out[0].data)};
}

Status run_dropout(const KernelContext& c, const Generator& uniform) {
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const bool training = c.has_input(2) && element_access(c.in[2].dtype).load_int(c.in[2].data, 0) != 0;
  const double ratio = !training ? 0 : c.has_input(1) ? element_access(c.in[1].dtype).load(c.in[1].data, 0) : 0.5;
  if (!(ratio >= 0 && ratio < 1)) return {StatusCode::invalid_argument, "Dropout: the ratio lies outside [0, 1)"};
  const bool has_mask = c.out_count > 1 && c.out[1].present();
  const TensorView* in[] = {&x, has_mask ? &c.out[1] : &x};
  for_each_broadcast<2>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    const bool keep = ratio == 0 || uniform(o) >= ratio;
    access.store(out.data, o, keep ? access.load(x.data, i[0]) / (1 - ratio) : 0);
    if (has_mask) c.out[1].as<std::uint8_t>()[i[1]] = keep;
  });
  return {};
}

Status run_multinomial(const KernelContext& c, const Generator& uniform) {
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  for (std::int64_t row = 0; row < out.shape[0]; ++row) {
    double largest = -INFINITY, total = 0;
    const auto value = [&](std::int64_t k) { return from.load(x.data, row * x.stride[0] + k * x.stride[1]); };
    for (std::int64_t k = 0; k < x.shape[1]; ++k) largest = std::fmax(largest, value(k));
    for (std::int64_t k = 0; k < x.shape[1]; ++k) total += std::exp(value(k) - largest);
    for (std::int64_t s = 0; s < out.shape[1]; ++s) {
      double rest = uniform(row * out.shape[1] + s) * total;
      std::int64_t k = 0;
      while (k + 1 < x.shape[1] && (rest -= std::exp(value(k) - largest)) >= 0) ++k;
      to.store_int(out.data, row * out.stride[0] + s * out.stride[1], k);
    }
  }
  return {};
}

Status run_random(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RandomParams>();
  const Generator uniform = generator(c);
  if (p.kind == RandomParams::Kind::dropout) return run_dropout(c, uniform);
  if (p.kind == RandomParams::Kind::multinomial) return run_multinomial(c, uniform);
  const TensorView& out = c.out[0];
  const TensorView& x = c.has_input(0) ? c.in[0] : out;
  const TensorView* in[] = {&x};
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
    double v = 0;
    switch (p.kind) {
      case RandomParams::Kind::normal:
        v = p.a + p.b * std::sqrt(-2 * std::log(1 - uniform(2 * o))) * std::cos(2 * M_PI * uniform(2 * o + 1));
        break;
      case RandomParams::Kind::bernoulli: v = uniform(o) < from.load(x.data, i[0]); break;
      default: v = p.a + (static_cast<double>(p.b) - p.a) * uniform(o);
    }
    to.store(out.data, o, v);
  });
  return {};
}

}  // namespace

extern const Kernel random_uniform_ref = reference_kernel("random_uniform_ref", "RandomUniform", run_random);
extern const Kernel random_normal_ref = reference_kernel("random_normal_ref", "RandomNormal", run_random);
extern const Kernel bernoulli_ref = reference_kernel("bernoulli_ref", "Bernoulli", run_random);
extern const Kernel multinomial_ref = reference_kernel("multinomial_ref", "Multinomial", run_random);
extern const Kernel dropout_ref = reference_kernel("dropout_ref", "Dropout", run_random);

}  // namespace monza::ops
