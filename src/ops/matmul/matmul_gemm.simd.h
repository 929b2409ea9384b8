// Matrix products on gemm_step: B packed once when it is constant, packed block by block otherwise.
//
// Floor: 2 M N K FLOP over the peak of the FMA ports (about 125 GFLOP/s a core at 256 bits, 250 at 512, Zen 5 at
// 3.9 GHz); with few rows, 4 N K bytes of weights over the memory bandwidth. Copying A adds 2 to 5 %, packing a B
// that is not constant about 64 / M of the product's time.
#pragma once

#include "kernel/kernel.h"
#include "ops/matmul/gemm_rows.simd.h"
#include "ops/matmul/matmul.params.h"
#include "ops/matmul/matmul_weight.simd.h"

namespace monza::ops {
namespace {

/// The product as batches of [M, K] x [K, N]. Batch axes that only repeat B and whose rows follow each other evenly
/// in A, the output and the residual are merged into M.
struct MatMulShape {
  std::int64_t m = 1, n = 1, k = 0;
  std::int64_t am = 0, ak = 0, bk = 0, bn = 0, om = 0, rm = 0;  // strides in elements
  int batch_rank = 0;
  std::int64_t batch[kMaxRank], a[kMaxRank], b[kMaxRank], o[kMaxRank], r[kMaxRank];
  std::int64_t batches = 1;
  std::int64_t b_index[kMaxRank];  // step of each batch axis in the list of B's matrices
};

/// Stride of `v` along output axis `axis` under broadcasting (axes align at the end).
MONZA_INLINE std::int64_t broadcast_stride(const TensorView& v, int out_rank, int axis) {
  const int own = axis - (out_rank - v.shape.rank);
  return own < 0 || v.shape[own] == 1 ? 0 : v.stride[own];
}

MONZA_INLINE MatMulShape matmul_shape(const KernelContext& c) {
  const auto& p = c.params_as<MatMulParams>();
  const TensorView &a = c.in[0], &b = c.in[1], &out = c.out[0];
  MatMulShape s;
  const int ra = a.shape.rank, rb = b.shape.rank;
  const bool vector_a = ra == 1, vector_b = rb == 1;
  const int ak = vector_a ? 0 : ra - 1 - (p.trans_a ? 1 : 0), am = vector_a ? -1 : ra - 2 + (p.trans_a ? 1 : 0);
  const int bk = vector_b ? 0 : rb - 2 + (p.trans_b ? 1 : 0), bn = vector_b ? -1 : rb - 1 - (p.trans_b ? 1 : 0);
  s.k = a.shape[ak];
  s.ak = a.stride[ak];
  s.bk = b.stride[bk];
  const int axes = out.shape.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  if (!vector_b) {
    s.n = b.shape[bn];
    s.bn = b.stride[bn];
  }
  if (!vector_a) {
    s.m = a.shape[am];
    s.am = a.stride[am];
    s.om = out.stride[axes];
    if (c.has_input(3)) s.rm = broadcast_stride(c.in[3], out.shape.rank, axes);
  } else {
    s.om = s.n;
  }
  std::int64_t matrices = 1;
  for (int i = axes - 1; i >= 0; --i) {
    const int ia = i - (axes - (ra - 2)), ib = i - (axes - (rb - 2));
    const std::int64_t extent = out.shape[i];
    const std::int64_t sa = !vector_a && ia >= 0 && a.shape[ia] != 1 ? a.stride[ia] : 0;
    const bool own_b = !vector_b && ib >= 0 && b.shape[ib] != 1;
    const std::int64_t sb = own_b ? b.stride[ib] : 0;
    const std::int64_t so = out.stride[i];
    const std::int64_t sr = c.has_input(3) ? broadcast_stride(c.in[3], out.shape.rank, i) : 0;
    const std::int64_t index = own_b ? matrices : 0;
    if (own_b) matrices *= b.shape[ib];
    if (extent == 1) continue;
    if (s.batch_rank == 0 && !own_b && s.m == 1) {
      s.m = extent, s.am = sa, s.om = so, s.rm = sr;
    } else if (s.batch_rank == 0 && !own_b && sa == s.m * s.am && so == s.m * s.om && sr == s.m * s.rm) {
      s.m *= extent;
    } else {
      const int at = s.batch_rank++;
      s.batch[at] = extent, s.a[at] = sa, s.b[at] = sb, s.o[at] = so, s.r[at] = sr, s.b_index[at] = index;
      s.batches *= extent;
    }
  }
  return s;
}

/// Where one batch's operands begin.
struct BatchAt {
  std::int64_t a = 0, b = 0, o = 0, r = 0, b_index = 0;
};
MONZA_INLINE BatchAt batch_at(const MatMulShape& s, std::int64_t index) {
  BatchAt at;
  for (int i = 0; i < s.batch_rank; ++i) {
    const std::int64_t x = index % s.batch[i];
    index /= s.batch[i];
    at.a += x * s.a[i], at.b += x * s.b[i], at.o += x * s.o[i], at.r += x * s.r[i], at.b_index += x * s.b_index[i];
  }
  return at;
}

MONZA_INLINE GemmOut matmul_out(const KernelContext& c, const MatMulShape& s, const BatchAt& at) {
  const auto& p = c.params_as<MatMulParams>();
  GemmOut o;
  o.c = c.out[0].as<float>() + at.o;
  o.ldc = s.om;
  if (c.has_input(2)) o.bias = c.in[2].as<float>();
  if (c.has_input(3)) o.residual = c.in[3].as<float>() + at.r;
  o.ldr = s.rm;
  o.alpha = p.alpha;
  o.act = p.act;
  o.residual_after = p.residual_after != 0;
  return o;
}

/// One element of a block; in bf16 the one after it is zeroed, which the next one overwrites.
MONZA_INLINE void set_element(Element* to, float x) {
#if defined(__AVX512BF16__)
  const __m128i rounded = reinterpret_cast<__m128i>(_mm_cvtneps_pbh(_mm_set_ss(x)));
  _mm_storeu_si32(to, rounded);
#else
  *to = x;
#endif
}

/// Rows of A, elements [k0, k0 + kc), into a block.
MONZA_INLINE void copy_a(const MatMulShape& s, const float* a, std::int64_t rows, std::int64_t k0, std::int64_t kc,
                         Element* block) {
  if (s.ak == 1) {
    for (std::int64_t r = 0; r < rows; ++r) copy_run(block + r * kElementPitch, a + r * s.am + k0, kc);
    return;
  }
  for (std::int64_t k = 0; k < kc; ++k) {  // a transposed A: its rows are read along M
    const float* from = a + (k0 + k) * s.ak;
    for (std::int64_t r = 0; r < rows; ++r) set_element(block + r * kElementPitch + k, from[r * s.am]);
  }
}

Status run_matmul_packed(const GemmTable& table, const KernelContext& c) {
  const MatMulShape s = matmul_shape(c);
  if (s.m == 0 || s.n == 0 || s.batches == 0) return {};
  const GemmSplit split = gemm_split(s.m, s.n, table.width, s.batches, c.parallel->threads());
  const std::int64_t matrix = (s.k + kLane - 1) / kLane * padded_columns(s.n, table.width);
  parallel_for(*c.parallel, s.batches * split.tasks(), [&](std::int64_t task, int worker) {
    const BatchAt at = batch_at(s, task / split.tasks());
    const std::int64_t t = task % split.tasks();
    const std::int64_t row0 = t % split.row_blocks * split.rows;  // neighbours share their columns of B
    const std::int64_t rows = s.m - row0 < split.rows ? s.m - row0 : split.rows;
    std::int64_t n0, n1;
    split_columns(split, t / split.row_blocks, s.n, n0, n1);
    Element* block = reinterpret_cast<Element*>(c.scratch + static_cast<std::size_t>(worker) * kBlockBytes);
    const float* a = c.in[0].as<float>() + at.a + row0 * s.am;
    gemm_over_k(table, matmul_out(c, s, at), c.in[1].as<float>() + at.b_index * matrix, s.n, s.k, row0, rows, n0, n1,
                block, [&](std::int64_t k0, std::int64_t kc) { copy_a(s, a, rows, k0, kc, block); });
  });
  return {};
}

/// Columns of B that a worker packs at a time: kKc * 128 floats, 128 KB.
constexpr std::int64_t kPackColumns = 128;
constexpr std::size_t kPackBytes = static_cast<std::size_t>(kKc * kPackColumns) * sizeof(float);

Status run_matmul_both(const GemmTable& table, const KernelContext& c) {
  const MatMulShape s = matmul_shape(c);
  if (s.m == 0 || s.n == 0 || s.batches == 0) return {};
  // A task packs its columns of B and takes all rows, so B is packed once.
  std::int64_t columns = kPackColumns;
  const std::int64_t least = 4 * table.width;
  while (columns > least && s.batches * ((s.n + columns - 1) / columns) < 2 * c.parallel->threads()) columns /= 2;
  const std::int64_t column_blocks = (s.n + columns - 1) / columns, each = k_block((s.k + kLane - 1) / kLane) * kLane;
  parallel_for(*c.parallel, s.batches * column_blocks, [&](std::int64_t task, int worker) {
    const BatchAt at = batch_at(s, task / column_blocks);
    const std::int64_t c0 = task % column_blocks * columns, count = s.n - c0 < columns ? s.n - c0 : columns;
    std::byte* scratch = c.scratch + static_cast<std::size_t>(worker) * (kBlockBytes + kPackBytes);
    Element* block = reinterpret_cast<Element*>(scratch + kPackBytes);
    float* packed = reinterpret_cast<float*>(scratch);
    GemmOut out = matmul_out(c, s, at);
    out.c += c0;
    if (out.bias != nullptr) out.bias += c0;
    if (out.residual != nullptr) out.residual += c0;
    const float* b = c.in[1].as<float>() + at.b + c0 * s.bn;
    std::int64_t k0 = 0;
    do {
      const std::int64_t kc = s.k - k0 < each ? s.k - k0 : each, lanes = (kc + kLane - 1) / kLane;
      table.pack_b(b + k0 * s.bk, s.bk, s.bn, 0, kc, count, packed);
      for (std::int64_t row0 = 0; row0 < s.m; row0 += kBlockRows) {
        const std::int64_t rows = s.m - row0 < kBlockRows ? s.m - row0 : kBlockRows;
        copy_a(s, c.in[0].as<float>() + at.a + row0 * s.am, rows, k0, kc, block);
        table.step({.a = reinterpret_cast<const float*>(block),
                    .b = packed,
                    .kc = lanes,
                    .rows = rows,
                    .row0 = row0,
                    .n0 = 0,
                    .n1 = count,
                    .first = k0 == 0,
                    .last = k0 + kc >= s.k},
                   out);
      }
      k0 += kc;
    } while (k0 < s.k);
  });
  return {};
}

// --- the constant B: every matrix of its batch packed after the other -----------------------------------------------

std::size_t matmul_weight_bytes(const GemmTable& table, const KernelQuery& q) {
  const WeightShape w = weight_shape(q);
  return static_cast<std::size_t>(w.matrices) * packed_b_bytes((w.k + kLane - 1) / kLane, w.n, table.width);
}
/// f(dense offset, packed offset, k0, kc) for every block.
template <typename F>
MONZA_INLINE void each_weight_block(const GemmTable& table, const KernelQuery& q, F&& f) {
  const WeightShape w = weight_shape(q);
  const std::int64_t lanes = (w.k + kLane - 1) / kLane, each = k_block(lanes) * kLane;
  for (std::int64_t i = 0; i < w.matrices; ++i)
    for (std::int64_t k0 = 0; k0 < w.k; k0 += each)
      f(w, i * w.k * w.n, i * lanes * padded_columns(w.n, table.width), k0, w.k - k0 < each ? w.k - k0 : each);
}

Refusal accepts_matmul(const KernelQuery& q, bool constant_b) {
  for (int i = 0; i < q.in_count; ++i)
    if (q.has_input(i) && q.input(i).dtype != DType::f32) return "an operand is not f32";
  if (constant_b && (!q.input(1).constant || q.input(1).dynamic)) return "B is not constant";
  const Shape& out = q.out[0].shape;
  const Shape& b = q.input(1).shape;
  const auto& p = *static_cast<const MatMulParams*>(q.params);
  const std::int64_t n = b.rank == 1 ? 1 : b[b.rank - 1 - (p.trans_b ? 1 : 0)];
  if (q.has_input(2)) {
    const Shape& bias = q.input(2).shape;
    if (n != 1 && (bias.rank == 0 || bias[bias.rank - 1] != n)) return "the bias is not one row";
    if (bias.numel() != n || q.input(2).dynamic) return "the bias is not one row";
  }
  if (q.has_input(3)) {
    const Shape& r = q.input(3).shape;
    if (b.rank != 1 && (r.rank == 0 || out.rank == 0 || r[r.rank - 1] != n))
      return "the residual broadcasts along the columns";
    if (b.rank == 1 && !(r == out)) return "the residual broadcasts";
  }
  return nullptr;
}

template <const GemmTable& kTable>
void pack_matmul_weight(const KernelQuery& q, std::byte* packed) noexcept {
  each_weight_block(kTable, q,
                    [&](const WeightShape& w, std::int64_t dense, std::int64_t at, std::int64_t k0, std::int64_t kc) {
                      kTable.pack_b(static_cast<const float*>(q.input(1).data) + dense, w.sk, w.sn, k0, kc, w.n,
                                    reinterpret_cast<float*>(packed) + at);
                    });
}
/// `kFormat`: null where weights are rounded, which has no inverse.
template <const GemmTable& kTable, const PackedFormat* kFormat>
constexpr Packing kMatMulPacking{.input = 1,
                                 .bytes = [](const KernelQuery& q) noexcept { return matmul_weight_bytes(kTable, q); },
                                 .pack = pack_matmul_weight<kTable>,
                                 .format = kFormat};

/// With B constant, and packed in `kFormat`.
template <const GemmTable& kTable, const PackedFormat* kFormat>
consteval Kernel matmul_packed_kernel(const char* name, Isa needs, Arithmetic arithmetic = {}) {
  return {
      .name = name,
      .op = "MatMul",
      .needs = needs,
      .arithmetic = arithmetic,
      .in{Port::strided, Port::packed, Port::dense, Port::rows},
      .out{Port::rows},
      .packings = &kMatMulPacking<kTable, kFormat>,
      .packing_count = 1,
      .accepts = [](const KernelQuery& q) noexcept { return accepts_matmul(q, true); },
      .scratch_bytes = [](const KernelQuery& q) noexcept { return static_cast<std::size_t>(q.threads) * kBlockBytes; },
      .run = [](const KernelContext& c) noexcept { return run_matmul_packed(kTable, c); }};
}
/// With both computed, B packed as it goes.
template <const GemmTable& kTable>
consteval Kernel matmul_both_kernel(const char* name, Isa needs, Arithmetic arithmetic = {}) {
  return {.name = name,
          .op = "MatMul",
          .needs = needs,
          .arithmetic = arithmetic,
          .in{Port::strided, Port::strided, Port::dense, Port::rows},
          .out{Port::rows},
          .accepts = [](const KernelQuery& q) noexcept { return accepts_matmul(q, false); },
          .scratch_bytes =
              [](const KernelQuery& q) noexcept {
                return static_cast<std::size_t>(q.threads) * (kBlockBytes + kPackBytes);
              },
          .run = [](const KernelContext& c) noexcept { return run_matmul_both(kTable, c); }};
}

}  // namespace
}  // namespace monza::ops
