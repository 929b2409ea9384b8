// LSTM in f32. Weights are packed so that a vector holds consecutive gate rows of one input element: a step is a row
// of broadcasts and fused multiply-adds without horizontal sums, bound by reading the weights once for a step (from L2
// when they fit). Input products are made for several time steps at once, four rows for each read of the weights.
#pragma once

#include "kernel/kernel.h"
#include "ops/rnn/rnn.params.h"
#include "ops/shared/activation.simd.h"

namespace monza::ops {

// Defined in lstm_packed.any.cpp.
extern const PackedFormat lstm_gates_64, lstm_gates_128;

namespace {

/// Gate rows of a block: eight vectors, so that eight sums hide the latency of one multiply-add.
constexpr std::int64_t kBlock = 8 * Vec::kWidth;

MONZA_INLINE std::int64_t blocks_of(std::int64_t rows) { return (rows + kBlock - 1) / kBlock; }

/// w [D, rows, K] as [D, blocks, K, kBlock], the last block padded with zeros.
template <int kInput>
std::size_t packed_bytes(const KernelQuery& q) noexcept {
  const Shape& s = q.in[kInput].shape;
  return static_cast<std::size_t>(s[0] * blocks_of(s[1]) * s[2] * kBlock) * sizeof(float);
}
template <int kInput>
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  const Shape& s = q.in[kInput].shape;
  const float* w = static_cast<const float*>(q.in[kInput].data);
  float* to = reinterpret_cast<float*>(packed);
  for (std::int64_t d = 0; d < s[0]; ++d)
    for (std::int64_t b = 0; b < blocks_of(s[1]); ++b)
      for (std::int64_t k = 0; k < s[2]; ++k)
        for (std::int64_t r = 0; r < kBlock; ++r) {
          const std::int64_t row = b * kBlock + r;
          *to++ = row < s[1] ? w[(d * s[1] + row) * s[2] + k] : 0;
        }
}
constexpr Packing kLstmPackings[] = {
    {1, packed_bytes<1>, pack<1>, Vec::kWidth == 8 ? &lstm_gates_64 : &lstm_gates_128},
    {2, packed_bytes<2>, pack<2>, Vec::kWidth == 8 ? &lstm_gates_64 : &lstm_gates_128}};

/// out[m][0, kVecs vectors) += x[m] (K elements) times `w` (K rows of kBlock), for kRows rows m.
template <int kRows, int kVecs>
MONZA_INLINE void product(const float* const* x, std::int64_t count, const float* w, float* const* out) {
  Vec acc[kRows][kVecs];
  for (int m = 0; m < kRows; ++m)
    for (int v = 0; v < kVecs; ++v) acc[m][v] = Vec::load(out[m] + v * Vec::kWidth);
  for (std::int64_t k = 0; k < count; ++k, w += kBlock) {
    Vec weight[kVecs];
    for (int v = 0; v < kVecs; ++v) weight[v] = Vec::load(w + v * Vec::kWidth);
    for (int m = 0; m < kRows; ++m) {
      const Vec element = Vec::set(x[m][k]);
      for (int v = 0; v < kVecs; ++v) acc[m][v] = fma(element, weight[v], acc[m][v]);
    }
  }
  for (int m = 0; m < kRows; ++m)
    for (int v = 0; v < kVecs; ++v) acc[m][v].store(out[m] + v * Vec::kWidth);
}

/// Rows of one matrix: row(m) gives row m's address.
template <typename X>
__attribute__((noinline)) void block_product(const X& row, std::int64_t rows, std::int64_t count, const float* w,
                                             float* out, std::int64_t out_stride) {
  // AVX2 has registers for two rows beside four vectors, AVX-512 for four.
  constexpr int kRows = Vec::kRegisters == 32 ? 4 : 2;
  std::int64_t m = 0;
  for (; m + kRows <= rows; m += kRows) {
    const float* x[kRows];
    float* to[kRows];
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < kRows; ++i) {
        x[i] = row(m + i);
        to[i] = out + (m + i) * out_stride + half * (kBlock / 2);
      }
      product<kRows, 4>(x, count, w + half * (kBlock / 2), to);
    }
  }
  for (; m < rows; ++m) {
    const float* x[] = {row(m)};
    float* to[] = {out + m * out_stride};
    product<1, 8>(x, count, w, to);
  }
}

struct LstmPlan {
  std::int64_t time, batch, inputs, hidden, directions;
  std::int64_t rows;   ///< gate rows, padded to whole blocks
  std::int64_t chunk;  ///< time steps whose input products are made together
};

