// RNN, GRU and LSTM in f32. Weights are packed so that a vector holds consecutive gate rows of one input element: a
// step is a row of broadcasts and fused multiply-adds without horizontal sums, bound by reading the weights once for a
// step (from L2 when they fit). Input products are made for several time steps at once, so that many rows share a read.
#pragma once

#include "kernel/kernel.h"
#include "ops/rnn/rnn.params.h"
#include "ops/shared/activation.simd.h"

namespace monza::ops {

// Defined in rnn_packed.any.cpp.
extern const PackedFormat rnn_gates_64, rnn_gates_128;

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
constexpr Packing kRnnPackings[] = {{1, packed_bytes<1>, pack<1>, Vec::kWidth == 8 ? &rnn_gates_64 : &rnn_gates_128},
                                    {2, packed_bytes<2>, pack<2>, Vec::kWidth == 8 ? &rnn_gates_64 : &rnn_gates_128}};

/// out[m][0, kVecs vectors) += x[m] (K elements) times `w` (K rows of kBlock), for kRows rows m.
template <int kRows, int kVecs>
MONZA_INLINE void product(const float* const* x, std::int64_t count, const float* w, float* const* out) {
  Vec acc[kRows][kVecs];
#pragma GCC unroll 8
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[m][v] = Vec::load(out[m] + v * Vec::kWidth);
  for (std::int64_t k = 0; k < count; ++k, w += kBlock) {
    Vec weight[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) weight[v] = Vec::load(w + v * Vec::kWidth);
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
      const Vec element = Vec::set(x[m][k]);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[m][v] = fma(element, weight[v], acc[m][v]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[m][v].store(out[m] + v * Vec::kWidth);
}

/// All rows that there are kRows of, from m on: a block's vectors in parts of kVecs, as the registers hold.
template <int kRows, int kVecs, typename X>
MONZA_INLINE void rows_product(const X& row, std::int64_t& m, std::int64_t rows, std::int64_t count, const float* w,
                               float* out, std::int64_t out_stride) {
  for (; m + kRows <= rows; m += kRows)
    for (int part = 0; part < kBlock; part += kVecs * Vec::kWidth) {
      const float* x[kRows];
      float* to[kRows];
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        x[i] = row(m + i);
        to[i] = out + (m + i) * out_stride + part;
      }
      product<kRows, kVecs>(x, count, w + part, to);
    }
}

/// Rows of one matrix: row(m) gives row m's address. The more rows a tile has, the fewer times the weights are read.
template <typename X>
__attribute__((noinline)) void block_product(const X& row, std::int64_t rows, std::int64_t count, const float* w,
                                             float* out, std::int64_t out_stride) {
  constexpr bool kMany = Vec::kRegisters == 32;
  std::int64_t m = 0;
  rows_product<kMany ? 8 : 4, 2>(row, m, rows, count, w, out, out_stride);
  rows_product<kMany ? 4 : 2, 4>(row, m, rows, count, w, out, out_stride);
  rows_product<1, 8>(row, m, rows, count, w, out, out_stride);
}

/// Sizes of a layer. What its kind decides is `p.kind`'s alone.
struct Recurrence {
  std::int64_t time, batch, inputs, hidden, directions;
  std::int64_t gates;  ///< rows of all gates
  std::int64_t rows;   ///< padded to whole blocks
  std::int64_t chunk;  ///< time steps whose input products are made together
  std::int64_t wide;   ///< hidden elements, padded to whole vectors
};

MONZA_INLINE Recurrence recurrence_of(const RnnParams& p, const Shape& x) {
  Recurrence l;
  l.time = x[p.batch_first ? 1 : 0];
  l.batch = x[p.batch_first ? 0 : 1];
  l.inputs = x[2];
  l.hidden = p.hidden;
  l.directions = p.directions();
  l.gates = p.gates() * l.hidden;
  l.rows = blocks_of(l.gates) * kBlock;
  l.chunk = l.batch >= 16 ? 1 : 16 / (l.batch > 0 ? l.batch : 1);
  if (l.chunk > l.time) l.chunk = l.time > 0 ? l.time : 1;
  l.wide = (l.hidden + Vec::kWidth - 1) / Vec::kWidth * Vec::kWidth;
  return l;
}

/// Floats of one direction: `rows` rows of gates of a chunk, the bias, h, the cell; a GRU has the products of its
/// state, with a bias of their own, beside the gates.
MONZA_INLINE std::int64_t direction_floats(const RnnParams& p, const Recurrence& l, std::int64_t rows) {
  const std::int64_t apart = p.kind == RnnParams::Kind::gru ? (1 + l.batch) * l.rows : 0;
  return (rows + 1) * l.rows + apart + 2 * l.batch * l.wide;
}

std::size_t scratch_recurrent(const KernelQuery& q) noexcept {
  // A smaller batch may take longer chunks: 16 rows bound them all, so that the largest shape has the largest scratch.
  const auto& p = *static_cast<const RnnParams*>(q.params);
  const Recurrence l = recurrence_of(p, q.in[0].shape);
  const std::int64_t most = l.batch > 16 ? l.batch : 16, all = l.batch * (l.time > 0 ? l.time : 1);
  return static_cast<std::size_t>(l.directions * direction_floats(p, l, most < all ? most : all)) * sizeof(float);
}

/// The products of a direction with packed f32 weights.
struct FloatWeights {
  const KernelContext& c;
  const Recurrence& l;
  std::int64_t d;
  Parallel* parallel;  ///< null: this direction runs on one thread

  /// Called once, with all rows of the input.
  template <typename X>
  MONZA_INLINE void begin(const X& /*row*/, std::int64_t /*rows*/) const {}
  /// out[m] += row(m) times the packed matrix of input `input`, for gate rows from block `first` to before `last`.
  template <typename X>
  MONZA_INLINE void multiply(int input, std::int64_t count, const X& row, std::int64_t rows, float* out,
                             std::int64_t first, std::int64_t last) const {
    const float* w = c.in[input].as<float>() + d * (l.rows / kBlock) * count * kBlock;
    const auto block = [&](std::int64_t b) {
      block_product(row, rows, count, w + b * count * kBlock, out + b * kBlock, l.rows);
    };
    if (parallel != nullptr && rows * count * (last - first) * kBlock > (1 << 19)) {
      parallel_for(*parallel, last - first, [&](std::int64_t b, int) { block(first + b); });
    } else {
      for (std::int64_t b = first; b < last; ++b) block(b);
    }
  }
};

/// One direction of a layer.
template <RnnParams::Kind kKind, typename Weights = FloatWeights>
struct RecurrentRun {
  static constexpr bool kLstm = kKind == RnnParams::Kind::lstm, kGru = kKind == RnnParams::Kind::gru;

  const KernelContext& c;
  const RnnParams& p;
  const Recurrence& l;
  std::int64_t d;  ///< direction
  Weights& weights;
  float* gates;  ///< [chunk * batch, rows]: products of the input, with the bias
  float* bias;
  float *h, *cell;               ///< [batch, wide]; the cell of a GRU is its state under the reset gate
  float *state_bias, *products;  ///< of a GRU: [rows], and [batch, rows] products of the state

  RecurrentRun(const KernelContext& context, const Recurrence& sizes, std::int64_t direction, Weights& w)
      : c(context), p(context.params_as<RnnParams>()), l(sizes), d(direction), weights(w) {
    gates = reinterpret_cast<float*>(c.scratch) + d * direction_floats(p, l, l.chunk * l.batch);
    bias = gates + l.chunk * l.batch * l.rows;
    h = bias + l.rows;
    cell = h + l.batch * l.wide;
    state_bias = cell + l.batch * l.wide;
    products = state_bias + l.rows;
  }

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

  /// Steps of sequence n; those behind it change nothing and give zeros.
  MONZA_INLINE std::int64_t length(std::int64_t n) const {
    return c.has_input(4) ? c.in[4].as<std::int32_t>()[n] : l.time;
  }
  /// The time of a sequence's step; behind its end, where no time is left to read, the step itself.
  MONZA_INLINE std::int64_t time_of(std::int64_t s, std::int64_t n) const {
    const std::int64_t end = length(n);
    const bool reverse = p.direction == RnnParams::Direction::reverse || d == 1;
    return reverse && s < end ? end - 1 - s : s;
  }

  /// Adds the products of the state's rows: `from` is [batch, wide].
  MONZA_INLINE void multiply_state(const float* from, float* out, std::int64_t first, std::int64_t last) const {
    weights.multiply(2, l.hidden, [&](std::int64_t n) { return from + n * l.wide; }, l.batch, out, first, last);
  }

  void prepare() const {
    const TensorView& b = c.in[3];
    for (std::int64_t r = 0; r < l.rows; ++r) {
      const bool any = c.has_input(3) && r < l.gates;
      const float of_input = any ? b.as<float>()[d * b.stride[0] + r] : 0;
      const float of_state = any ? b.as<float>()[d * b.stride[0] + l.gates + r] : 0;
      bias[r] = kGru ? of_input : of_input + of_state;
      if constexpr (kGru) state_bias[r] = of_state;
    }
    for (std::int64_t n = 0; n < l.batch; ++n)
      for (std::int64_t k = 0; k < l.wide; ++k) {
        h[n * l.wide + k] = c.has_input(5) && k < l.hidden ? state(c.in[5], n)[k] : 0;
        cell[n * l.wide + k] = kLstm && c.has_input(6) && k < l.hidden ? state(c.in[6], n)[k] : 0;
      }
  }

  /// Calls f(k, mask) for each vector of the hidden elements.
  template <typename F>
  MONZA_INLINE void each_vector(F&& f) const {
    for (std::int64_t k = 0; k < l.hidden; k += Vec::kWidth)
      f(k, Vec::mask(l.hidden - k < Vec::kWidth ? l.hidden - k : Vec::kWidth));
  }

  __attribute__((noinline)) void activate_rnn(const float* g, float* hidden) const {
    const bool relu = p.activation[3 * d].function == RnnParams::Function::relu;
    each_vector([&](std::int64_t k, const auto& m) {
      const Vec v = Vec::load(g + k, m);
      (relu ? max(Vec::set(0), v) : vtanh(v)).store(hidden + k, m);
    });
  }

  /// Gates to the next cell and hidden state of one sequence.
  __attribute__((noinline)) void activate_lstm(const float* g, float* hidden, float* memory) const {
    each_vector([&](std::int64_t k, const auto& m) {
      const Vec in = vsigmoid(Vec::load(g + k, m)), out = vsigmoid(Vec::load(g + l.hidden + k, m));
      const Vec forget = vsigmoid(Vec::load(g + 2 * l.hidden + k, m)),
                candidate = vtanh(Vec::load(g + 3 * l.hidden + k, m));
      const Vec next = fma(forget, Vec::load(memory + k, m), in * candidate);
      next.store(memory + k, m);
      (out * vtanh(next)).store(hidden + k, m);
    });
  }

  /// `g` holds the products of the input, `s` those of the state: the candidate's are scaled by the reset gate.
  __attribute__((noinline)) void activate_gru(const float* g, const float* s, float* hidden) const {
    each_vector([&](std::int64_t k, const auto& m) {
      const auto gate = [&](std::int64_t row) {
        return vsigmoid(Vec::load(g + row + k, m) + Vec::load(s + row + k, m));
      };
      const std::int64_t row = 2 * l.hidden + k;
      blend(gate(0), vtanh(fma(gate(l.hidden), Vec::load(s + row, m), Vec::load(g + row, m))), hidden + k, m);
    });
  }
  /// The update gate, in its place in `g`, and the state under the reset gate, of which the candidate is made.
  __attribute__((noinline)) void gates_gru(float* g, const float* s, const float* hidden, float* reset) const {
    each_vector([&](std::int64_t k, const auto& m) {
      const auto gate = [&](std::int64_t row) {
        return vsigmoid(Vec::load(g + row + k, m) + Vec::load(s + row + k, m));
      };
      (gate(l.hidden) * Vec::load(hidden + k, m)).store(reset + k, m);
      gate(0).store(g + k, m);
    });
  }
  __attribute__((noinline)) void candidate_gru(const float* g, const float* s, float* hidden) const {
    each_vector([&](std::int64_t k, const auto& m) {
      const std::int64_t row = 2 * l.hidden + k;
      blend(Vec::load(g + k, m), vtanh(Vec::load(g + row, m) + Vec::load(s + row, m)), hidden + k, m);
    });
  }
  /// h = (1 - update) candidate + update h
  template <typename Mask>
  MONZA_INLINE static void blend(Vec update, Vec candidate, float* hidden, const Mask& m) {
    fma(update, Vec::load(hidden, m) - candidate, candidate).store(hidden, m);
  }

  void step_gru(float* now, std::int64_t s) const {
    const std::int64_t blocks = l.rows / kBlock;
    const auto begin = [&](std::int64_t from) {
      for (std::int64_t n = 0; n < l.batch; ++n)
        __builtin_memcpy(products + n * l.rows + from, state_bias + from, static_cast<std::size_t>(l.rows - from) * 4);
    };
    begin(0);
    if (p.linear_before_reset != 0) {
      multiply_state(h, products, 0, blocks);
      for (std::int64_t n = 0; n < l.batch; ++n)
        if (s < length(n)) activate_gru(now + n * l.rows, products + n * l.rows, h + n * l.wide);
      return;
    }
    // The rows of the candidate need not begin a block: the one that they begin in is made twice, and anew.
    const std::int64_t candidate = 2 * l.hidden / kBlock;
    multiply_state(h, products, 0, blocks_of(2 * l.hidden));
    for (std::int64_t n = 0; n < l.batch; ++n)
      gates_gru(now + n * l.rows, products + n * l.rows, h + n * l.wide, cell + n * l.wide);
    begin(candidate * kBlock);
    multiply_state(cell, products, candidate, blocks);
    for (std::int64_t n = 0; n < l.batch; ++n)
      if (s < length(n)) candidate_gru(now + n * l.rows, products + n * l.rows, h + n * l.wide);
  }

  /// Step s of all sequences; `now` is [batch, rows], the products of the input.
  void step(float* now, std::int64_t s) const {
    if constexpr (kGru) return step_gru(now, s);
    multiply_state(h, now, 0, l.rows / kBlock);
    for (std::int64_t n = 0; n < l.batch; ++n) {
      if (s >= length(n)) continue;
      if constexpr (kLstm) activate_lstm(now + n * l.rows, h + n * l.wide, cell + n * l.wide);
      else activate_rnn(now + n * l.rows, h + n * l.wide);
    }
  }

  /// The states behind step s, and zeros for sequences that have ended.
  MONZA_INLINE void put_out(std::int64_t s) const {
    for (std::int64_t n = 0; n < l.batch && c.out[0].data != nullptr; ++n) {
      float* to = y(time_of(s, n), n);
      if (s < length(n)) __builtin_memcpy(to, h + n * l.wide, static_cast<std::size_t>(l.hidden) * 4);
      else __builtin_memset(to, 0, static_cast<std::size_t>(l.hidden) * 4);
    }
  }

  void run() const {
    prepare();
    const auto input_row = [&](std::int64_t m) { return x(time_of(m / l.batch, m % l.batch), m % l.batch); };
    weights.begin(input_row, l.time * l.batch);
    std::int64_t longest = c.has_input(4) ? 0 : l.time;  // behind it there is nothing to compute
    for (std::int64_t n = 0; c.has_input(4) && n < l.batch; ++n) longest = length(n) > longest ? length(n) : longest;
    for (std::int64_t begin = 0; begin < longest; begin += l.chunk) {
      const std::int64_t steps = longest - begin < l.chunk ? longest - begin : l.chunk;
      for (std::int64_t m = 0; m < steps * l.batch; ++m)
        __builtin_memcpy(gates + m * l.rows, bias, static_cast<std::size_t>(l.rows) * 4);
      weights.multiply(
          1, l.inputs, [&](std::int64_t m) { return input_row(begin * l.batch + m); }, steps * l.batch, gates, 0,
          l.rows / kBlock);
      for (std::int64_t s = begin; s < begin + steps; ++s) {
        step(gates + (s - begin) * l.batch * l.rows, s);
        put_out(s);
      }
    }
    for (std::int64_t s = longest; s < l.time; ++s) put_out(s);
    for (int output = 1; output < c.out_count; ++output)
      for (std::int64_t n = 0; n < l.batch && c.out[output].data != nullptr; ++n)
        __builtin_memcpy(state(c.out[output], n), (output == 1 ? h : cell) + n * l.wide,
                         static_cast<std::size_t>(l.hidden) * 4);
  }
};

/// `make(d, parallel)` makes the weights of a direction.
template <RnnParams::Kind kKind, typename Make>
MONZA_INLINE Status run_directions(const KernelContext& c, const Recurrence& l, const Make& make) {
  for (std::int64_t n = 0; c.has_input(4) && n < l.batch; ++n)
    if (const std::int32_t length = c.in[4].as<std::int32_t>()[n]; length < 0 || length > l.time)
      return {StatusCode::out_of_range, "a sequence length is out of range"};
  // Two directions are two tasks; the blocks of one are tasks where they are large.
  const auto run = [&](std::int64_t d, Parallel* parallel) {
    auto weights = make(d, parallel);
    RecurrentRun<kKind, decltype(weights)>(c, l, d, weights).run();
  };
  if (l.directions == 2) parallel_for(*c.parallel, 2, [&](std::int64_t d, int) { run(d, nullptr); });
  else run(0, c.parallel);
  return {};
}

template <RnnParams::Kind kKind>
Status run_recurrent(const KernelContext& c) noexcept {
  const Recurrence l = recurrence_of(c.params_as<RnnParams>(), c.in[0].shape);
  return run_directions<kKind>(c, l,
                               [&](std::int64_t d, Parallel* parallel) { return FloatWeights{c, l, d, parallel}; });
}

template <RnnParams::Kind kKind>
Refusal accepts_recurrent(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const RnnParams*>(q.params);
  if (q.in[0].dtype != DType::f32) return "takes f32";
  if (!q.in[1].constant || !q.in[2].constant) return "needs constant weights";
  if (q.has_input(7)) return "has no peepholes";
  if (p.clip > 0 || p.input_forget) return "has neither clip nor a coupled forget gate";
  using F = RnnParams::Function;
  for (int d = 0; d < p.directions(); ++d) {
    const RnnParams::Activation* const f = p.activation + 3 * d;
    const bool usual = kKind == RnnParams::Kind::rnn ? f[0].function == F::tanh || f[0].function == F::relu
                       : kKind == RnnParams::Kind::gru
                           ? f[0].function == F::sigmoid && f[1].function == F::tanh
                           : f[0].function == F::sigmoid && f[1].function == F::tanh && f[2].function == F::tanh;
    if (!usual) return "has the usual activations only";
  }
  return nullptr;
}

template <RnnParams::Kind kKind>
consteval Kernel recurrent_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::rows, Port::packed, Port::packed, Port::dense, Port::dense, Port::rows, Port::rows, Port::dense},
          .out{Port::rows},
          .packings = kRnnPackings,
          .packing_count = 2,
          .accepts = accepts_recurrent<kKind>,
          .scratch_bytes = scratch_recurrent,
          .run = run_recurrent<kKind>};
}

}  // namespace
}  // namespace monza::ops
