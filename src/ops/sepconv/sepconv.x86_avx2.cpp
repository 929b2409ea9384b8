#include "ops/sepconv/sepconv.simd.h"

namespace monza::ops {
namespace {

std::size_t depth_bytes(const KernelQuery& q) noexcept {
  return depthwise_bytes(Vec::kWidth, PartQuery(q, false).query);
}
void depth_pack(const KernelQuery& q, std::byte* packed) noexcept {
  pack_depthwise(PartQuery(q, false).query, reinterpret_cast<float*>(packed));
}
std::size_t point_bytes(const KernelQuery& q) noexcept { return direct_bytes(Vec::kWidth, PartQuery(q, true).query); }
void point_pack(const KernelQuery& q, std::byte* packed) noexcept {
  pack_direct(PartQuery(q, true).query, reinterpret_cast<float*>(packed));
}
constexpr Packing kPackings[] = {{.input = 1, .bytes = depth_bytes, .pack = depth_pack, .format = &sepconv_depth_8},
                                 {.input = 3, .bytes = point_bytes, .pack = point_pack, .format = &sepconv_point_8}};
Refusal accepts(const KernelQuery& q) noexcept { return accepts_sepconv(q); }
std::size_t scratch(const KernelQuery& q) noexcept { return direct_scratch(PartQuery(q, true).query); }
Status run(const KernelContext& c) noexcept { return run_sepconv(c); }

}  // namespace

extern const Kernel sepconv_avx2;
const Kernel sepconv_avx2{
    .name = "sepconv_avx2",
    .op = "SeparableConv",
    .needs = Isa::avx2,
    .in{Port::channels_last, Port::packed, Port::dense, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = kPackings,
    .packing_count = 2,
    .accepts = accepts,
    .scratch_bytes = scratch,
    .run = run};

}  // namespace monza::ops
