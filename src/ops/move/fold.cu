// Pad, CenterCropPad, ReverseSequence, Trilu and Col2Im on a GPU over any strides. Pad is bound by memory: some threads
// take a row of the output, for which they find the input's row once.
#include "ops/move/move.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_move.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

__device__ std::int64_t integer(const TensorView& v, std::int64_t i) {
  return load_integer(v.data, v.dtype, i * (v.shape.rank > 0 ? v.stride[0] : 1));
}

/// Pads beyond this belong to no tensor that fits an address space; below it no sum of pads and extents overflows.
constexpr std::int64_t kMostPad = std::int64_t{1} << 48;

/// What an axis repeats: pads below 0 crop first, elements [first, first + count) stay, `before` come before them.
struct PaddedAxis {
  std::int64_t first, count, before;

  __host__ __device__ PaddedAxis(std::int64_t begin, std::int64_t in, std::int64_t out)
      : first(begin < 0 ? -begin : 0), before(begin > 0 ? begin : 0) {
    const std::int64_t end = out - begin - in;
    count = in - first + (end < 0 ? end : 0);
  }
  /// Index of x that output index `i` reads; -1: none, it is the padding value.
  __device__ std::int64_t source(PadParams::Mode mode, std::int64_t i) const {
    i -= before;
    if (i >= 0 && i < count) return first + i;
    if (mode == PadParams::Mode::constant || count < 1) return -1;
    if (mode == PadParams::Mode::edge) return i < 0 ? first : first + count - 1;
    if (mode == PadParams::Mode::wrap) return first + ((i % count) + count) % count;
    if (count == 1) return first;
    const std::int64_t period = 2 * (count - 1), at = ((i % period) + period) % period;
    return first + (at < count ? at : period - at);
  }
};

template <typename T>
__global__ void pad_kernel(PadParams p, int lanes, TensorView x, TensorView pads, TensorView axes, TensorView value,
                           TensorView y, std::int64_t rows) {
  const int rank = x.shape.rank, last = rank - 1;
  std::int64_t begin[kMaxRank] = {};
  if (p.known) {
    for (int i = 0; i < rank; ++i) begin[i] = p.begin[i];
  } else {
    std::int64_t count = pads.shape.rank > 0 ? pads.shape[0] / 2 : 0;
    if (count > rank) count = rank;
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t axis = axes.data != nullptr ? integer(axes, i) : i;
      if (axis < 0) axis += rank;
      if (axis < 0 || axis >= rank) continue;
      const std::int64_t pad = integer(pads, i);
      begin[axis] = pad < -kMostPad ? -kMostPad : pad > kMostPad ? kMostPad : pad;
    }
  }
  const T fill = value.data != nullptr ? *value.as<T>() : T{};
  for_each_row(rows, lanes, [&](std::int64_t row, int lane, bool active) {
    if (!active) return;
    std::int64_t from = 0, to = 0;
    bool outside = false;
    for (int a = last - 1; a >= 0; --a) {
      const std::int64_t whole =
          (row | y.shape[a]) >> 32 == 0
              ? static_cast<std::int64_t>(static_cast<std::uint32_t>(row) / static_cast<std::uint32_t>(y.shape[a]))
              : row / y.shape[a];
      const std::int64_t at = row - whole * y.shape[a];
      const std::int64_t source = PaddedAxis(begin[a], x.shape[a], y.shape[a]).source(p.mode, at);
      row = whole;
      outside |= source < 0;
      from += source * x.stride[a];
      to += at * y.stride[a];
    }
    const PaddedAxis inner(begin[last], x.shape[last], y.shape[last]);
    for (std::int64_t i = lane; i < y.shape[last]; i += lanes) {
      const std::int64_t source = outside ? -1 : inner.source(p.mode, i);
      y.as<T>()[to + i * y.stride[last]] = source < 0 ? fill : x.as<T>()[from + source * x.stride[last]];
    }
  });
}

Status pad(const PadParams& p, const TensorView& pads, const TensorView& axes, const TensorView& value,
           const KernelContext& c) {
  TensorView x = c.in[0], y = c.out[0];
  if (y.shape.numel() == 0) return {};
  if (x.shape.rank == 0) {  // a row of one element
    x.shape = y.shape = Shape{1};
    x.stride[0] = y.stride[0] = 1;
  }
  const std::int64_t inner = y.shape[y.shape.rank - 1], rows = y.shape.count(0, y.shape.rank - 1);
  int lanes = 1;
  while (lanes < (rows < 4096 ? kThreads : 32) && lanes * 4 < inner) lanes *= 2;
  const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    pad_kernel<T><<<blocks_for_rows(rows, lanes), kThreads, 0, stream_of(c)>>>(p, lanes, x, pads, axes, value, y, rows);
  });
  return known ? launched() : kOtherType;
}

Status run_pad(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PadParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  if (p.known) {
    std::int64_t kept = 1;
    for (int i = 0; i < x.shape.rank; ++i) {
      if (p.begin[i] < -kMostPad || p.begin[i] > kMostPad)
        return {StatusCode::invalid_argument, "Pad: a pad is out of range"};
      const std::int64_t count = PaddedAxis(p.begin[i], x.shape[i], y.shape[i]).count;
      kept *= count < 0 ? 0 : count;
    }
    if (p.mode != PadParams::Mode::constant && kept == 0 && y.shape.numel() > 0)
      return {StatusCode::invalid_argument, "Pad: an empty tensor has no elements to repeat"};
  }
  const auto input = [&](int i) { return c.has_input(i) ? c.in[i] : TensorView{}; };
  return pad(p, input(1), input(3), input(2), c);
}

