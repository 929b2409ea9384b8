#include "ops/conv/conv_image.simd.h"

namespace monza::ops {
namespace {

std::size_t bytes(const KernelQuery& q) noexcept { return image_bytes(Vec::kWidth, q); }
void pack(const KernelQuery& q, std::byte* packed) noexcept { pack_image(q, reinterpret_cast<float*>(packed)); }
constexpr Packing kPackings[] = {{.input = 1, .bytes = bytes, .pack = pack, .format = &conv_image_16}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_image(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return image_scratch(q); }
Status run(const KernelContext& c) noexcept { return run_conv_image(c); }

}  // namespace

extern const Kernel conv_image_avx512, conv_image_blocked_avx512;
const Kernel conv_image_avx512{.name = "conv_image_avx512",
                               .op = "Conv",
                               .needs = Isa::avx2 | Isa::avx512,
                               .in{Port::dense, Port::packed, Port::dense, Port::channels_last, Port::dense},
                               .out{Port::channels_last},
                               .packings = kPackings,
                               .packing_count = 1,
                               .accepts = accepts,
                               .scratch_bytes = scratch,
                               .run = run};
const Kernel conv_image_blocked_avx512{.name = "conv_image_blocked_avx512",
                                       .op = "Conv",
                                       .needs = Isa::avx2 | Isa::avx512,
                                       .in{Port::dense, Port::packed, Port::dense, Port::blocked16, Port::dense},
                                       .out{Port::blocked16},
                                       .packings = kPackings,
                                       .packing_count = 1,
                                       .accepts = accepts,
                                       .scratch_bytes = scratch,
                                       .run = run};

}  // namespace monza::ops
