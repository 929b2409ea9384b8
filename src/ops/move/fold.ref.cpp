// Pad, CenterCropPad, ReverseSequence, Trilu, Col2Im.
#include <algorithm>

#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/move/move.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

std::int64_t integer(const TensorView& v, std::int64_t i) {
  return element_access(v.dtype).load_int(v.data, i * (v.shape.rank > 0 ? v.stride[0] : 1));
}

/// Copies the overlap of `x`, shifted by `begin`, into `out`; the rest of `out` is left alone.
Status copy_shifted(const TensorView& x, const TensorView& out, const std::int64_t* begin, Parallel& parallel) {
  std::int64_t from = 0, to = 0, extent[kMaxRank];
  for (int i = 0; i < x.shape.rank; ++i) {
    const std::int64_t first = std::max<std::int64_t>(0, -begin[i]);  // of x
    const std::int64_t last = std::min(x.shape[i], out.shape[i] - begin[i]);
    if (last <= first) return {};
    extent[i] = last - first;
    from += first * x.stride[i];
    to += (first + begin[i]) * out.stride[i];
  }
  const int bits = dtype_bits(x.dtype);
  CopyAxes axes;
  for (int i = 0; i < x.shape.rank; ++i) axes.add(extent[i], x.stride[i], out.stride[i]);
  if (bits >= 8)
    return copy_elements(element_address(x.data, bits, from), element_address(out.data, bits, to), bits, axes,
                         parallel);
  Shape shape;
  shape.rank = x.shape.rank;
  for (int i = 0; i < shape.rank; ++i) shape[i] = extent[i];
  with_cell(bits, [&](auto cell) {
    using C = decltype(cell);
    Walk<2> walk(shape, x.stride, out.stride);
    for (; !walk.done; walk.next()) C::set(out.data, to + walk.offset[1], C::get(x.data, from + walk.offset[0]));
  });
  return {};
}

Status run_pad(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PadParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const int rank = x.shape.rank, bits = dtype_bits(x.dtype);
  std::int64_t begin[kMaxRank] = {};
  if (p.known) {
    std::copy(p.begin, p.begin + rank, begin);
  } else {
    const std::int64_t count = c.in[1].shape.numel() / 2;
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t axis = c.has_input(3) ? integer(c.in[3], i) : i;
      if (axis < 0) axis += rank;
      if (axis < 0 || axis >= rank) return {StatusCode::invalid_argument, "Pad: an axis is out of range"};
      begin[axis] = integer(c.in[1], i);
    }
  }
  for (int i = 0; i < rank; ++i)
    if (begin[i] < -kMostPad || begin[i] > kMostPad)
      return {StatusCode::invalid_argument, "Pad: a pad is out of range"};
  if (p.mode == PadParams::Mode::constant) {
    std::uint64_t value[2] = {};
    if (c.has_input(2)) __builtin_memcpy(value, c.in[2].data, static_cast<std::size_t>(std::max(1, bits / 8)));
    if (Status s = fill_view(out, value, *c.parallel); !s) return s;
    return copy_shifted(x, out, begin, *c.parallel);
  }
  if (out.shape.numel() == 0) return {};
  std::int64_t kept = 1;
  for (int i = 0; i < rank; ++i)
    kept *= std::max<std::int64_t>(PaddedAxis(begin[i], x.shape[i], out.shape[i]).count, 0);
  if (kept == 0) return {StatusCode::invalid_argument, "Pad: an empty tensor has no elements to repeat"};
  with_cell(bits, [&](auto cell) {
    using C = decltype(cell);
    Walk<1> walk(out.shape, out.stride);
    for (; !walk.done; walk.next()) {
      std::int64_t from = 0;
      for (int i = 0; i < rank; ++i)
        from += PaddedAxis(begin[i], x.shape[i], out.shape[i]).source(p.mode, walk.index[i]) * x.stride[i];
      C::set(out.data, walk.offset[0], C::get(x.data, from));
    }
  });
  return {};
}

Status run_center_crop_pad(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  std::int64_t begin[kMaxRank] = {};
  // The odd element goes to the end, both when cropping and when padding.
  for (int i = 0; i < x.shape.rank; ++i) {
    const std::int64_t more = out.shape[i] - x.shape[i];
    begin[i] = more >= 0 ? more / 2 : -((-more) / 2);
  }
  const std::uint64_t zero[2] = {};
  if (Status s = fill_view(out, zero, *c.parallel); !s) return s;
  return copy_shifted(x, out, begin, *c.parallel);
}