Status run_center_crop_pad(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  PadParams p;
  p.known = 1;
  // The odd element goes to the end, both when cropping and when padding.
  for (int i = 0; i < x.shape.rank; ++i) p.begin[i] = (y.shape[i] - x.shape[i]) / 2;
  return pad(p, {}, {}, {}, c);
}

template <typename T>
__global__ void reverse_kernel(ReverseSequenceParams p, TensorView x, TensorView lengths, TensorView y,
                               std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(x.shape, i, index);
    const std::int64_t from = offset_of(x, index), t = index[p.time_axis], extent = x.shape[p.time_axis];
    std::int64_t length = integer(lengths, index[p.batch_axis]);
    length = length < 0 ? 0 : length > extent ? extent : length;
    if (t < length) index[p.time_axis] = length - 1 - t;
    y.as<T>()[offset_of(y, index)] = x.as<T>()[from];
  });
}

Status run_reverse_sequence(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t count = x.shape.numel();
  if (count == 0) return {};
  const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    reverse_kernel<T>
        <<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<ReverseSequenceParams>(), x, c.in[1], y, count);
  });
  return known ? launched() : kOtherType;
}

template <typename T>
__global__ void trilu_kernel(bool upper, TensorView x, TensorView diagonal, TensorView y, std::int64_t count) {
  const int rank = x.shape.rank;
  const std::int64_t k = diagonal.data != nullptr ? integer(diagonal, 0) : 0;
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(x.shape, i, index);
    const std::int64_t above = index[rank - 1] - index[rank - 2];
    const bool keep = upper ? above >= k : above <= k;
    y.as<T>()[offset_of(y, index)] = keep ? x.as<T>()[offset_of(x, index)] : T{};
  });
}

Status run_trilu(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t count = x.shape.numel();
  if (count == 0) return {};
  const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    trilu_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
        c.params_as<TriluParams>().upper != 0, x, c.has_input(1) ? c.in[1] : TensorView{}, y, count);
  });
  return known ? launched() : kOtherType;
}

/// An element of the image is the sum of those of all blocks that lie over it, in the order of their elements.
__global__ void col2im_kernel(Col2ImParams p, TensorView x, TensorView blocks_at, TensorView y, std::int64_t count) {
  const int axes = static_cast<int>(p.axes);
  std::int64_t block[kMaxRank], blocks[kMaxRank], size = 1;
  for (int i = 0; i < axes; ++i) {
    block[i] = p.block[i] >= 0 ? p.block[i] : integer(blocks_at, i);
    if (block[i] < 1 || block[i] > x.shape[1]) return;
    const std::int64_t room = y.shape[i + 2] + p.pad_begin[i] + p.pad_end[i] - p.dilation[i] * (block[i] - 1) - 1;
    blocks[i] = room < 0 ? 0 : room / p.stride[i] + 1;
    size *= block[i];
    if (size > x.shape[1]) return;
  }
  for_each(count, [&](std::int64_t e) {
    std::int64_t index[kMaxRank];
    unravel(y.shape, e, index);
    double sum = 0;
    for (std::int64_t k = 0; k < size; ++k) {
      std::int64_t rest = k, column = 0, apart = 1;
      bool inside = true;
      for (int i = axes - 1; i >= 0; --i) {
        const std::int64_t in_block = rest % block[i], at = index[i + 2] + p.pad_begin[i] - in_block * p.dilation[i];
        rest /= block[i];
        inside = inside && at >= 0 && at % p.stride[i] == 0 && at / p.stride[i] < blocks[i];
        column += at / p.stride[i] * apart;
        apart *= blocks[i];
      }
      if (!inside || column >= x.shape[2] || index[1] * size + k >= x.shape[1]) continue;
      sum += load_number(x.data, x.dtype,
                         index[0] * x.stride[0] + (index[1] * size + k) * x.stride[1] + column * x.stride[2]);
    }
    store_number(y.data, y.dtype, offset_of(y, index), sum);
  });
}

Status run_col2im(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t count = y.shape.numel();
  if (count == 0) return {};
  col2im_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<Col2ImParams>(), x,
                                                                  c.has_input(2) ? c.in[2] : TensorView{}, y, count);
  return launched();
}

/// Elements of whole bytes, and inputs from 1 on that are integers where they are read.
Refusal accepts(const KernelQuery& q, int first, int second) {
  if (!moves(dtype_bits(q.in[0].dtype))) return "its element type has no CUDA kernel";
  for (const int i : {first, second})
    if (q.has_input(i) && !integral(q.in[i].dtype)) return "its element types have no CUDA kernel";
  return nullptr;
}
Refusal accepts_pad(const KernelQuery& q) noexcept { return accepts(q, 1, 3); }
Refusal accepts_one(const KernelQuery& q) noexcept { return accepts(q, 1, 1); }
Refusal accepts_col2im(const KernelQuery& q) noexcept {
  if (!is_number(q.in[0].dtype)) return "its element type has no CUDA kernel";
  return accepts(q, 2, 2);
}

}  // namespace

extern const Kernel pad_cuda = gpu::plain_kernel("pad_cuda", "Pad", run_pad, accepts_pad);
extern const Kernel center_crop_pad_cuda =
    gpu::plain_kernel("center_crop_pad_cuda", "CenterCropPad", run_center_crop_pad, accepts_one);
extern const Kernel reverse_sequence_cuda =
    gpu::plain_kernel("reverse_sequence_cuda", "ReverseSequence", run_reverse_sequence, accepts_one);
extern const Kernel trilu_cuda = gpu::plain_kernel("trilu_cuda", "Trilu", run_trilu, accepts_one);
extern const Kernel col2im_cuda = gpu::plain_kernel("col2im_cuda", "Col2Im", run_col2im, accepts_col2im);

}  // namespace monza::ops
