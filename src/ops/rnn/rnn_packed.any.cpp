// The inverses of the packed layouts of a recurrent layer's weights.
#include "kernel/packed_format.h"
#include "ops/qmatmul/igemm_panels.simd.h"

namespace monza::ops {

extern const PackedFormat rnn_gates_64, rnn_gates_128, rnn_panels_8, rnn_panels_16, rnn_split_panels_8;

namespace {

/// w [D, rows, K] is packed as [D, blocks, K, kBlock], the last block padded.
template <int kBlock>
std::size_t gate_bytes(const KernelQuery& q, int input) noexcept {
  const Shape& s = q.in[input].shape;
  if (q.in[input].dtype != DType::f32 || s.rank != 3) return kNeverPacked;
  return static_cast<std::size_t>(s[0] * ((s[1] + kBlock - 1) / kBlock) * s[2] * kBlock) * sizeof(float);
}
template <int kBlock>
void unpack_gates(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const Shape& s = q.in[input].shape;
  const float* from = reinterpret_cast<const float*>(packed);
  float* w = static_cast<float*>(dense);
  for (std::int64_t d = 0; d < s[0]; ++d)
    for (std::int64_t first = 0; first < s[1]; first += kBlock)
      for (std::int64_t k = 0; k < s[2]; ++k, from += kBlock)
        for (std::int64_t r = 0; r < kBlock && first + r < s[1]; ++r) w[(d * s[1] + first + r) * s[2] + k] = from[r];
}

/// w [D, K, columns] of bytes: the panels of each direction's product.
template <int kLanes, bool kSplit>
IgemmPanels<kLanes, kSplit> panels_of(const Shape& s) {
  return {.groups = 1, .columns = s[2], .taps = 1, .depth = s[1]};
}
template <int kLanes, bool kSplit>
std::size_t panel_bytes(const KernelQuery& q, int input) noexcept {
  const OperandDesc& w = q.in[input];
  if ((w.dtype != DType::i8 && w.dtype != DType::u8) || w.shape.rank != 3) return kNeverPacked;
  return static_cast<std::size_t>(w.shape[0] * panels_of<kLanes, kSplit>(w.shape).bytes());
}
template <int kLanes, bool kSplit>
void unpack_panels(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const Shape& s = q.in[input].shape;
  const auto k = panels_of<kLanes, kSplit>(s);
  for (std::int64_t d = 0; d < s[0]; ++d)
    igemm_unpack(k, packed + d * k.bytes(), q.in[input].dtype == DType::u8,
                 static_cast<std::uint8_t*>(dense) + d * s[1] * s[2], MatmulSource{s[2], s[1], false});
}

}  // namespace

const PackedFormat rnn_panels_8{"rnn_panels_8", panel_bytes<8, false>, unpack_panels<8, false>};
const PackedFormat rnn_panels_16{"rnn_panels_16", panel_bytes<16, false>, unpack_panels<16, false>};
const PackedFormat rnn_split_panels_8{"rnn_split_panels_8", panel_bytes<8, true>, unpack_panels<8, true>};
const PackedFormat rnn_gates_64{"rnn_gates_64", gate_bytes<64>, unpack_gates<64>};
const PackedFormat rnn_gates_128{"rnn_gates_128", gate_bytes<128>, unpack_gates<128>};

constexpr const PackedFormat* kRnnPackedFormats[] = {&rnn_gates_64, &rnn_gates_128, &rnn_panels_8, &rnn_panels_16,
                                                     &rnn_split_panels_8};
extern const PackedFormatList rnn_packed_formats{kRnnPackedFormats};

}  // namespace monza::ops
