#include "ops/conv/conv_gemm.simd.h"
#include "ops/conv/conv_gemm_pack.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return weight_bytes(gemm_avx2, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  repack_weight<true>(gemm_avx2, q, static_cast<const float*>(q.input(1).data), reinterpret_cast<float*>(packed));
}
void unpack(const KernelQuery& q, const std::byte* packed, void* dense) noexcept {
  repack_weight<false>(gemm_avx2, q, reinterpret_cast<const float*>(packed), static_cast<float*>(dense));
}
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .unpack = unpack}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_conv_gemm(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return scratch_conv_gemm(q); }
Status run(const KernelContext& c) noexcept { return run_conv_gemm(gemm_avx2, c); }

}  // namespace

extern const Kernel conv_gemm_avx2;
const Kernel conv_gemm_avx2{.name = "conv_gemm_avx2",
                            .op = "Conv",
                            .needs = Isa::avx2,
                            .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
                            .out{Port::channels_last},
                            .packings = kPackings,
                            .packing_count = 1,
                            .accepts = accepts,
                            .scratch_bytes = scratch,
                            .run = run};

}  // namespace monza::ops
