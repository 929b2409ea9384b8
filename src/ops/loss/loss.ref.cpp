// Plain NegativeLogLikelihoodLoss, summed in double.
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/loss/loss.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

Status run(const KernelContext& c) noexcept {
  const auto& p = c.params_as<NllParams>();
  const TensorView &x = c.in[0], &target = c.in[1], &out = c.out[0];
  const ElementAccess &access = element_access(x.dtype), &index_access = element_access(target.dtype);
  const bool each = p.reduction == NllParams::Reduction::none;
  double sum = 0, weights = 0;
  std::int64_t at[kMaxRank] = {};
  for (std::int64_t e = target.shape.numel(); e > 0; --e) {
    std::int64_t t = 0, i = 0, o = 0;
    for (int a = 0; a < target.shape.rank; ++a) {
      t += at[a] * target.stride[a];
      i += at[a] * x.stride[a == 0 ? 0 : a + 1];
      if (each) o += at[a] * out.stride[a];
    }
    const std::int64_t label = index_access.load_int(target.data, t);
    double loss = 0;
    if (!p.ignores || label != p.ignore_index) {
      if (label < 0 || label >= x.shape[1])
        return {StatusCode::out_of_range, "NegativeLogLikelihoodLoss: a target is no class"};
      const double weight = c.has_input(2) ? access.load(c.in[2].data, label * c.in[2].stride[0]) : 1;
      loss = -weight * access.load(x.data, i + label * x.stride[1]);
      weights += weight;
    }
    sum += loss;
    if (each) access.store(out.data, o, loss);
    for (int a = target.shape.rank - 1; a >= 0 && ++at[a] == target.shape[a]; --a) at[a] = 0;
  }
  if (!each) access.store(out.data, 0, p.reduction == NllParams::Reduction::sum ? sum : sum / weights);
  return {};
}

}  // namespace

extern const Kernel nll_loss_ref = reference_kernel("nll_loss_ref", "NegativeLogLikelihoodLoss", run);

}  // namespace monza::ops
