// Reductions, ArgMax and ArgMin on a GPU over any strides. Some threads take an output element, and where there are few
// of those, blocks share its elements and leave their parts in scratch memory. Bound by memory: 4 bytes read an element
// of f32, so 4.2 TB/s take 64 us for 2^26 of them; f32 is summed in double, f16 in float.
#include <type_traits>

#include "kernel/nd_loop.h"
#include "ops/reduce/reduce.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_rows.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

// An operation has a State that elements are added to, in any order, and that becomes an output element: `start`, `add`
// (V elements side by side, the first of them number i of the row), `combine`, and `finish`.

/// Sums of what is made of each element.
template <typename T>
struct Sum {
  using State = std::conditional_t<sizeof(T) == 2, float, double>;
  ReduceKind kind;
  const T* x;
  T* y;
  __device__ State start() const { return 0; }
  template <int V>
  __device__ void add(State& s, std::int64_t at, std::int64_t) const {
    T own[V];
    if constexpr (V == 1) own[0] = x[at];
    else *reinterpret_cast<uint4*>(own) = *reinterpret_cast<const uint4*>(x + at);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const State v = load(own + k);
      s += kind == ReduceKind::l1 ? fabs(v) : kind == ReduceKind::l2 || kind == ReduceKind::sum_square ? v * v : v;
    }
  }
  __device__ State combine(State a, State b) const { return a + b; }
  __device__ void finish(State s, std::int64_t at, std::int64_t n) const {
    if (kind == ReduceKind::mean) s /= static_cast<State>(n);
    if (kind == ReduceKind::l2) s = sqrt(s);
    if (kind == ReduceKind::log_sum) s = log(s);
    store(y + at, static_cast<computed_t<T>>(s));
  }
};

/// The largest or smallest element; a NaN is further than all.
template <typename T>
struct Extreme {
  using State = float;
  bool largest;
  const T* x;
  T* y;
  __device__ State start() const { return largest ? -INFINITY : INFINITY; }
  template <int V>
  __device__ void add(State& s, std::int64_t at, std::int64_t) const {
    T own[V];
    if constexpr (V == 1) own[0] = x[at];
    else *reinterpret_cast<uint4*>(own) = *reinterpret_cast<const uint4*>(x + at);
#pragma unroll
    for (int k = 0; k < V; ++k) s = combine(s, load(own + k));
  }
  __device__ State combine(State a, State b) const { return b != b || (largest ? b > a : b < a) ? b : a; }
  __device__ void finish(State s, std::int64_t at, std::int64_t) const { store(y + at, s); }
};

/// All kinds for all types, in double.
struct Wide {
  struct State {
    double value, sum;  ///< of log_sum_exp: the largest, and the sum of exponentials below it
  };
  ReduceKind kind;
  DType type;
  const void* x;
  void* y;
  __device__ State start() const {
    switch (kind) {
      case ReduceKind::prod: return {1, 0};
      case ReduceKind::min: return {INFINITY, 0};
      case ReduceKind::max:
      case ReduceKind::log_sum_exp: return {-INFINITY, 0};
      default: return {0, 0};
    }
  }
  template <int V>
  __device__ void add(State& s, std::int64_t at, std::int64_t) const {
    const double v = load_number(x, type, at);
    switch (kind) {
      case ReduceKind::l1: s.value += fabs(v); break;
      case ReduceKind::l2:
      case ReduceKind::sum_square: s.value += v * v; break;
      case ReduceKind::log_sum_exp: s = combine(s, {v, isinf(v) ? 0.0 : 1.0}); break;
      default: s = combine(s, {v, 0});
    }
  }
  __device__ State combine(const State& a, const State& b) const {
    switch (kind) {
      case ReduceKind::prod: return {a.value * b.value, 0};
      case ReduceKind::max: return b.value != b.value || b.value > a.value ? b : a;
      case ReduceKind::min: return b.value != b.value || b.value < a.value ? b : a;
      case ReduceKind::log_sum_exp: {
        if (a.value != a.value) return a;
        if (b.value != b.value) return b;
        if (a.value == b.value) return {a.value, a.sum + b.sum};
        const State &low = a.value < b.value ? a : b, &high = a.value < b.value ? b : a;
        return {high.value, high.sum + (low.sum == 0 ? 0 : low.sum * exp(low.value - high.value))};
      }
      default: return {a.value + b.value, 0};
    }
  }
  __device__ void finish(const State& s, std::int64_t at, std::int64_t n) const {
    double v = s.value;
    if (kind == ReduceKind::mean) v /= static_cast<double>(n);
    if (kind == ReduceKind::l2) v = sqrt(v);
    if (kind == ReduceKind::log_sum) v = log(v);
    if (kind == ReduceKind::log_sum_exp && !isinf(v)) v += log(s.sum);
    store_number(y, type, at, v);
  }
};