MONZA_INLINE LstmPlan lstm_plan(const RnnParams& p, const Shape& x) {
  LstmPlan l;
  l.time = x[p.batch_first ? 1 : 0];
  l.batch = x[p.batch_first ? 0 : 1];
  l.inputs = x[2];
  l.hidden = p.hidden;
  l.directions = p.directions();
  l.rows = blocks_of(4 * l.hidden) * kBlock;
  l.chunk = l.batch >= 16 ? 1 : 16 / (l.batch > 0 ? l.batch : 1);
  if (l.chunk > l.time) l.chunk = l.time > 0 ? l.time : 1;
  return l;
}

/// Floats of one direction: `gates` rows of a chunk, bias, h, c (both padded to whole vectors).
MONZA_INLINE std::int64_t padded_hidden(const LstmPlan& l) {
  return (l.hidden + Vec::kWidth - 1) / Vec::kWidth * Vec::kWidth;
}
MONZA_INLINE std::int64_t direction_floats(const LstmPlan& l, std::int64_t gates) {
  return gates * l.rows + l.rows + 2 * l.batch * padded_hidden(l);
}

std::size_t scratch_lstm(const KernelQuery& q) noexcept {
  // A smaller batch may take longer chunks: 16 rows bound them all, so that the largest shape has the largest scratch.
  const LstmPlan l = lstm_plan(*static_cast<const RnnParams*>(q.params), q.in[0].shape);
  const std::int64_t most = l.batch > 16 ? l.batch : 16, all = l.batch * (l.time > 0 ? l.time : 1);
  return static_cast<std::size_t>(l.directions * direction_floats(l, most < all ? most : all)) * sizeof(float);
}

struct LstmRun {
  const KernelContext& c;
  const RnnParams& p;
  LstmPlan l;
  std::int64_t d;      ///< direction
  Parallel* parallel;  ///< null: this direction runs on one thread
  float *gates, *bias, *h, *cell;

  MONZA_INLINE const float* x(std::int64_t t, std::int64_t n) const {
    const TensorView& v = c.in[0];
    return v.as<float>() + (p.batch_first ? n * v.stride[0] + t * v.stride[1] : t * v.stride[0] + n * v.stride[1]);
  }
  MONZA_INLINE float* state(const TensorView& v, std::int64_t n) const {
    return v.as<float>() + (p.batch_first ? n * v.stride[0] + d * v.stride[1] : d * v.stride[0] + n * v.stride[1]);
  }
  MONZA_INLINE float* y(std::int64_t t, std::int64_t n) const {
    const TensorView& v = c.out[0];
    return v.as<float>() + (p.batch_first ? n * v.stride[0] + t * v.stride[1] + d * v.stride[2]
                                          : t * v.stride[0] + d * v.stride[1] + n * v.stride[2]);
  }

  /// out[m] += row(m) times the packed matrix of input `input`, block by block.
  template <typename X>
  MONZA_INLINE void multiply(int input, std::int64_t count, const X& row, std::int64_t rows, float* out) const {
    const std::int64_t blocks = l.rows / kBlock;
    const float* w = c.in[input].as<float>() + d * blocks * count * kBlock;
    const auto block = [&](std::int64_t b) {
      block_product(row, rows, count, w + b * count * kBlock, out + b * kBlock, l.rows);
    };
    if (parallel != nullptr && rows * count * l.rows > (1 << 19)) {
      parallel_for(*parallel, blocks, [&](std::int64_t b, int) { block(b); });
    } else {
      for (std::int64_t b = 0; b < blocks; ++b) block(b);
    }
  }

  void prepare() const {
    const TensorView& b = c.in[3];
    for (std::int64_t r = 0; r < l.rows; ++r) {
      bias[r] = 0;
      if (c.has_input(3) && r < 4 * l.hidden)
        bias[r] = b.as<float>()[d * b.stride[0] + r] + b.as<float>()[d * b.stride[0] + 4 * l.hidden + r];
    }
    for (std::int64_t n = 0; n < l.batch; ++n)
      for (std::int64_t k = 0; k < padded_hidden(l); ++k) {
        h[n * padded_hidden(l) + k] = c.has_input(5) && k < l.hidden ? state(c.in[5], n)[k] : 0;
        cell[n * padded_hidden(l) + k] = c.has_input(6) && k < l.hidden ? state(c.in[6], n)[k] : 0;
      }
  }

