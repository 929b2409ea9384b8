// A matrix product as CUDA kernels take it: extents, strides and addresses of one launch, and what becomes of a sum.
#pragma once

#include "ops/matmul/matmul.params.h"
#include "ops/shared/gpu.cuh"
#include "ops/shared/gpu_activation.cuh"

namespace monza::gpu {

/// out[batch, m, n] = finish(sum over k of a[batch, m, k] * b[batch, k, n]). Strides count elements; where an operand
/// lacks or broadcasts an axis its stride is 0. Batch axes are merged with each other, and with m, where all operands
/// allow it: what is left has few batches and many rows.
struct Product {
  struct Operand {
    const void* data = nullptr;  ///< null: absent
    std::int64_t batch[kMaxRank] = {};
    std::int64_t row = 0, column = 0;  ///< a: m, k. b: k, n. The others: m, n.
    template <typename T>
    __device__ const T* as() const {
      return static_cast<const T*>(data);
    }
  };
  int batch_rank = 0;
  std::int64_t extent[kMaxRank] = {};  ///< of batch axes, the innermost first
  std::int64_t batches = 1, m = 1, n = 1, k = 0;
  Operand a, b, bias, residual, out;
  float alpha = 1;
  Activation act;
  bool residual_after = false;

  explicit Product(const KernelContext& c);

  std::int64_t count() const { return batches * m * n; }

  /// Offset of an operand's matrix of that batch.
  __device__ __forceinline__ std::int64_t offset(const Operand& o, std::int64_t index) const {
    std::int64_t at = 0;
    for (int i = 0; i < batch_rank; ++i) {
      const std::int64_t whole = index / extent[i];
      at += (index - whole * extent[i]) * o.batch[i];
      index = whole;
    }
    return at;
  }

  /// What is stored for a sum. C: float or double.
  template <typename C>
  __device__ __forceinline__ C finish(C sum, C add, C more) const {
    const C x = sum * C(alpha) + add;
    return residual_after ? gpu::activate(act, x) + more : gpu::activate(act, x + more);
  }
};

inline Product::Product(const KernelContext& c) {
  const auto& p = c.params_as<MatMulParams>();
  const TensorView &va = c.in[0], &vb = c.in[1], &vo = c.out[0];
  alpha = p.alpha;
  act = p.act;
  residual_after = p.residual_after != 0;
  a.data = va.data;
  b.data = vb.data;
  out.data = vo.data;
  if (c.has_input(2)) bias.data = c.in[2].data;
  if (c.has_input(3)) residual.data = c.in[3].data;

  const int ra = va.shape.rank, rb = vb.shape.rank;
  const bool vector_a = ra == 1, vector_b = rb == 1;
  const int am = vector_a ? -1 : ra - 2 + (p.trans_a ? 1 : 0), ak = vector_a ? 0 : ra - 1 - (p.trans_a ? 1 : 0);
  const int bk = vector_b ? 0 : rb - 2 + (p.trans_b ? 1 : 0), bn = vector_b ? -1 : rb - 1 - (p.trans_b ? 1 : 0);
  k = va.shape[ak];
  a.column = va.stride[ak];
  b.row = vb.stride[bk];
  const auto broadcast_stride = [&](int input, int axis) -> std::int64_t {
    if (!c.has_input(input)) return 0;
    const TensorView& v = c.in[input];
    const int own = axis - (vo.shape.rank - v.shape.rank);
    return own < 0 || v.shape[own] == 1 ? 0 : v.stride[own];
  };
  const int outer = vo.shape.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  int axis = outer;
  if (!vector_a) {
    m = va.shape[am];
    a.row = va.stride[am];
    out.row = vo.stride[axis];
    bias.row = broadcast_stride(2, axis);
    residual.row = broadcast_stride(3, axis);
    ++axis;
  }
  if (!vector_b) {
    n = vb.shape[bn];
    b.column = vb.stride[bn];
    out.column = vo.stride[axis];
    bias.column = broadcast_stride(2, axis);
    residual.column = broadcast_stride(3, axis);
  }

  Operand* const all[] = {&a, &b, &bias, &residual, &out};
  for (int i = outer - 1; i >= 0; --i) {
    const std::int64_t e = vo.shape[i];
    batches *= e;
    if (e == 1) continue;
    const int ia = i - (outer - (ra - 2)), ib = i - (outer - (rb - 2));
    const std::int64_t stride[] = {!vector_a && ia >= 0 && va.shape[ia] != 1 ? va.stride[ia] : 0,
                                   !vector_b && ib >= 0 && vb.shape[ib] != 1 ? vb.stride[ib] : 0,
                                   broadcast_stride(2, i), broadcast_stride(3, i), vo.stride[i]};
    bool merges = batch_rank > 0;
    for (int o = 0; merges && o < 5; ++o) merges = stride[o] == all[o]->batch[batch_rank - 1] * extent[batch_rank - 1];
    if (merges) {
      extent[batch_rank - 1] *= e;
      continue;
    }
    extent[batch_rank] = e;
    for (int o = 0; o < 5; ++o) all[o]->batch[batch_rank] = stride[o];
    ++batch_rank;
  }
  // One matrix b for the innermost batches, whose rows follow those of the batch before.
  if (batch_rank > 0 && b.batch[0] == 0) {
    bool merges = true;
    for (const Operand* o : all) merges = merges && (o == &b || m == 1 || o->batch[0] == o->row * m);
    if (merges) {
      for (Operand* o : all)
        if (o != &b && m == 1) o->row = o->batch[0];
      m *= extent[0];
      batches /= extent[0];
      --batch_rank;
      for (int i = 0; i < batch_rank; ++i) {
        extent[i] = extent[i + 1];
        for (Operand* o : all) o->batch[i] = o->batch[i + 1];
      }
    }
  }
}

}  // namespace monza::gpu