/// Integers, modulo 2^64.
struct Whole {
  using State = std::uint64_t;
  ReduceKind kind;
  DType type;
  bool unsigned_;
  std::uint64_t highest;  ///< of the type
  const void* x;
  void* y;
  __device__ State start() const {
    switch (kind) {
      case ReduceKind::prod: return 1;
      case ReduceKind::min: return highest;
      case ReduceKind::max: return unsigned_ ? 0 : ~highest;
      default: return 0;
    }
  }
  template <int V>
  __device__ void add(State& s, std::int64_t at, std::int64_t) const {
    const std::int64_t v = load_integer(x, type, at);
    const auto u = static_cast<std::uint64_t>(v);
    switch (kind) {
      case ReduceKind::l1: s += !unsigned_ && v < 0 ? 0 - u : u; break;
      case ReduceKind::sum_square: s += u * u; break;
      default: s = combine(s, u);
    }
  }
  __device__ bool less(std::uint64_t a, std::uint64_t b) const {
    return unsigned_ ? a < b : static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b);
  }
  __device__ State combine(State a, State b) const {
    switch (kind) {
      case ReduceKind::prod: return a * b;
      case ReduceKind::max: return less(a, b) ? b : a;
      case ReduceKind::min: return less(b, a) ? b : a;
      default: return a + b;
    }
  }
  __device__ void finish(State s, std::int64_t at, std::int64_t n) const {
    auto v = static_cast<std::int64_t>(s);
    if (kind == ReduceKind::mean)
      v = n == 0 ? 0 : unsigned_ ? static_cast<std::int64_t>(s / static_cast<std::uint64_t>(n)) : v / n;
    store_integer(y, type, at, v);
  }
};

/// Where the largest or smallest element is; a NaN is further than all.
struct Place {
  struct State {
    std::uint64_t order;
    std::int64_t index;  ///< -1: there is none yet
  };
  ArgParams p;
  DType type;
  const void* x;
  std::int64_t* y;
  __device__ State start() const { return {0, -1}; }
  template <int V>
  __device__ void add(State& s, std::int64_t at, std::int64_t i) const {
    const std::uint64_t order = order_of(x, type, at);
    const bool is_nan = !integral(type) && order == ~std::uint64_t{0};
    s = combine(s, {p.largest || is_nan ? order : ~order, i});
  }
  __device__ State combine(const State& a, const State& b) const {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    if (a.order != b.order) return a.order > b.order ? a : b;
    return (a.index < b.index) == (p.last == 0) ? a : b;
  }
  __device__ void finish(const State& s, std::int64_t at, std::int64_t) const { y[at] = s.index; }
};

/// How threads are spread: a block takes kThreads / lanes output elements, `lanes` threads each, and of each the part
/// `split` of `splits` of its elements.
struct Spread {
  int lanes = 1;
  int across = 0;  ///< 1: neighbouring threads take neighbouring output elements; 0: neighbouring elements of a row
  int splits = 1;
};
constexpr std::int64_t kMostParts = 16384;
constexpr std::int64_t kBlocks = 132 * 4;  ///< that fill a GPU

