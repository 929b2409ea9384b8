// QLSTM: an LSTM whose products are of bytes. The rest is rnn.simd.h's; integer products are igemm.simd.h's.
//
// A step of few sequences is bound by reading 4 H * H bytes of weights from L2, a quarter of what floats take; rounding
// the state and the factors of its columns are 4 H / 16 vectors beside them.
#pragma once

#include "ops/qmatmul/igemm.simd.h"
#include "ops/quantize/quantize_span.simd.h"
#include "ops/rnn/rnn.simd.h"

namespace monza::ops {

// Defined in rnn_packed.any.cpp.
extern const PackedFormat rnn_panels_8, rnn_panels_16, rnn_split_panels_8;

namespace {

/// Positions among QLSTM's inputs.
enum QLstmInput : int { kWScale = 8, kWZero = 9, kRScale = 10, kRZero = 11 };

template <int kInput>
MONZA_INLINE IgemmPack lstm_query_pack(const KernelQuery& q) {
  return {.groups = 1, .columns = q.in[kInput].shape[2], .taps = 1, .depth = q.in[kInput].shape[1]};
}
/// Each direction's panels are an igemm's of their own, one behind the other.
template <int kInput>
std::size_t lstm_packed_bytes(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.in[kInput].shape[0] * lstm_query_pack<kInput>(q).bytes());
}
template <int kInput>
void lstm_pack(const KernelQuery& q, std::byte* packed) noexcept {
  const OperandDesc& w = q.in[kInput];
  const IgemmPack k = lstm_query_pack<kInput>(q);
  for (std::int64_t d = 0; d < w.shape[0]; ++d)
    igemm_pack(k, static_cast<const std::uint8_t*>(w.data) + d * k.depth * k.columns, w.dtype == DType::u8,
               packed + d * k.bytes(), MatmulSource{k.columns, k.depth, false});
}
constexpr const PackedFormat* kLstmFormat = Q::kSplit        ? &rnn_split_panels_8
                                            : Q::kLanes == 8 ? &rnn_panels_8
                                                             : &rnn_panels_16;
constexpr Packing kLstmPackings[] = {{1, lstm_packed_bytes<1>, lstm_pack<1>, kLstmFormat},
                                     {2, lstm_packed_bytes<2>, lstm_pack<2>, kLstmFormat}};

/// Bytes of scratch of a direction's products: rounded rows, and what the columns of the two matrices need.
struct LstmScratch {
  std::int64_t row_bytes, rows, slots;
  MONZA_INLINE std::int64_t columns_at() const { return (row_bytes * rows + 63) / 64 * 64; }
  MONZA_INLINE std::int64_t bytes() const { return columns_at() + 2 * slots * 16; }
};
MONZA_INLINE LstmScratch lstm_scratch(const Recurrence& l, std::int64_t rows, std::int64_t slots) {
  const std::int64_t widest = l.inputs > l.hidden ? l.inputs : l.hidden;
  return {(widest + 63) / 64 * 64, rows, slots};
}

/// One of a direction's matrices.
struct LstmMatrix {
  Igemm job;
  const float* scales;  ///< of the columns, or one
  bool scale_each;

  MONZA_INLINE void bind(const KernelContext& c, int input, int scale, int zero, std::int64_t d, std::byte* columns) {
    const TensorView &w = c.in[input], &s = c.in[scale];
    const IgemmPack pack{.groups = 1, .columns = w.shape[2], .taps = 1, .depth = w.shape[1]};
    igemm_bind(job, pack, w.as<const std::byte>() + d * pack.bytes());
    job.read_depth = pack.depth;
    job.mode = IgemmOut::f32;
    const std::int64_t slots = pack.slots();
    job.start = reinterpret_cast<std::int32_t*>(columns);
    job.w_zero = job.start + slots;
    job.m = reinterpret_cast<float*>(job.w_zero + slots);
    job.b = job.m + slots;
    scale_each = s.shape.rank == 2;
    scales = s.as<const float>() + d * (scale_each ? pack.columns : 1);
    const std::int32_t shift = w.dtype == DType::u8 ? 128 : 0;
    const bool zeros = c.has_input(zero), zero_each = zeros && c.in[zero].shape.rank == 2;
    const std::int64_t first = d * (zero_each ? pack.columns : 1);
    for (std::int64_t n = 0; n < slots; ++n) {
      std::int32_t z = 0;
      if (zeros && n < pack.columns) {
        const std::uint8_t byte = c.in[zero].as<const std::uint8_t>()[first + (zero_each ? n : 0)];
        z = shift != 0 ? byte : static_cast<std::int8_t>(byte);
      }
      job.w_zero[n] = n < pack.columns ? z - shift : 0;
      job.row_sums = job.row_sums || job.w_zero[n] != 0;
      job.b[n] = 0;
    }
  }
  /// Of rows that are rounded with `s`.
  MONZA_INLINE void set_rows(const DynamicScale& s) const {
    const Q::I zero = Q::set(s.zero), depth = Q::set(static_cast<std::int32_t>(job.pack.depth));
    const Q::F scale = Q::set(s.scale), one = Q::set(scales[0]);
    for (std::int64_t n = 0; n < job.pack.slots(); n += Q::kLanes) {
      const Q::I sums = Q::sub(Q::mul(depth, Q::load(job.w_zero + n)), Q::load(job.sums + n));
      Q::store(job.start + n, Q::mul(zero, sums));
      const Q::F w = scale_each ? Q::load_f32(scales + n, Q::mask(job.pack.columns - n)) : one;
      Q::store(job.m + n, Q::mul(scale, w));
    }
  }
};

/// The products of a direction with packed bytes.
struct QuantizedWeights {
  const Recurrence& l;
  Parallel* parallel;  ///< null: this direction runs on one thread
  LstmMatrix of_input, of_state;
  std::uint8_t* bytes;  ///< rounded rows
  std::int64_t pitch;
  DynamicScale input_scale{1, 0};

