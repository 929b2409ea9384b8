#include "ops/conv/conv_winograd.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return winograd_bytes(q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept { pack_winograd(q, reinterpret_cast<float*>(packed)); }
// Transformed weights are rounded: there is no inverse.
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_winograd(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return winograd_scratch(q); }
Status run(const KernelContext& c) noexcept { return run_winograd(gemm_avx512, c); }

}  // namespace

extern const Kernel conv_winograd_avx512;
const Kernel conv_winograd_avx512{.name = "conv_winograd_avx512",
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
