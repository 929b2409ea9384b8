#include "ops/conv/conv_depthwise.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return depthwise_bytes(Vec::kWidth, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept { pack_depthwise(q, reinterpret_cast<float*>(packed)); }
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .format = &conv_depthwise_16}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_depthwise(q); }
Status run(const KernelContext& c) noexcept { return run_conv_depthwise(c); }

}  // namespace

extern const Kernel conv_depthwise_avx512, conv_depthwise_blocked_avx512;
const Kernel conv_depthwise_avx512{
    .name = "conv_depthwise_avx512",
    .op = "Conv",
    .needs = Isa::avx2 | Isa::avx512,
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = kPackings,
    .packing_count = 1,
    .accepts = accepts,
    .run = run};
const Kernel conv_depthwise_blocked_avx512{
    .name = "conv_depthwise_blocked_avx512",
    .op = "Conv",
    .needs = Isa::avx2 | Isa::avx512,
    .in{Port::blocked16, Port::packed, Port::dense, Port::blocked16, Port::dense},
    .out{Port::blocked16},
    .packings = kPackings,
    .packing_count = 1,
    .accepts = accepts,
    .run = run};

}  // namespace monza::ops
