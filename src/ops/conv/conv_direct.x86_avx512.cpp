#include "ops/conv/conv_direct.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return direct_bytes(kWidth, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept { pack_direct(q, reinterpret_cast<float*>(packed)); }
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .format = &conv_direct_16}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_direct(q); }
Refusal accepts_blocked(const KernelQuery& q) noexcept { return accepts_direct_blocked(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return direct_scratch(q); }
Status run(const KernelContext& c) noexcept { return run_conv_direct(c); }

}  // namespace

extern const Kernel conv_direct_avx512, conv_blocked_avx512;
const Kernel conv_direct_avx512{.name = "conv_direct_avx512",
                                .op = "Conv",
                                .needs = Isa::avx2 | Isa::avx512,
                                .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
                                .out{Port::channels_last},
                                .packings = kPackings,
                                .packing_count = 1,
                                .accepts = accepts,
                                .scratch_bytes = scratch,
                                .run = run};
const Kernel conv_blocked_avx512{.name = "conv_blocked_avx512",
                                 .op = "Conv",
                                 .needs = Isa::avx2 | Isa::avx512,
                                 .in{Port::blocked16, Port::packed, Port::dense, Port::blocked16, Port::dense},
                                 .out{Port::blocked16},
                                 .packings = kPackings,
                                 .packing_count = 1,
                                 .accepts = accepts_blocked,
                                 .scratch_bytes = scratch,
                                 .run = run};

}  // namespace monza::ops
