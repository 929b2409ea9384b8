#include "ops/matmul/matmul_gemm.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return matmul_weight_bytes(gemm_avx512bf16, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  each_weight_block(gemm_avx512bf16, q,
                    [&](const WeightShape& w, std::int64_t dense, std::int64_t at, std::int64_t k0, std::int64_t kc) {
                      gemm_avx512bf16.pack_b(static_cast<const float*>(q.input(1).data) + dense, w.sk, w.sn, k0, kc,
                                             w.n, reinterpret_cast<float*>(packed) + at);
                    });
}
// Rounded weights have no inverse.
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack}};
Refusal accepts_packed(const KernelQuery& q) noexcept { return accepts_matmul(q, true); }
Refusal accepts_both(const KernelQuery& q) noexcept { return accepts_matmul(q, false); }
std::size_t scratch_packed(const KernelQuery& q) noexcept { return static_cast<std::size_t>(q.threads) * kBlockBytes; }
std::size_t scratch_both(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads) * (kBlockBytes + kPackBytes);
}
Status run_packed(const KernelContext& c) noexcept { return run_matmul_packed(gemm_avx512bf16, c); }
Status run_both(const KernelContext& c) noexcept { return run_matmul_both(gemm_avx512bf16, c); }

}  // namespace

extern const Kernel matmul_packed_avx512bf16;
const Kernel matmul_packed_avx512bf16{.name = "matmul_packed_avx512bf16",
                                      .op = "MatMul",
                                      .needs = Isa::avx2 | Isa::avx512 | Isa::avx512bf16,
                                      .arithmetic = {Precision::bf16, DType::f32},
                                      .in{Port::strided, Port::packed, Port::dense, Port::rows},
                                      .out{Port::rows},
                                      .packings = kPackings,
                                      .packing_count = 1,
                                      .accepts = accepts_packed,
                                      .scratch_bytes = scratch_packed,
                                      .run = run_packed};

extern const Kernel matmul_both_avx512bf16;
const Kernel matmul_both_avx512bf16{.name = "matmul_both_avx512bf16",
                                    .op = "MatMul",
                                    .needs = Isa::avx2 | Isa::avx512 | Isa::avx512bf16,
                                    .arithmetic = {Precision::bf16, DType::f32},
                                    .in{Port::strided, Port::strided, Port::dense, Port::rows},
                                    .out{Port::rows},
                                    .accepts = accepts_both,
                                    .scratch_bytes = scratch_both,
                                    .run = run_both};

}  // namespace monza::ops
