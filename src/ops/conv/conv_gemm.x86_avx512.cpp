#include "ops/conv/conv_gemm.simd.h"
#include "ops/conv/conv_gemm_pack.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return weight_bytes(Vec::kWidth, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  repack_weight<true>(Vec::kWidth, q, static_cast<const float*>(q.input(1).data), reinterpret_cast<float*>(packed));
}
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .format = &conv_panels_16}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_conv_gemm(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return scratch_conv_gemm(q); }
Status run(const KernelContext& c) noexcept { return run_conv_gemm(gemm_avx512, c); }

}  // namespace

extern const Kernel conv_gemm_avx512;
const Kernel conv_gemm_avx512{.name = "conv_gemm_avx512",
                              .op = "Conv",
                              .needs = Isa::avx2 | Isa::avx512,
                              .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
                              .out{Port::channels_last},
                              .packings = kPackings,
                              .packing_count = 1,
                              .accepts = accepts,
                              .scratch_bytes = scratch,
                              .run = run};

}  // namespace monza::ops
