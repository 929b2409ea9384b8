// The inverses of the packed layouts of a recurrent layer's weights.
#include "kernel/packed_format.h"

namespace monza::ops {

extern const PackedFormat rnn_gates_64, rnn_gates_128;

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

}  // namespace

const PackedFormat rnn_gates_64{"rnn_gates_64", gate_bytes<64>, unpack_gates<64>};
const PackedFormat rnn_gates_128{"rnn_gates_128", gate_bytes<128>, unpack_gates<128>};

constexpr const PackedFormat* kRnnPackedFormats[] = {&rnn_gates_64, &rnn_gates_128};
extern const PackedFormatList rnn_packed_formats{kRnnPackedFormats};

}  // namespace monza::ops
