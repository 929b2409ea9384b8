// Recurrent layers on a GPU: a launch a time step (two for a GRU whose reset gate scales the state), a warp a unit of
// the hidden state of one sequence and direction, its lanes along the inputs and the state; any strides. The weights
// are read from the L2 cache once a step and sequence.
#include <cmath>

#include "ops/rnn/rnn.params.h"
#include "ops/shared/gpu.cuh"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_kernel.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr unsigned kAll = 0xffffffffU;

template <typename C>
__device__ C apply(const RnnParams::Activation& a, C x) {
  using F = RnnParams::Function;
  const C alpha = a.alpha, beta = a.beta, one = 1, zero = 0;
  switch (a.function) {
    case F::sigmoid: return one / (one + exp(-x));
    case F::tanh: return tanh(x);
    case F::relu: return x < zero ? zero : x;
    case F::affine: return alpha * x + beta;
    case F::leaky_relu: return x < zero ? alpha * x : x;
    case F::thresholded_relu: return x > alpha ? x : zero;
    case F::scaled_tanh: return alpha * tanh(beta * x);
    case F::hard_sigmoid: return clamp(alpha * x + beta, zero, one);
    case F::elu: return x < zero ? alpha * expm1(x) : x;
    case F::softsign: return x / (one + fabs(x));
    case F::softplus: return log1p(exp(x));
  }
  return x;
}

/// An operand by three or four axes in the order that `batch_first` stands for: (direction, item, unit) of states,
/// (step, item, input) of x, (step, direction, item, unit) of y.
struct View {
  void* data = nullptr;
  std::int64_t stride[4] = {};
  View() = default;
  explicit View(const TensorView& v) : data(v.data) {
    for (int i = 0; i < v.shape.rank; ++i) stride[i] = v.stride[i];
  }
  template <typename T>
  __device__ T* as() const {
    return static_cast<T*>(data);
  }
};

struct Layer {
  RnnParams p;
  View x, w, r, b, h0, c0, peepholes, y, last_h, last_c;
  const std::int32_t* lengths = nullptr;
  std::int64_t length_stride = 0, batch = 0, time = 0, inputs = 0, hidden = 0, units = 0;
  int gates = 1;
};

/// Steps of sequence n: all where its length is out of range, which start() answers with NaN.
__device__ std::int64_t length_of(const Layer& l, std::int64_t n) {
  if (l.lengths == nullptr) return l.time;
  const std::int64_t length = l.lengths[n * l.length_stride];
  return length < 0 || length > l.time ? l.time : length;
}

/// Which unit: k of sequence n in direction d. States lie as [D, N, H].
struct Unit {
  std::int64_t d, n, k;
  __device__ Unit(const Layer& l, std::int64_t i)
      : d(i / l.hidden / l.batch), n(i / l.hidden % l.batch), k(i % l.hidden) {}
};

template <typename T>
__device__ computed_t<T> clipped(const Layer& l, computed_t<T> v) {
  return l.p.clip > 0 ? clamp(v, computed_t<T>(-l.p.clip), computed_t<T>(l.p.clip)) : v;
}
template <typename T>
__device__ computed_t<T> activated(const Layer& l, std::int64_t d, int which, computed_t<T> v) {
  return apply(l.p.activation[d * 3 + which], clipped<T>(l, v));
}

/// The states before the first step.
template <typename T>
__global__ void start(Layer l, computed_t<T>* h, computed_t<T>* cell) {
  using C = computed_t<T>;
  for_each(l.units, [&](std::int64_t i) {
    const Unit u(l, i);
    const auto state = [&](const View& v) -> C {
      if (v.data == nullptr) return 0;
      return load(v.as<T>() +
                  (l.p.batch_first ? u.n * v.stride[0] + u.d * v.stride[1] : u.d * v.stride[0] + u.n * v.stride[1]) +
                  u.k * v.stride[2]);
    };
    bool fits = true;  // nothing here can report a length out of range
    if (l.lengths != nullptr) {
      const std::int64_t length = l.lengths[u.n * l.length_stride];
      fits = length >= 0 && length <= l.time;
    }
    h[i] = fits ? state(l.h0) : C(NAN);
    cell[i] = fits ? state(l.c0) : C(NAN);
  });
}

/// The states after the last step.
template <typename T>
__global__ void finish(Layer l, const computed_t<T>* h, const computed_t<T>* cell) {
  for_each(l.units, [&](std::int64_t i) {
    const Unit u(l, i);
    const auto put = [&](const View& v, computed_t<T> value) {
      if (v.data != nullptr)
        store(v.as<T>() +
                  (l.p.batch_first ? u.n * v.stride[0] + u.d * v.stride[1] : u.d * v.stride[0] + u.n * v.stride[1]) +
                  u.k * v.stride[2],
              value);
    };
    put(l.last_h, h[i]);
    put(l.last_c, cell[i]);
  });
}

