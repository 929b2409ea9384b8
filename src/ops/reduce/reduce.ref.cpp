// Plain reductions: floats in double, integers in 64 bits; any strides.
#include <cmath>
#include <limits>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/reduce/reduce.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double reduce_floats(ReduceKind kind, const AxisLoop& loop, const ElementAccess& access, const void* data,
                     std::int64_t base) {
  const auto sum = [&](auto&& f) {
    double total = 0;
    loop.each([&](std::int64_t i) { total += f(access.load(data, base + i)); });
    return total;
  };
  const auto extreme = [&](double start, auto&& better) {
    double best = start;
    loop.each([&](std::int64_t i) {
      const double v = access.load(data, base + i);
      if (std::isnan(v) || better(v, best)) best = v;
    });
    return best;
  };
  switch (kind) {
    case ReduceKind::sum: return sum([](double v) { return v; });
    case ReduceKind::mean: return sum([](double v) { return v; }) / static_cast<double>(loop.count());
    case ReduceKind::max: return extreme(-kInfinity, [](double v, double best) { return v > best; });
    case ReduceKind::min: return extreme(kInfinity, [](double v, double best) { return v < best; });
    case ReduceKind::prod: {
      double total = 1;
      loop.each([&](std::int64_t i) { total *= access.load(data, base + i); });
      return total;
    }
    case ReduceKind::l1: return sum([](double v) { return std::fabs(v); });
    case ReduceKind::l2: return std::sqrt(sum([](double v) { return v * v; }));
    case ReduceKind::log_sum: return std::log(sum([](double v) { return v; }));
    case ReduceKind::log_sum_exp: {
      const double largest = extreme(-kInfinity, [](double v, double best) { return v > best; });
      if (std::isinf(largest)) return largest;
      return largest + std::log(sum([&](double v) { return std::exp(v - largest); }));
    }
    case ReduceKind::sum_square: return sum([](double v) { return v * v; });
  }
  return 0;
}

/// Exact modulo 2^64. L2, LogSum and LogSumExp of integers go through double instead.
std::int64_t reduce_integers(ReduceKind kind, const AxisLoop& loop, const ElementAccess& access, const void* data,
                             std::int64_t base, bool is_unsigned, int bits) {
  using U64 = std::uint64_t;
  U64 total = kind == ReduceKind::prod ? 1 : 0;
  bool first = true;
  // Of no elements: the type's lowest for max, its highest for min.
  const std::int64_t highest = static_cast<std::int64_t>((is_unsigned ? ~U64(0) : ~U64(0) >> 1) >> (64 - bits));
  if (loop.count() == 0 && kind == ReduceKind::min) return highest;
  if (loop.count() == 0 && kind == ReduceKind::max) return is_unsigned ? 0 : -highest - 1;
  loop.each([&](std::int64_t i) {
    const std::int64_t v = access.load_int(data, base + i);
    const U64 u = U64(v);
    const auto before = static_cast<std::int64_t>(total);
    switch (kind) {
      case ReduceKind::max: total = first || (is_unsigned ? u > total : v > before) ? u : total; break;
      case ReduceKind::min: total = first || (is_unsigned ? u < total : v < before) ? u : total; break;
      case ReduceKind::prod: total *= u; break;
      case ReduceKind::l1: total += !is_unsigned && v < 0 ? U64(0) - u : u; break;
      case ReduceKind::sum_square: total += u * u; break;
      default: total += u;
    }
    first = false;
  });
  if (kind == ReduceKind::mean) {
    const std::int64_t n = loop.count();
    if (n == 0) return 0;
    return is_unsigned ? static_cast<std::int64_t>(total / U64(n)) : static_cast<std::int64_t>(total) / n;
  }
  return static_cast<std::int64_t>(total);
}

Status run_reduce(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ReduceParams>();
  const TensorView& x = c.in[0];
  const ElementAccess& access = element_access(x.dtype);
  const AxisLoop loop = axes_of(x, p.axes);
  const TensorView kept = without_axes(x, p.axes), out = with_axes(c.out[0], p.axes, x.shape.rank);
  const TensorView* in[] = {&kept};
  const bool roots = p.kind == ReduceKind::l2 || p.kind == ReduceKind::log_sum || p.kind == ReduceKind::log_sum_exp;
  if ((is_integer(x.dtype) || x.dtype == DType::boolean) && !roots) {
    const bool is_unsigned = !is_signed(x.dtype);
    const int bits = x.dtype == DType::boolean ? 1 : dtype_bits(x.dtype);
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      access.store_int(out.data, o, reduce_integers(p.kind, loop, access, x.data, i[0], is_unsigned, bits));
    });
  } else {
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      access.store(out.data, o, reduce_floats(p.kind, loop, access, x.data, i[0]));
    });
  }
  return {};
}

