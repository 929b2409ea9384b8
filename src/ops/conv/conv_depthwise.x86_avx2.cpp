#include "ops/conv/conv_depthwise.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return depthwise_bytes(Vec::kWidth, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept { pack_depthwise(q, reinterpret_cast<float*>(packed)); }
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .format = &conv_depthwise_8}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_depthwise(q); }
Status run(const KernelContext& c) noexcept { return run_conv_depthwise(c); }

}  // namespace

extern const Kernel conv_depthwise_avx2, conv_depthwise_blocked_avx2;
const Kernel conv_depthwise_avx2{.name = "conv_depthwise_avx2",
                                 .op = "Conv",
                                 .needs = Isa::avx2,
                                 .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
                                 .out{Port::channels_last},
                                 .packings = kPackings,
                                 .packing_count = 1,
                                 .accepts = accepts,
                                 .run = run};
const Kernel conv_depthwise_blocked_avx2{.name = "conv_depthwise_blocked_avx2",
                                         .op = "Conv",
                                         .needs = Isa::avx2,
                                         .in{Port::blocked8, Port::packed, Port::dense, Port::blocked8, Port::dense},
                                         .out{Port::blocked8},
                                         .packings = kPackings,
                                         .packing_count = 1,
                                         .accepts = accepts,
                                         .run = run};

}  // namespace monza::ops
