// Moving elements: parameters. Fields of one struct have one width, so that equal parameters have equal bytes.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace monza {

/// Transpose(x): axis i of the output is axis perm[i] of x.
struct TransposeParams {
  std::int32_t rank = 0;
  std::int32_t perm[kMaxRank] = {};
};

/// Concat, Split, and others along one axis.
struct AxisParams {
  std::int32_t axis = 0;
};

/// Slice(x, starts?, ends?, axes?, steps?): out[.., k, ..] = x[.., start + k * step, ..] on the sliced axes.
struct SliceParams {
  std::int64_t count = 0;  ///< sliced axes; -1: read from the inputs while running
  std::int64_t axis[kMaxRank] = {};
  std::int64_t start[kMaxRank] = {};  ///< as written: may be negative or beyond the end
  std::int64_t step[kMaxRank] = {};
  std::int64_t reports = 0;  ///< 1: the kernel finds and reports the extents
};

/// Pad(x, pads?, value?, axes?): out has begin[i] elements before x on axis i; pads below 0 crop, before
/// what is left is repeated.
struct PadParams {
  enum class Mode : std::int64_t { constant = 0, reflect = 1, edge = 2, wrap = 3 };
  Mode mode = Mode::constant;
  std::int64_t known = 0;  ///< 0: begins are read from the inputs while running
  std::int64_t begin[kMaxRank] = {};
};

/// Pads beyond this belong to no tensor that fits an address space; below it no sum of pads and extents overflows.
inline constexpr std::int64_t kMostPad = std::int64_t{1} << 48;

/// What an axis repeats: pads below 0 crop first, elements [first, first + count) stay, `before` come before them.
struct PaddedAxis {
  std::int64_t first, count, before;

  PaddedAxis(std::int64_t begin, std::int64_t in, std::int64_t out)
      : first(begin < 0 ? -begin : 0), before(begin > 0 ? begin : 0) {
    const std::int64_t end = out - begin - in;
    count = in - first + (end < 0 ? end : 0);
  }
  /// Index of x that output index `i` reads.
  std::int64_t source(PadParams::Mode mode, std::int64_t i) const {
    i -= before;
    if (i >= 0 && i < count) return first + i;
    if (mode == PadParams::Mode::edge) return i < 0 ? first : first + count - 1;
    if (mode == PadParams::Mode::wrap) return first + ((i % count) + count) % count;
    if (count == 1) return first;
    const std::int64_t period = 2 * (count - 1), at = ((i % period) + period) % period;
    return first + (at < count ? at : period - at);
  }
};

/// Spatial axes that DepthToSpace and SpaceToDepth take.
inline constexpr int kBlockAxes = 3;

/// DepthToSpace and SpaceToDepth: blocks of block[0] x ... elements of [N, C, extents...], over 1 to 3 spatial axes.
struct BlockParams {
  std::int32_t spatial = 2;
  std::int32_t block[kBlockAxes] = {1, 1, 1};
  /// 1 (DepthToSpace "CRD"): channels outermost, then the axes of a block; 0 ("DCR"): a block's axes, then channels.
  std::int32_t channels_first = 0;
};

/// The elements of both sides by axes that either strides over: batch, channel, then of each spatial axis the position
/// of the block and the one within it.
struct BlockViews {
  TensorView deep, wide;
};
/// `deep` is [N, C * blocks, extents...], `wide` [N, C, extents * block...]; both strided.
MONZA_INLINE BlockViews block_views(const BlockParams& p, const TensorView& deep, const TensorView& wide) {
  BlockViews v{deep, wide};
  const std::int64_t channels = wide.shape[1];
  std::int64_t blocks = 1;
  for (int i = 0; i < p.spatial; ++i) blocks *= p.block[i];
  v.deep.shape.rank = v.wide.shape.rank = 2 + 2 * p.spatial;
  v.deep.shape[1] = channels;
  v.deep.stride[1] = deep.stride[1] * (p.channels_first ? blocks : 1);
  // Distance, in deep channels, of neighbours within a block.
  std::int64_t apart = p.channels_first ? 1 : channels;
  for (int i = p.spatial - 1; i >= 0; --i) {
    const int outer = 2 + 2 * i, inner = outer + 1;
    v.deep.shape[outer] = deep.shape[2 + i];
    v.deep.stride[outer] = deep.stride[2 + i];
    v.deep.shape[inner] = p.block[i];
    v.deep.stride[inner] = deep.stride[1] * apart;
    v.wide.stride[outer] = wide.stride[2 + i] * p.block[i];
    v.wide.stride[inner] = wide.stride[2 + i];
    apart *= p.block[i];
  }
  v.wide.shape = v.deep.shape;
  return v;
}

/// ReverseSequence(x, lengths): reverses the first lengths[b] elements of the time axis.
struct ReverseSequenceParams {
  std::int32_t batch_axis = 1;
  std::int32_t time_axis = 0;
};

/// Trilu(x, k?): keeps j - i >= k (upper) or j - i <= k.
struct TriluParams {
  std::int32_t upper = 1;
};

/// Shape(x): extents of axes [start, start + out.shape[0]).
struct ShapeParams {
  std::int32_t start = 0;
};

/// ConstantOfShape: the element as bits.
struct FillParams {
  std::uint64_t value[2] = {};
};

/// Range(start, limit, delta).
struct RangeParams {
  std::int64_t reports = 0;  ///< 1: the kernel finds and reports the extent
};

/// EyeLike(x): ones where column - row == k.
struct EyeParams {
  std::int64_t k = 0;
};

/// OneHot(indices, depth, values): the new axis of the output.
struct OneHotParams {
  std::int64_t axis = 0;
  std::int64_t reports = 0;  ///< 1: depth is a float read while running; the kernel reports it
};

/// Col2Im(x, image_shape, block_shape): image axes of the output, filled from overlapping blocks.
struct Col2ImParams {
  std::int64_t axes = 2;
  std::int64_t block[kMaxRank] = {};  ///< -1: read from the input while running
  std::int64_t dilation[kMaxRank] = {};
  std::int64_t pad_begin[kMaxRank] = {};
  std::int64_t stride[kMaxRank] = {};
  std::int64_t pad_end[kMaxRank] = {};
};

}  // namespace monza
