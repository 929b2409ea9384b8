// The inverses of the packed layouts of integer matrix weights.
#include "kernel/packed_format.h"
#include "ops/qmatmul/igemm_panels.simd.h"

namespace monza::ops {
namespace {

bool trans_b(const KernelQuery& q) { return static_cast<const QMatMulParams*>(q.params)->trans_b != 0; }

template <int kLanes, bool kSplit = false>
std::size_t qmatmul_bytes(const KernelQuery& q, int input) noexcept {
  const OperandDesc& w = q.in[input];
  if ((w.dtype != DType::i8 && w.dtype != DType::u8) || w.shape.rank != 2) return kNeverPacked;
  return static_cast<std::size_t>(matmul_panels<kLanes, kSplit>(q.in[input].shape, trans_b(q)).bytes());
}
template <int kLanes, bool kSplit = false>
void unpack_qmatmul(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const auto k = matmul_panels<kLanes, kSplit>(q.in[input].shape, trans_b(q));
  igemm_unpack(k, packed, q.in[input].dtype == DType::u8, static_cast<std::uint8_t*>(dense),
               MatmulSource{k.columns, k.depth, trans_b(q)});
}

}  // namespace

const PackedFormat qmatmul_panels_8{"qmatmul_panels_8", qmatmul_bytes<8>, unpack_qmatmul<8>};
const PackedFormat qmatmul_panels_16{"qmatmul_panels_16", qmatmul_bytes<16>, unpack_qmatmul<16>};
const PackedFormat qmatmul_split_panels_8{"qmatmul_split_panels_8", qmatmul_bytes<8, true>, unpack_qmatmul<8, true>};

constexpr const PackedFormat* kQmatmulPackedFormats[] = {&qmatmul_panels_8, &qmatmul_panels_16,
                                                         &qmatmul_split_panels_8};
extern const PackedFormatList qmatmul_packed_formats{kQmatmulPackedFormats};

}  // namespace monza::ops