  QuantizedWeights(const KernelContext& c, const Recurrence& sizes, std::int64_t d, Parallel* threads)
      : l(sizes), parallel(threads) {
    const IgemmPack pack{.groups = 1, .columns = l.gates, .taps = 1, .depth = l.hidden};
    const LstmScratch s = lstm_scratch(l, l.chunk * l.batch, pack.slots());
    std::byte* own =
        c.scratch + l.directions * direction_floats(c.params_as<RnnParams>(), l, l.chunk * l.batch) * 4 + d * s.bytes();
    bytes = reinterpret_cast<std::uint8_t*>(own);
    pitch = s.row_bytes;
    of_input.bind(c, 1, kWScale, kWZero, d, own + s.columns_at());
    of_state.bind(c, 2, kRScale, kRZero, d, own + s.columns_at() + s.slots * 16);
  }

  template <typename X>
  MONZA_INLINE DynamicScale scale_of(const X& row, std::int64_t rows, std::int64_t count) const {
    QuantizeRange range;
    for (std::int64_t m = 0; m < rows; ++m) range.add(range_of(row(m), count));
    return range.scale();
  }
  template <typename X>
  MONZA_INLINE void begin(const X& row, std::int64_t rows) {
    input_scale = scale_of(row, rows, l.inputs);
    of_input.set_rows(input_scale);
  }
  /// All gate rows: an LSTM asks for no fewer.
  template <typename X>
  MONZA_INLINE void multiply(int input, std::int64_t count, const X& row, std::int64_t rows, float* out,
                             std::int64_t /*first*/, std::int64_t /*last*/) {
    LstmMatrix& matrix = input == 1 ? of_input : of_state;
    const DynamicScale s = input == 1 ? input_scale : scale_of(row, rows, count);
    if (input == 2) matrix.set_rows(s);
    for (std::int64_t m = 0; m < rows; ++m) quantize_span(row(m), bytes + m * pitch, 0, count, s.scale, s.zero, false);
    Igemm& job = matrix.job;
    job.out = reinterpret_cast<std::byte*>(out);
    job.residual = job.out;  // what stands there is added to
    job.out_pitch = job.residual_pitch = l.rows;
    const auto run = [&](std::int64_t panel, std::int64_t end) {
      for (std::int64_t first = 0; first < rows; first += kIgemmChunk) {
        const std::int64_t n = rows - first < kIgemmChunk ? rows - first : kIgemmChunk;
        const std::uint8_t* pointers[kIgemmChunk];
        std::int32_t sums[kIgemmChunk];
        for (std::int64_t r = 0; r < n; ++r) pointers[r] = bytes + (first + r) * pitch;
        if (job.row_sums) igemm_row_sums<false>(job, pointers, kIgemmChunk, n, sums);
        igemm_block(job, pointers, kIgemmChunk, first, n, 0, panel, end, sums);
      }
    };
    const std::int64_t panels = job.pack.panels(), tiles = (panels + Q::kPanels - 1) / Q::kPanels;
    if (parallel != nullptr && rows * count * job.pack.columns > (1 << 21))
      parallel_for(*parallel, tiles, [&](std::int64_t t, int) { run(panels * t / tiles, panels * (t + 1) / tiles); });
    else run(0, panels);
  }
};

std::size_t scratch_quantized(const KernelQuery& q) noexcept {
  const Recurrence l = recurrence_of(*static_cast<const RnnParams*>(q.params), q.in[0].shape);
  const std::int64_t rows = l.batch > 16 ? l.batch : 16;  // as in scratch_recurrent
  return scratch_recurrent(q) +
         static_cast<std::size_t>(l.directions * lstm_scratch(l, rows, lstm_query_pack<2>(q).slots()).bytes());
}

Status run_quantized(const KernelContext& c) noexcept {
  const Recurrence l = recurrence_of(c.params_as<RnnParams>(), c.in[0].shape);
  return run_directions<RnnParams::Kind::lstm>(
      c, l, [&](std::int64_t d, Parallel* parallel) { return QuantizedWeights(c, l, d, parallel); });
}

consteval Kernel quantized_lstm_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QLSTM",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::i32},
          .batch_invariant = false,
          .in{Port::rows, Port::packed, Port::packed, Port::dense, Port::dense, Port::rows, Port::rows, Port::dense},
          .out{Port::rows},
          .packings = kLstmPackings,
          .packing_count = 2,
          .accepts = accepts_recurrent<RnnParams::Kind::lstm>,
          .scratch_bytes = scratch_quantized,
          .run = run_quantized};
}

}  // namespace
}  // namespace monza::ops
