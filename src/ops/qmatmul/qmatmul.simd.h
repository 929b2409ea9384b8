// QMatMul and MatMulInteger with constant weights: see igemm.simd.h for the algorithm and its floor.
// A single row is bound by reading the packed weights once: K * N bytes at memory (or L2) bandwidth.
#pragma once

#include "ops/qmatmul/igemm.simd.h"
#include "ops/qmatmul/qmatmul.params.h"

namespace monza::ops {
namespace {

/// kW: position of the weight among the inputs.
template <int kW>
Refusal matmul_accepts(const KernelQuery& query) noexcept {
  const OperandDesc& w = query.input(kW);
  if (!w.constant) return "needs a constant weight";
  if (w.shape.rank != 2) return "the weight's rank is not 2";
  if (w.shape.numel() == 0) return "the weight is empty";
  if (w.shape[0] > (1 << 22) || w.shape[1] > (1 << 22)) return "the weight is too large";
  if (kW == 1 && query.has_input(2) && query.input(2).shape.numel() != 1) return "needs one zero point for all rows";
  if (kW == QInput::w)
    for (int i : {int{QInput::x_scale}, int{QInput::w_scale}, int{QInput::y_scale}, int{QInput::r_scale},
                  int{QInput::mid_scale}})
      if (query.has_input(i) && query.input(i).dtype != DType::f32) return "scales are not f32";
  return nullptr;
}

template <int kW>
MONZA_INLINE IgemmPack matmul_query_pack(const KernelQuery& query) {
  return matmul_panels<Q::kLanes, Q::kSplit>(query.in[kW].shape,
                                             static_cast<const QMatMulParams*>(query.params)->trans_b != 0);
}

template <int kW>
std::size_t matmul_bytes(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(matmul_query_pack<kW>(query).bytes());
}
template <int kW>
void matmul_pack_weights(const KernelQuery& query, std::byte* packed) noexcept {
  const OperandDesc& w = query.in[kW];
  const IgemmPack k = matmul_query_pack<kW>(query);
  const bool trans = static_cast<const QMatMulParams*>(query.params)->trans_b != 0;
  igemm_pack(k, static_cast<const std::uint8_t*>(w.data), w.dtype == DType::u8, packed,
             MatmulSource{k.columns, k.depth, trans});
}
template <int kW>
std::size_t matmul_scratch(const KernelQuery& query) noexcept {
  return igemm_scratch(matmul_query_pack<kW>(query));
}

template <int kW>
Status matmul_run(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QMatMulParams>();
  const TensorView &x = c.in[0], &w = c.in[kW], &out = c.out[0];
  Igemm job;
  igemm_bind(job, matmul_panels<Q::kLanes, Q::kSplit>(w.shape, p.trans_b != 0), w.data);
  job.flip = x.dtype == DType::i8;
  job.read_depth = job.pack.depth;
  job.out = out.as<std::byte>();
  job.out_pitch = job.pack.columns;
  const QOperands o{c.in, c.in_count};
  if (kW == QInput::w) {
    job.mode = o.has(QInput::y_scale) ? IgemmOut::q8 : IgemmOut::f32;
    job.act = p.act;
    job.residual_after = p.residual_after != 0;
    if (job.mode == IgemmOut::q8) job.q = o.requantize(p.act, out.dtype);
    job.has_mid = o.has(QInput::mid_scale);
    job.out_signed = out.dtype == DType::i8;
    if (o.has(QInput::residual)) {
      job.residual = c.in[QInput::residual].as<std::byte>();
      job.residual_pitch = job.pack.columns;
      job.residual_signed = c.in[QInput::residual].dtype == DType::i8;
    }
    igemm_prepare(job, o, QInput::x_zero, QInput::w_zero, w.dtype == DType::u8, true, c.scratch);
  } else {
    igemm_prepare(job, o, 2, 3, w.dtype == DType::u8, false, c.scratch);
  }
  const std::int64_t depth = job.pack.depth, rows = x.shape.count(0, x.shape.rank - 1);
  const auto* base = x.as<const std::uint8_t>();
  igemm_run(job, rows, *c.parallel,
            [&](const std::uint8_t** to, std::int64_t, std::int64_t, std::int64_t first, std::int64_t count) {
              for (std::int64_t r = 0; r < count; ++r) to[r] = base + (first + r) * depth;
            });
  return {};
}

template <int kW>
constexpr Packing kMatmulPacking{.input = kW,
                                 .bytes = matmul_bytes<kW>,
                                 .pack = matmul_pack_weights<kW>,
                                 .format = Q::kSplit        ? &qmatmul_split_panels_8
                                           : Q::kLanes == 8 ? &qmatmul_panels_8
                                                            : &qmatmul_panels_16};

consteval Kernel qmatmul_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QMatMul",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::i32},
          .version = Q::kSplit ? 2 : 1,
          .in{Port::dense, Port::dense, Port::dense, Port::packed, Port::dense},
          .packings = &kMatmulPacking<QInput::w>,
          .packing_count = 1,
          .accepts = matmul_accepts<QInput::w>,
          .scratch_bytes = matmul_scratch<QInput::w>,
          .run = matmul_run<QInput::w>};
}
consteval Kernel matmul_integer_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "MatMulInteger",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::i32},
          .version = Q::kSplit ? 2 : 1,
          .in{Port::dense, Port::packed, Port::dense},
          .packings = &kMatmulPacking<1>,
          .packing_count = 1,
          .accepts = matmul_accepts<1>,
          .scratch_bytes = matmul_scratch<1>,
          .run = matmul_run<1>};
}

}  // namespace
}  // namespace monza::ops
