#include "plan/data/reach.h"

#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

bool add(std::int64_t& sum, std::int64_t value) noexcept { return !__builtin_add_overflow(sum, value, &sum); }

/// False when the extents, those of 0 taken as 1, have a product above kMostElements: strides are products too.
bool countable(const Shape& shape, bool* empty) noexcept {
  std::int64_t product = 1;
  for (int i = 0; i < shape.rank; ++i) {
    if (shape[i] < 0 || shape[i] > kMostElements) return false;
    *empty |= shape[i] == 0;
    if (__builtin_mul_overflow(product, shape[i] == 0 ? 1 : shape[i], &product) || product > kMostElements)
      return false;
  }
  return true;
}

/// Block encodings are only ever dense: rows of whole blocks.
std::int64_t reach_blocks(DType dtype, const Shape& shape, const std::int64_t* stride,
                          std::int64_t element_offset) noexcept {
  TensorView view;
  view.shape = shape;
  for (int i = 0; i < shape.rank; ++i) view.stride[i] = stride[i];
  if (element_offset != 0 || !view.dense()) return -1;
  const BlockEncoding& encoding = block_encoding(dtype);
  const std::int64_t row = shape.rank > 0 ? shape[shape.rank - 1] : 1;
  std::int64_t total = row / encoding.elements + (row % encoding.elements != 0 ? 1 : 0);
  for (int i = 0; i + 1 < shape.rank; ++i)
    if (__builtin_mul_overflow(total, shape[i], &total)) return -1;
  return __builtin_mul_overflow(total, encoding.bytes, &total) ? -1 : total;
}

}  // namespace

std::int64_t reach(DType dtype, Layout layout, const Shape& shape, const std::int64_t* stride,
                   std::int64_t element_offset) noexcept {
  // Kernels multiply extents: what a view repeats (strides of 0) must not overflow where its bytes do not.
  bool empty = false;
  if (!countable(shape, &empty)) return -1;
  if (layout == Layout::packed) return element_offset == 0 ? 0 : -1;
  const std::int64_t block = layout == Layout::blocked8 ? 8 : layout == Layout::blocked16 ? 16 : 1;
  if (block > 1 && shape.rank < 2) return -1;
  for (int i = 0; i < shape.rank; ++i)
    if (stride[i] < -kMostStride || stride[i] > kMostStride) return -1;
  if (empty) return 0;
  if (is_block_encoding(dtype))
    return layout == Layout::strided ? reach_blocks(dtype, shape, stride, element_offset) : -1;
  const std::int64_t bits = dtype_bits(dtype);
  if (bits == 0) return -1;

  std::int64_t low = element_offset, high = element_offset;
  for (int i = 0; i < shape.rank; ++i) {
    const std::int64_t last = i == 1 && block > 1 ? (shape[i] - 1) / block : shape[i] - 1;
    std::int64_t span;
    if (__builtin_mul_overflow(last, stride[i], &span)) return -1;
    if (!add(span < 0 ? low : high, span)) return -1;
  }
  if (low < 0 || !add(high, block)) return -1;
  std::int64_t total_bits;
  if (__builtin_mul_overflow(high, bits, &total_bits) || !add(total_bits, 7)) return -1;
  return total_bits / 8;
}

std::int64_t dense_reach(DType dtype, TensorView& view) noexcept {
  bool empty = false;
  if (!countable(view.shape, &empty)) return -1;
  view.set_dense();
  return reach(dtype, Layout::strided, view.shape, view.stride, 0);
}

}  // namespace monza::plan