Spread spread_of(std::int64_t outputs, std::int64_t n, bool contiguous) {
  Spread s;
  if (contiguous) {
    while (s.lanes < kThreads && s.lanes * 4 < n) s.lanes *= 2;
  } else {
    s.across = 1;
    const std::int64_t least = outputs < 32 ? outputs : 32;  // output elements of a block
    while (s.lanes * 8 <= n && outputs * s.lanes < kBlocks * 2 * kThreads && kThreads / (s.lanes * 2) >= least)
      s.lanes *= 2;
  }
  const std::int64_t each = kThreads / s.lanes, groups = (outputs + each - 1) / each;
  if (groups >= kBlocks) return s;
  std::int64_t splits = (kBlocks + groups - 1) / groups;
  if (splits > n / (s.lanes * 16)) splits = n / (s.lanes * 16);
  if (splits > kMostParts / outputs) splits = kMostParts / outputs;
  if (splits > 1) s.splits = static_cast<int>(splits);
  return s;
}

template <int V, typename Op>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(Op op, Axes<2> kept, Axes<1> row, Spread spread, typename Op::State* parts) {
  using State = typename Op::State;
  __shared__ State of_thread[kThreads];
  const int lanes = spread.lanes, each = kThreads / lanes, tid = static_cast<int>(threadIdx.x);
  const int lane = spread.across ? tid / each : tid & (lanes - 1), own = spread.across ? tid & (each - 1) : tid / lanes;
  const std::int64_t n = row.count / V, work = (kept.count + each - 1) / each * spread.splits;
  for (std::int64_t w = blockIdx.x; w < work; w += gridDim.x) {
    const std::int64_t group = w / spread.splits, split = w - group * spread.splits, o = group * each + own;
    const bool active = o < kept.count;
    std::int64_t at[2] = {};
    State s = op.start();
    if (active) {
      kept.at(o, at);
      const std::int64_t begin = n * split / spread.splits + lane, end = n * (split + 1) / spread.splits;
      if (row.rank <= 1) {
        const std::int64_t step = row.stride[0][0] * V;
#pragma unroll 4
        for (std::int64_t i = begin; i < end; i += lanes) op.template add<V>(s, at[0] + i * step, i * V);
      } else {
        for (std::int64_t i = begin; i < end; i += lanes) {
          std::int64_t e[1];
          row.at(i * V, e);
          op.template add<V>(s, at[0] + e[0], i * V);
        }
      }
    }
    if (lanes > 1) {
      const int apart = spread.across ? each : 1;
      __syncthreads();
      of_thread[tid] = s;
      for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) of_thread[tid] = s = op.combine(s, of_thread[tid + half * apart]);
      }
    }
    if (!active || lane != 0) continue;
    if (spread.splits == 1) op.finish(s, at[1], row.count);
    else parts[o * spread.splits + split] = s;
  }
}

template <typename Op>
__global__ void finish_kernel(Op op, Axes<2> kept, std::int64_t n, int splits, const typename Op::State* parts) {
  for_each(kept.count, [&](std::int64_t o) {
    typename Op::State s = parts[o * splits];
    for (int k = 1; k < splits; ++k) s = op.combine(s, parts[o * splits + k]);
    std::int64_t at[2];
    kept.at(o, at);
    op.finish(s, at[1], n);
  });
}

/// V: elements of a load, where rows allow it.
template <int V, typename Op>
Status reduce(const KernelContext& c, std::uint32_t axes, const Op& op) {
  const TensorView &x = c.in[0], y = with_axes(c.out[0], axes, x.shape.rank);
  Axes<2> kept;
  Axes<1> row;
  kept.add(x.shape, ~axes, {x.stride, y.stride});
  row.add(x.shape, axes, {x.stride});
  if (kept.count == 0) return {};
  const bool contiguous = row.rank == 0 || row.stride[0][0] == 1;
  bool vectors = V > 1 && row.contiguous(0) && row.count % V == 0 && reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
  for (int a = 0; a < kept.rank; ++a) vectors = vectors && kept.stride[0][a] % V == 0;
  const Spread spread = spread_of(kept.count, vectors ? row.count / V : row.count, contiguous);
  const std::int64_t each = kThreads / spread.lanes, work = (kept.count + each - 1) / each * spread.splits;
  const unsigned blocks = blocks_for(work, 1);
  auto* parts = reinterpret_cast<typename Op::State*>(c.scratch);
  if (vectors) reduce_kernel<V><<<blocks, kThreads, 0, stream_of(c)>>>(op, kept, row, spread, parts);
  else reduce_kernel<1><<<blocks, kThreads, 0, stream_of(c)>>>(op, kept, row, spread, parts);
  if (spread.splits > 1)
    finish_kernel<<<blocks_for(kept.count), kThreads, 0, stream_of(c)>>>(op, kept, row.count, spread.splits, parts);
  return launched();
}