/// The lane's part of w[d, row] x[t, n].
template <typename T>
__device__ computed_t<T> input_part(const Layer& l, const Unit& u, std::int64_t row, std::int64_t t, int lane) {
  const T* w = l.w.as<T>() + u.d * l.w.stride[0] + row * l.w.stride[1];
  const T* x = l.x.as<T>() +
               (l.p.batch_first ? u.n * l.x.stride[0] + t * l.x.stride[1] : t * l.x.stride[0] + u.n * l.x.stride[1]);
  computed_t<T> sum = 0;
  for (std::int64_t i = lane; i < l.inputs; i += 32) sum += load(w + i * l.w.stride[2]) * load(x + i * l.x.stride[2]);
  return sum;
}
/// The lane's part of r[d, row] h.
template <typename T>
__device__ computed_t<T> hidden_part(const Layer& l, const Unit& u, std::int64_t row, const computed_t<T>* h,
                                     int lane) {
  const T* r = l.r.as<T>() + u.d * l.r.stride[0] + row * l.r.stride[1];
  computed_t<T> sum = 0;
  for (std::int64_t i = lane; i < l.hidden; i += 32) sum += load(r + i * l.r.stride[2]) * h[i];
  return sum;
}
template <typename C>
__device__ C over_warp(C v) {
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(kAll, v, step);
  return v;
}
/// Bias of the input's product (which = 0) or the state's (1).
template <typename T>
__device__ computed_t<T> bias_of(const Layer& l, const Unit& u, int which, std::int64_t row) {
  if (l.b.data == nullptr) return 0;
  return load(l.b.as<T>() + u.d * l.b.stride[0] + (which * l.gates * l.hidden + row) * l.b.stride[1]);
}
template <typename T>
__device__ computed_t<T> peephole(const Layer& l, const Unit& u, int which) {
  if (l.peepholes.data == nullptr) return 0;
  return load(l.peepholes.as<T>() + u.d * l.peepholes.stride[0] + (which * l.hidden + u.k) * l.peepholes.stride[1]);
}
/// Both products of a gate with their biases, known to all lanes.
template <typename T>
__device__ computed_t<T> gate_sum(const Layer& l, const Unit& u, int gate, std::int64_t t, const computed_t<T>* h,
                                  int lane) {
  const std::int64_t row = gate * l.hidden + u.k;
  return over_warp(input_part<T>(l, u, row, t, lane) + hidden_part<T>(l, u, row, h, lane)) + bias_of<T>(l, u, 0, row) +
         bias_of<T>(l, u, 1, row);
}

/// Step s of all sequences and directions: `next` from `h`. `reset` has r h of a GRU (see reset_step), else is null.
template <typename T>
__global__ void __launch_bounds__(kThreads) step(Layer l, std::int64_t s, const computed_t<T>* h, computed_t<T>* next,
                                                 computed_t<T>* cell, const computed_t<T>* reset) {
  using C = computed_t<T>;
  const int lane = threadIdx.x % 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / 32);
  for (std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32; i < l.units;
       i += warps) {
    const Unit u(l, i);
    const std::int64_t length = length_of(l, u.n);
    const bool runs = s < length, reverse = l.p.direction == RnnParams::Direction::reverse || u.d == 1;
    const std::int64_t t = runs && reverse ? length - 1 - s : s;
    const C* before = h + (u.d * l.batch + u.n) * l.hidden;
    C now = before[u.k];
    if (runs && l.p.kind == RnnParams::Kind::rnn) {
      now = activated<T>(l, u.d, 0, gate_sum<T>(l, u, 0, t, before, lane));
    } else if (runs && l.p.kind == RnnParams::Kind::gru) {
      const C z = activated<T>(l, u.d, 0, gate_sum<T>(l, u, 0, t, before, lane));
      const std::int64_t row = 2 * l.hidden + u.k;
      C recurrent;
      if (l.p.linear_before_reset) {
        const C r = activated<T>(l, u.d, 0, gate_sum<T>(l, u, 1, t, before, lane));
        recurrent = r * (over_warp(hidden_part<T>(l, u, row, before, lane)) + bias_of<T>(l, u, 1, row));
      } else {
        recurrent = over_warp(hidden_part<T>(l, u, row, reset + (u.d * l.batch + u.n) * l.hidden, lane)) +
                    bias_of<T>(l, u, 1, row);
      }
      const C candidate =
          activated<T>(l, u.d, 1, over_warp(input_part<T>(l, u, row, t, lane)) + bias_of<T>(l, u, 0, row) + recurrent);
      now = (C(1) - z) * candidate + z * now;
    } else if (runs) {
      const C in_sum = gate_sum<T>(l, u, 0, t, before, lane), out_sum = gate_sum<T>(l, u, 1, t, before, lane),
              forget_sum = gate_sum<T>(l, u, 2, t, before, lane), new_sum = gate_sum<T>(l, u, 3, t, before, lane);
      C c = cell[i];
      const C in = activated<T>(l, u.d, 0, in_sum + peephole<T>(l, u, 0) * c);
      const C forget = l.p.input_forget ? C(1) - in : activated<T>(l, u.d, 0, forget_sum + peephole<T>(l, u, 2) * c);
      c = forget * c + in * activated<T>(l, u.d, 1, new_sum);
      // The state is not clipped on its way out, only what the gates see.
      now = activated<T>(l, u.d, 0, out_sum + peephole<T>(l, u, 1) * c) * apply(l.p.activation[u.d * 3 + 2], c);
      __syncwarp();  // all lanes have read the cell
      if (lane == 0) cell[i] = c;
    }
    if (lane != 0) continue;
    next[i] = now;
    if (l.y.data == nullptr) continue;
    const std::int64_t at = l.p.batch_first ? u.n * l.y.stride[0] + t * l.y.stride[1] + u.d * l.y.stride[2]
                                            : t * l.y.stride[0] + u.d * l.y.stride[1] + u.n * l.y.stride[2];
    store(l.y.as<T>() + at + u.k * l.y.stride[3], runs ? now : C(0));  // 0 beyond a sequence's end
  }
}

