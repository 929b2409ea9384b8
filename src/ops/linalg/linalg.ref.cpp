// Determinants by Gaussian elimination with partial pivoting, in double.
#include <cmath>
#include <utility>

#include "kernel/kernel.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

std::size_t scratch_det(const KernelQuery& q) noexcept {
  const Shape& s = q.in[0].shape;
  return static_cast<std::size_t>(s[s.rank - 1] * s[s.rank - 1]) * 8 * static_cast<std::size_t>(q.threads);
}

double determinant(double* m, std::int64_t n) {
  double det = 1;
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t pivot = k;
    for (std::int64_t i = k + 1; i < n; ++i)
      if (std::fabs(m[i * n + k]) > std::fabs(m[pivot * n + k])) pivot = i;
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      for (std::int64_t j = 0; j < n; ++j) std::swap(m[k * n + j], m[pivot * n + j]);
      det = -det;
    }
    det *= m[k * n + k];
    for (std::int64_t i = k + 1; i < n; ++i) {
      const double f = m[i * n + k] / m[k * n + k];
      for (std::int64_t j = k; j < n; ++j) m[i * n + j] -= f * m[k * n + j];
    }
  }
  return det;
}

Status run_det(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const int rank = x.shape.rank;
  const std::int64_t n = x.shape[rank - 1];
  parallel_for(*c.parallel, out.shape.numel(), [&](std::int64_t task, int worker) {
    double* m = reinterpret_cast<double*>(c.scratch) + worker * n * n;
    Walk<2> walk(out.shape, x.stride, out.stride);
    walk.seek(task);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        m[i * n + j] = access.load(x.data, walk.offset[0] + i * x.stride[rank - 2] + j * x.stride[rank - 1]);
    access.store(out.data, walk.offset[1], determinant(m, n));
  });
  return {};
}

}  // namespace

extern const Kernel det_ref{.name = "det_ref",
                            .op = "Det",
                            .reference = true,
                            .in{Port::strided},
                            .out{Port::strided},
                            .scratch_bytes = scratch_det,
                            .run = run_det};

}  // namespace monza::ops