Status run_reduce(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ReduceParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const ReduceKind kind = p.kind;
  const bool roots = kind == ReduceKind::l2 || kind == ReduceKind::log_sum || kind == ReduceKind::log_sum_exp;
  if (integral(x.dtype) && !roots) {
    const bool is_unsigned = !is_signed(x.dtype);
    const int bits = x.dtype == DType::boolean ? 1 : dtype_bits(x.dtype);
    const std::uint64_t highest = (is_unsigned ? ~std::uint64_t{0} : ~std::uint64_t{0} >> 1) >> (64 - bits);
    return reduce<1>(c, p.axes, Whole{kind, x.dtype, is_unsigned, highest, x.data, y.data});
  }
  const bool largest = kind == ReduceKind::max, extreme = largest || kind == ReduceKind::min;
  const bool sum = !extreme && kind != ReduceKind::prod && kind != ReduceKind::log_sum_exp;
  if (x.dtype == DType::f32 && extreme)
    return reduce<4>(c, p.axes, Extreme<float>{largest, x.as<float>(), y.as<float>()});
  if (x.dtype == DType::f16 && extreme)
    return reduce<8>(c, p.axes, Extreme<__half>{largest, x.as<__half>(), y.as<__half>()});
  if (x.dtype == DType::f32 && sum) return reduce<4>(c, p.axes, Sum<float>{kind, x.as<float>(), y.as<float>()});
  if (x.dtype == DType::f16 && sum) return reduce<8>(c, p.axes, Sum<__half>{kind, x.as<__half>(), y.as<__half>()});
  return reduce<1>(c, p.axes, Wide{kind, x.dtype, x.data, y.data});
}

Status run_arg(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ArgParams>();
  const TensorView& x = c.in[0];
  if (x.shape[p.axis] == 0 && c.out[0].shape.numel() > 0)
    return {StatusCode::invalid_argument, "ArgMax or ArgMin along an axis without elements"};
  return reduce<1>(c, 1u << p.axis, Place{p, x.dtype, x.data, c.out[0].as<std::int64_t>()});
}

Refusal accepts_number(const KernelQuery& q) noexcept {
  return is_number(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

/// The parts are fewer than a sixteenth of the elements, and at most kMostParts.
std::size_t scratch_reduce(const KernelQuery& q) noexcept {
  const std::int64_t count = q.in[0].shape.numel(), most = kMostParts * 16;
  return static_cast<std::size_t>(count < most ? count : most);
}

}  // namespace

extern const Kernel reduce_sum_cuda =
    gpu::plain_kernel("reduce_sum_cuda", "ReduceSum", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_mean_cuda =
    gpu::plain_kernel("reduce_mean_cuda", "ReduceMean", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_max_cuda =
    gpu::plain_kernel("reduce_max_cuda", "ReduceMax", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_min_cuda =
    gpu::plain_kernel("reduce_min_cuda", "ReduceMin", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_prod_cuda =
    gpu::plain_kernel("reduce_prod_cuda", "ReduceProd", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_l1_cuda =
    gpu::plain_kernel("reduce_l1_cuda", "ReduceL1", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_l2_cuda =
    gpu::plain_kernel("reduce_l2_cuda", "ReduceL2", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_log_sum_cuda =
    gpu::plain_kernel("reduce_log_sum_cuda", "ReduceLogSum", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_log_sum_exp_cuda =
    gpu::plain_kernel("reduce_log_sum_exp_cuda", "ReduceLogSumExp", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel reduce_sum_square_cuda =
    gpu::plain_kernel("reduce_sum_square_cuda", "ReduceSumSquare", run_reduce, accepts_number, 0, scratch_reduce);
extern const Kernel arg_max_cuda =
    gpu::plain_kernel("arg_max_cuda", "ArgMax", run_arg, accepts_number, 0, scratch_reduce);
extern const Kernel arg_min_cuda =
    gpu::plain_kernel("arg_min_cuda", "ArgMin", run_arg, accepts_number, 0, scratch_reduce);

}  // namespace monza::ops
