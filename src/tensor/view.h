// A view of a tensor's elements: what kernels read and write.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/macros.h"
#include "monza/dtype.h"
#include "tensor/shape.h"

namespace monza {

/// How the elements of a logical shape lie in memory.
///
/// Channel-last is no layout of its own: it is `strided` with stride 1 on axis 1 (see Port::channels_last).
/// The blocked layouts split axis 1 (channels) into blocks of 8 or 16 that lie innermost; the tail block
/// is padded with zeros. Their stride[1] is that of a whole block, stride[0], [2], ... as usual, and
/// the element stride inside a block is 1. `packed` belongs to one kernel's packing and has no strides.
enum class Layout : std::uint8_t { strided = 0, blocked8 = 1, blocked16 = 2, packed = 3 };

/// Non-owning. `shape` is logical (ONNX order) whatever the layout; strides count elements.
/// A view whose data is null and rank is negative stands for an absent optional input.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::invalid;
  Layout layout = Layout::strided;
  Shape shape;
  std::int64_t stride[kMaxRank] = {};

  MONZA_INLINE bool present() const { return dtype != DType::invalid; }
  template <typename T>
  MONZA_INLINE T* as() const {
    return static_cast<T*>(data);
  }
  /// Sets row-major strides for `shape`.
  MONZA_INLINE void set_dense() {
    std::int64_t s = 1;
    for (int i = shape.rank - 1; i >= 0; --i) {
      stride[i] = s;
      s *= shape.dim[i];
    }
  }
  /// Row-major without gaps; extents of 1 do not count, an empty tensor is dense.
  MONZA_INLINE bool dense() const {
    if (layout != Layout::strided) return false;
    std::int64_t s = 1;
    for (int i = shape.rank - 1; i >= 0; --i) {
      if (shape.dim[i] == 0) return true;
      if (shape.dim[i] != 1 && stride[i] != s) return false;
      s *= shape.dim[i];
    }
    return true;
  }
};

/// A dense view of `data`. Sub-byte types address element i within its byte by storage order.
TensorView dense_view(void* data, DType dtype, const Shape& shape);

}  // namespace monza
