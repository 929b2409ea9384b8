// Plain Einsum: for each output element, all indices of the labels summed over; in double, or exactly for integers.
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/einsum/einsum.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

struct Loops {
  std::int64_t extent[EinsumParams::kMaxLabels];
  std::int64_t stride[EinsumParams::kMaxOperands][EinsumParams::kMaxLabels];  // a repeated label adds its strides up
};

void make_loops(const KernelContext& c, const EinsumParams& p, Loops& l) {
  for (int k = 0; k < p.labels; ++k) l.extent[k] = 1;
  for (int i = 0; i < p.operands; ++i) {
    for (int k = 0; k < p.labels; ++k) l.stride[i][k] = 0;
    for (int a = 0; a < c.in[i].shape.rank; ++a) {
      const int k = p.label[i][a];
      const std::int64_t e = c.in[i].shape[a];
      if (e == 1) continue;
      l.extent[k] = e;
      l.stride[i][k] += c.in[i].stride[a];
    }
  }
}

Status run_einsum(const KernelContext& c) noexcept {
  const auto& p = c.params_as<EinsumParams>();
  const TensorView& out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  const bool exact = !is_float(out.dtype);
  Loops l;
  make_loops(c, p, l);
  std::int64_t count = 1, terms = 1;
  for (int k = 0; k < p.out_rank; ++k) count *= out.shape[k];
  for (int k = p.out_rank; k < p.labels; ++k) terms *= l.extent[k];
  parallel_for(*c.parallel, count, [&](std::int64_t element, int) {
    std::int64_t base[EinsumParams::kMaxOperands] = {}, to = 0, rest = element;
    for (int k = p.out_rank - 1; k >= 0; --k) {
      const std::int64_t at = rest % out.shape[k];
      rest /= out.shape[k];
      to += at * out.stride[k];
      for (int i = 0; i < p.operands; ++i) base[i] += at * l.stride[i][k];
    }
    double sum = 0;
    std::uint64_t whole = 0;
    for (std::int64_t term = 0; term < terms; ++term) {
      double product = 1;
      std::uint64_t factor = 1;
      for (int i = 0; i < p.operands; ++i) {
        std::int64_t at = base[i], left = term;
        for (int k = p.labels - 1; k >= p.out_rank; --k) {
          at += left % l.extent[k] * l.stride[i][k];
          left /= l.extent[k];
        }
        if (exact) factor *= static_cast<std::uint64_t>(access.load_int(c.in[i].data, at));
        else product *= access.load(c.in[i].data, at);
      }
      sum += product;
      whole += factor;
    }
    if (exact) access.store_int(out.data, to, static_cast<std::int64_t>(whole));
    else access.store(out.data, to, sum);
  });
  return {};
}

}  // namespace

extern const Kernel einsum_ref = reference_kernel("einsum_ref", "Einsum", run_einsum);

}  // namespace monza::ops
