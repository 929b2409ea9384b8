// The inverses of the packed layouts of both weights: those of the convolutions that the parts are.
#include "kernel/packed_format.h"
#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/sepconv/sepconv_part.simd.h"

namespace monza::ops {
namespace {

template <const PackedFormat& kFormat, bool kPoint>
std::size_t sepconv_bytes(const KernelQuery& q, int input) noexcept {
  return input == (kPoint ? 3 : 1) ? kFormat.bytes(PartQuery(q, kPoint).query, 1) : kNeverPacked;
}
template <const PackedFormat& kFormat, bool kPoint>
void unpack_sepconv(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  kFormat.unpack(PartQuery(q, kPoint).query, 1, packed, dense);
}

}  // namespace

const PackedFormat sepconv_depth_8{"sepconv_depth_8", sepconv_bytes<conv_depthwise_8, false>,
                                   unpack_sepconv<conv_depthwise_8, false>};
const PackedFormat sepconv_depth_16{"sepconv_depth_16", sepconv_bytes<conv_depthwise_16, false>,
                                    unpack_sepconv<conv_depthwise_16, false>};
const PackedFormat sepconv_point_8{"sepconv_point_8", sepconv_bytes<conv_direct_8, true>,
                                   unpack_sepconv<conv_direct_8, true>};
const PackedFormat sepconv_point_16{"sepconv_point_16", sepconv_bytes<conv_direct_16, true>,
                                    unpack_sepconv<conv_direct_16, true>};

constexpr const PackedFormat* kSepconvPackedFormats[] = {&sepconv_depth_8, &sepconv_depth_16, &sepconv_point_8,
                                                         &sepconv_point_16};
extern const PackedFormatList sepconv_packed_formats{kSepconvPackedFormats};

}  // namespace monza::ops
