// Plain softmax: three passes over each row, in double; any strides.
#include <cmath>
#include <limits>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/softmax/softmax.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

Status run_softmax(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  std::uint32_t mask = 0;
  for (int a = p.axis; a < p.end; ++a) mask |= 1u << a;
  const AxisLoop from = axes_of(x, mask), to = axes_of(out, mask);
  if (from.count() == 0) return {};
  const TensorView first_in = without_axes(x, mask), first_out = without_axes(out, mask);
  const TensorView* in[] = {&first_in};
  const ElementAccess& access = element_access(x.dtype);
  for_each_broadcast<1>(*c.parallel, first_out, in, [&](std::int64_t o, const std::int64_t* i) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    std::int64_t position = 0, at = 0;
    from.each([&](std::int64_t e) {
      const double v = access.load(x.data, i[0] + e);
      if (v > largest || (std::isnan(v) && !std::isnan(largest))) {  // the first NaN is the largest
        largest = v;
        at = position;
      }
      ++position;
    });
    if (p.kind == SoftmaxKind::hardmax) {
      position = 0;
      to.each([&](std::int64_t e) { access.store(out.data, o + e, position++ == at ? 1 : 0); });
      return;
    }
    from.each([&](std::int64_t e) { sum += std::exp(access.load(x.data, i[0] + e) - largest); });
    // Both views have the same extents, so their elements come in the same order; in place is safe.
    std::int64_t index[kMaxRank] = {}, ie = i[0], oe = o;
    for (std::int64_t n = from.count(); n > 0; --n) {
      const double v = access.load(x.data, ie) - largest;
      access.store(out.data, oe, p.kind == SoftmaxKind::softmax ? std::exp(v) / sum : v - std::log(sum));
      for (int a = from.rank - 1; a >= 0; --a) {
        ie += from.stride[a];
        oe += to.stride[a];
        if (++index[a] < from.extent[a]) break;
        ie -= from.extent[a] * from.stride[a];
        oe -= from.extent[a] * to.stride[a];
        index[a] = 0;
      }
    }
  });
  return {};
}

}  // namespace

extern const Kernel softmax_ref = reference_kernel("softmax_ref", "Softmax", run_softmax, 1);
extern const Kernel log_softmax_ref = reference_kernel("log_softmax_ref", "LogSoftmax", run_softmax, 1);
extern const Kernel hardmax_ref = reference_kernel("hardmax_ref", "Hardmax", run_softmax, 1);

}  // namespace monza::ops
