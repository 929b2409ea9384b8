// Moving elements: parameters. Fields of one struct have one width, so that equal parameters have equal bytes.
#pragma once

#include <cstdint>

#include "tensor/shape.h"

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

/// DepthToSpace and SpaceToDepth: blocks of block x block pixels of [N, C, H, W].
struct BlockParams {
  std::int32_t block = 1;
  /// 1 (DepthToSpace "CRD"): channels outermost, block rows, block columns; 0 ("DCR"): rows, columns, channels.
  std::int32_t channels_first = 0;
};

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