Status run_reverse_sequence(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ReverseSequenceParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  for (std::int64_t b = 0; b < x.shape[p.batch_axis]; ++b) {
    const std::int64_t length = integer(c.in[1], b);
    if (length < 0 || length > x.shape[p.time_axis])
      return {StatusCode::out_of_range, "ReverseSequence: a length is out of range"};
  }
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    Walk<2> walk(x.shape, x.stride, out.stride);
    for (; !walk.done; walk.next()) {
      const std::int64_t t = walk.index[p.time_axis], length = integer(c.in[1], walk.index[p.batch_axis]);
      const std::int64_t to = t < length ? length - 1 - t : t;
      C::set(out.data, walk.offset[1] + (to - t) * out.stride[p.time_axis], C::get(x.data, walk.offset[0]));
    }
  });
  return {};
}

Status run_trilu(const KernelContext& c) noexcept {
  const bool upper = c.params_as<TriluParams>().upper != 0;
  const TensorView &x = c.in[0], &out = c.out[0];
  const std::int64_t k = c.has_input(1) ? integer(c.in[1], 0) : 0;
  const int rank = x.shape.rank;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    Walk<2> walk(x.shape, x.stride, out.stride);
    for (; !walk.done; walk.next()) {
      const std::int64_t above = walk.index[rank - 1] - walk.index[rank - 2];
      const bool keep = upper ? above >= k : above <= k;
      C::set(out.data, walk.offset[1], keep ? C::get(x.data, walk.offset[0]) : typename C::Bits{});
    }
  });
  return {};
}

Status run_col2im(const KernelContext& c) noexcept {
  const auto& p = c.params_as<Col2ImParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  if (access.store == nullptr) return {StatusCode::internal, "Col2Im: element type"};
  const int axes = static_cast<int>(p.axes);
  Shape block, blocks;
  block.rank = blocks.rank = axes;
  for (int i = 0; i < axes; ++i) {
    block[i] = p.block[i] >= 0 ? p.block[i] : integer(c.in[2], i);
    if (block[i] < 1 || block[i] > (std::int64_t{1} << 31))
      return {StatusCode::invalid_argument, "Col2Im: a block extent is out of range"};
    const std::int64_t room = out.shape[i + 2] + p.pad_begin[i] + p.pad_end[i] - p.dilation[i] * (block[i] - 1) - 1;
    blocks[i] = room < 0 ? 0 : room / p.stride[i] + 1;
  }
  std::int64_t block_size = 1;
  for (int i = 0; i < axes; ++i)
    if (__builtin_mul_overflow(block_size, block[i], &block_size) || block_size > x.shape[1])
      return {StatusCode::invalid_argument, "Col2Im: the input's shape does not fit the image and block shapes"};
  if (x.shape[1] != out.shape[1] * block_size || x.shape[2] != blocks.numel())
    return {StatusCode::invalid_argument, "Col2Im: the input's shape does not fit the image and block shapes"};
  const std::uint64_t zero[2] = {};
  if (Status s = fill_view(out, zero, *c.parallel); !s) return s;
  std::int64_t none[kMaxRank] = {};
  for (std::int64_t n = 0; n < out.shape[0]; ++n)
    for (std::int64_t channel = 0; channel < out.shape[1]; ++channel) {
      std::int64_t in_block = 0;
      for (Walk<1> k(block, none); !k.done; k.next(), ++in_block) {
        std::int64_t column = 0;
        for (Walk<1> b(blocks, none); !b.done; b.next(), ++column) {
          std::int64_t to = n * out.stride[0] + channel * out.stride[1];
          bool inside = true;
          for (int i = 0; i < axes; ++i) {
            const std::int64_t at = b.index[i] * p.stride[i] + k.index[i] * p.dilation[i] - p.pad_begin[i];
            inside = inside && at >= 0 && at < out.shape[i + 2];
            to += at * out.stride[i + 2];
          }
          if (!inside) continue;
          const double v = access.load(
              x.data, n * x.stride[0] + (channel * block_size + in_block) * x.stride[1] + column * x.stride[2]);
          access.store(out.data, to, access.load(out.data, to) + v);
        }
      }
    }
  return {};
}

}  // namespace

extern const Kernel pad_ref = reference_kernel("pad_ref", "Pad", run_pad);
extern const Kernel center_crop_pad_ref = reference_kernel("center_crop_pad_ref", "CenterCropPad", run_center_crop_pad);
extern const Kernel reverse_sequence_ref =
    reference_kernel("reverse_sequence_ref", "ReverseSequence", run_reverse_sequence);
extern const Kernel trilu_ref = reference_kernel("trilu_ref", "Trilu", run_trilu);
extern const Kernel col2im_ref = reference_kernel("col2im_ref", "Col2Im", run_col2im);

}  // namespace monza::ops