Status run_arg(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ArgParams>();
  const TensorView& x = c.in[0];
  const std::uint32_t mask = 1u << p.axis;
  const std::int64_t extent = x.shape[p.axis], stride = x.stride[p.axis];
  const TensorView kept = without_axes(x, mask), out = with_axes(c.out[0], mask, x.shape.rank);
  if (extent == 0 && out.shape.numel() > 0)
    return {StatusCode::invalid_argument, "ArgMax or ArgMin along an axis without elements"};
  const TensorView* in[] = {&kept};
  const ElementAccess& access = element_access(x.dtype);
  const auto find = [&](auto load, auto better) {
    for_each_broadcast<1>(*c.parallel, out, in, [&](std::int64_t o, const std::int64_t* i) {
      std::int64_t at = 0;
      auto best = load(i[0]);
      for (std::int64_t e = 1; e < extent; ++e) {
        const auto v = load(i[0] + e * stride);
        // A NaN is further than every number, and as far as another NaN.
        const bool is_nan = v != v, best_is_nan = best != best;
        if (is_nan ? !best_is_nan || p.last : !best_is_nan && (better(v, best) || (p.last && v == best))) {
          best = v;
          at = e;
        }
      }
      out.as<std::int64_t>()[o] = at;
    });
  };
  const auto either = [&](auto load) {
    if (p.largest) find(load, [](auto a, auto b) { return a > b; });
    else find(load, [](auto a, auto b) { return a < b; });
  };
  if (x.dtype == DType::u64) either([&](std::int64_t i) { return x.as<std::uint64_t>()[i]; });
  else if (is_integer(x.dtype)) either([&](std::int64_t i) { return access.load_int(x.data, i); });
  else either([&](std::int64_t i) { return access.load(x.data, i); });
  return {};
}

Status run_cumulative(const KernelContext& c) noexcept {
  const auto& p = c.params_as<CumulativeParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  std::int64_t axis = element_access(c.in[1].dtype).load_int(c.in[1].data, 0);
  if (axis < -x.shape.rank || axis >= x.shape.rank)
    return {StatusCode::out_of_range, "CumSum or CumProd: the axis lies outside the rank"};
  if (axis < 0) axis += x.shape.rank;
  const auto a = static_cast<int>(axis);
  const std::int64_t extent = x.shape[a];
  const std::uint32_t mask = 1u << a;
  const TensorView from = without_axes(x, mask), to = without_axes(out, mask);
  const TensorView* in[] = {&from};
  const ElementAccess& access = element_access(x.dtype);
  if (extent == 0) return {};
  const bool integer = is_integer(x.dtype);
  for_each_broadcast<1>(*c.parallel, to, in, [&](std::int64_t o, const std::int64_t* i) {
    double total = p.product;
    std::uint64_t whole = static_cast<std::uint64_t>(p.product);
    for (std::int64_t e = 0; e < extent; ++e) {
      const std::int64_t at = p.reverse ? extent - 1 - e : e;
      const std::int64_t source = i[0] + at * x.stride[a], target = o + at * out.stride[a];
      const double v = integer ? 0 : access.load(x.data, source);
      const auto u = integer ? static_cast<std::uint64_t>(access.load_int(x.data, source)) : 0;
      const double next = p.product ? total * v : total + v;
      const std::uint64_t next_whole = p.product ? whole * u : whole + u;
      if (integer) access.store_int(out.data, target, static_cast<std::int64_t>(p.exclusive ? whole : next_whole));
      else access.store(out.data, target, p.exclusive ? total : next);
      total = next;
      whole = next_whole;
    }
  });
  return {};
}

}  // namespace

extern const Kernel reduce_sum_ref = reference_kernel("reduce_sum_ref", "ReduceSum", run_reduce);
extern const Kernel reduce_mean_ref = reference_kernel("reduce_mean_ref", "ReduceMean", run_reduce);
extern const Kernel reduce_max_ref = reference_kernel("reduce_max_ref", "ReduceMax", run_reduce);
extern const Kernel reduce_min_ref = reference_kernel("reduce_min_ref", "ReduceMin", run_reduce);
extern const Kernel reduce_prod_ref = reference_kernel("reduce_prod_ref", "ReduceProd", run_reduce);
extern const Kernel reduce_l1_ref = reference_kernel("reduce_l1_ref", "ReduceL1", run_reduce);
extern const Kernel reduce_l2_ref = reference_kernel("reduce_l2_ref", "ReduceL2", run_reduce);
extern const Kernel reduce_log_sum_ref = reference_kernel("reduce_log_sum_ref", "ReduceLogSum", run_reduce);
extern const Kernel reduce_log_sum_exp_ref = reference_kernel("reduce_log_sum_exp_ref", "ReduceLogSumExp", run_reduce);
extern const Kernel reduce_sum_square_ref = reference_kernel("reduce_sum_square_ref", "ReduceSumSquare", run_reduce);
extern const Kernel arg_max_ref = reference_kernel("arg_max_ref", "ArgMax", run_arg);
extern const Kernel arg_min_ref = reference_kernel("arg_min_ref", "ArgMin", run_arg);
extern const Kernel cum_sum_ref = reference_kernel("cum_sum_ref", "CumSum", run_cumulative);
extern const Kernel cum_prod_ref = reference_kernel("cum_prod_ref", "CumProd", run_cumulative);

}  // namespace monza::ops