  /// Gates to the next cell and hidden state of one sequence.
  __attribute__((noinline)) void activate(const float* g, float* hidden, float* memory) const {
    for (std::int64_t k = 0; k < l.hidden; k += Vec::kWidth) {
      const auto m = Vec::mask(l.hidden - k < Vec::kWidth ? l.hidden - k : Vec::kWidth);
      const Vec in = vsigmoid(Vec::load(g + k, m)), out = vsigmoid(Vec::load(g + l.hidden + k, m));
      const Vec forget = vsigmoid(Vec::load(g + 2 * l.hidden + k, m)),
                candidate = vtanh(Vec::load(g + 3 * l.hidden + k, m));
      const Vec next = fma(forget, Vec::load(memory + k), in * candidate);
      next.store(memory + k, m);
      (out * vtanh(next)).store(hidden + k, m);
    }
  }

  void run() const {
    prepare();
    const bool reverse = p.direction == RnnParams::Direction::reverse || d == 1;
    const std::int64_t wide = padded_hidden(l);
    for (std::int64_t begin = 0; begin < l.time; begin += l.chunk) {
      const std::int64_t steps = l.time - begin < l.chunk ? l.time - begin : l.chunk;
      const auto time_of = [&](std::int64_t s) { return reverse ? l.time - 1 - begin - s : begin + s; };
      for (std::int64_t m = 0; m < steps * l.batch; ++m)
        __builtin_memcpy(gates + m * l.rows, bias, static_cast<std::size_t>(l.rows) * 4);
      multiply(
          1, l.inputs, [&](std::int64_t m) { return x(time_of(m / l.batch), m % l.batch); }, steps * l.batch, gates);
      for (std::int64_t s = 0; s < steps; ++s) {
        float* now = gates + s * l.batch * l.rows;
        multiply(2, l.hidden, [&](std::int64_t n) { return static_cast<const float*>(h + n * wide); }, l.batch, now);
        for (std::int64_t n = 0; n < l.batch; ++n) {
          activate(now + n * l.rows, h + n * wide, cell + n * wide);
          if (c.out[0].data != nullptr)
            __builtin_memcpy(y(time_of(s), n), h + n * wide, static_cast<std::size_t>(l.hidden) * 4);
        }
      }
    }
    for (int output = 1; output < c.out_count; ++output)
      for (std::int64_t n = 0; n < l.batch && c.out[output].data != nullptr; ++n)
        __builtin_memcpy(state(c.out[output], n), (output == 1 ? h : cell) + n * wide,
                         static_cast<std::size_t>(l.hidden) * 4);
  }
};

Status run_lstm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RnnParams>();
  const LstmPlan l = lstm_plan(p, c.in[0].shape);
  const auto direction = [&](std::int64_t d, Parallel* parallel) {
    LstmRun run{c, p, l, d, parallel, nullptr, nullptr, nullptr, nullptr};
    run.gates = reinterpret_cast<float*>(c.scratch) + d * direction_floats(l, l.chunk * l.batch);
    run.bias = run.gates + l.chunk * l.batch * l.rows;
    run.h = run.bias + l.rows;
    run.cell = run.h + l.batch * padded_hidden(l);
    run.run();
  };
  // Two directions are two tasks; the blocks of one are tasks where they are large.
  if (l.directions == 2) parallel_for(*c.parallel, 2, [&](std::int64_t d, int) { direction(d, nullptr); });
  else direction(0, c.parallel);
  return {};
}

Refusal accepts_lstm(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const RnnParams*>(q.params);
  if (q.in[0].dtype != DType::f32) return "takes f32";
  if (!q.in[1].constant || !q.in[2].constant) return "needs constant weights";
  if (q.has_input(4)) return "takes no sequence lengths";
  if (q.has_input(7)) return "has no peepholes";
  if (p.clip > 0 || p.input_forget) return "has neither clip nor a coupled forget gate";
  using F = RnnParams::Function;
  for (int d = 0; d < p.directions(); ++d)
    if (p.activation[3 * d].function != F::sigmoid || p.activation[3 * d + 1].function != F::tanh ||
        p.activation[3 * d + 2].function != F::tanh)
      return "has the usual activations only";
  return nullptr;
}

consteval Kernel lstm_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "LSTM",
          .needs = needs,
          .in{Port::rows, Port::packed, Port::packed, Port::dense, Port::dense, Port::rows, Port::rows, Port::dense},
          .out{Port::rows},
          .packings = kLstmPackings,
          .packing_count = 2,
          .accepts = accepts_lstm,
          .scratch_bytes = scratch_lstm,
          .run = run_lstm};
}

}  // namespace
}  // namespace monza::ops