/// r h of every unit of a GRU, which the candidates' products take.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    reset_step(Layer l, std::int64_t s, const computed_t<T>* h, computed_t<T>* reset) {
  using C = computed_t<T>;
  const int lane = threadIdx.x % 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / 32);
  for (std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32; i < l.units;
       i += warps) {
    const Unit u(l, i);
    const std::int64_t length = length_of(l, u.n);
    if (s >= length) continue;
    const bool reverse = l.p.direction == RnnParams::Direction::reverse || u.d == 1;
    const C* before = h + (u.d * l.batch + u.n) * l.hidden;
    const C r = activated<T>(l, u.d, 0, gate_sum<T>(l, u, 1, reverse ? length - 1 - s : s, before, lane));
    if (lane == 0) reset[i] = r * before[u.k];
  }
}

/// h, next h, cells, r h: in float, for f64 in double.
std::size_t scratch_rnn(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const RnnParams*>(q.params);
  const std::int64_t units = q.input(0).shape[p.batch_first ? 0 : 1] * p.directions() * p.hidden;
  return static_cast<std::size_t>(4 * units) * (q.input(0).dtype == DType::f64 ? 8 : 4);
}

template <typename T>
void run_typed(const Layer& l, void* scratch, cudaStream_t stream) {
  using C = computed_t<T>;
  C* h = static_cast<C*>(scratch);
  C *next = h + l.units, *cell = next + l.units, *reset = cell + l.units;
  const unsigned blocks = blocks_for(l.units), wide = blocks_for(l.units * 32);
  start<T><<<blocks, kThreads, 0, stream>>>(l, h, cell);
  for (std::int64_t s = 0; s < l.time; ++s) {
    if (l.p.kind == RnnParams::Kind::gru && !l.p.linear_before_reset)
      reset_step<T><<<wide, kThreads, 0, stream>>>(l, s, h, reset);
    step<T><<<wide, kThreads, 0, stream>>>(l, s, h, next, cell, reset);
    C* const old = h;
    h = next;
    next = old;
  }
  finish<T><<<blocks, kThreads, 0, stream>>>(l, h, cell);
}

Status run_rnn(const KernelContext& c) noexcept {
  Layer l;
  l.p = c.params_as<RnnParams>();
  const TensorView& x = c.in[0];
  l.batch = x.shape[l.p.batch_first ? 0 : 1];
  l.time = x.shape[l.p.batch_first ? 1 : 0];
  l.inputs = x.shape[2];
  l.hidden = l.p.hidden;
  l.gates = l.p.gates();
  l.units = l.batch * l.p.directions() * l.hidden;
  if (l.units == 0) return {};
  const bool lstm = l.p.kind == RnnParams::Kind::lstm;
  const auto input = [&](int i) { return c.has_input(i) ? View(c.in[i]) : View(); };
  const auto output = [&](int i) { return i < c.out_count && c.out[i].present() ? View(c.out[i]) : View(); };
  l.x = View(x);
  l.w = View(c.in[1]);
  l.r = View(c.in[2]);
  l.b = input(3);
  if (c.has_input(4)) {
    l.lengths = c.in[4].as<std::int32_t>();
    l.length_stride = c.in[4].stride[0];
  }
  l.h0 = input(5);
  if (lstm) l.c0 = input(6);
  l.peepholes = input(7);
  l.y = output(0);
  l.last_h = output(1);
  if (lstm) l.last_c = output(2);
  const bool known =
      with_float(x.dtype, [&](auto t) { run_typed<typename decltype(t)::type>(l, c.scratch, stream_of(c)); });
  return known ? launched() : kOtherType;
}

Refusal accepts(const KernelQuery& q) noexcept {
  return is_stored_float(q.input(0).dtype) ? nullptr : "its element types have no CUDA kernel";
}

}  // namespace

extern const Kernel rnn_cuda = gpu::plain_kernel("rnn_cuda", "RNN", run_rnn, accepts, 0, scratch_rnn);
extern const Kernel gru_cuda = gpu::plain_kernel("gru_cuda", "GRU", run_rnn, accepts, 0, scratch_rnn);
extern const Kernel lstm_cuda = gpu::plain_kernel("lstm_cuda", "LSTM", run_rnn, accepts, 0, scratch_rnn);

}  // namespace monza::ops
