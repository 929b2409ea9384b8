#include "tensor/storage.h"

#include <string>

#include "base/checked.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"

namespace monza {

std::string to_string(const Shape& shape) {
  if (shape.rank == 0) return "scalar";
  std::string text;
  for (int i = 0; i < shape.rank; ++i) text += (i ? "x" : "") + std::to_string(shape.dim[i]);
  return text;
}

TensorView dense_view(void* data, DType dtype, const Shape& shape) {
  TensorView view;
  view.data = data;
  view.dtype = dtype;
  view.shape = shape;
  view.set_dense();
  return view;
}

std::int64_t storage_bytes(DType dtype, const Shape& shape) {
  std::int64_t count = 1;
  for (int i = 0; i < shape.rank; ++i) {
    if (shape.dim[i] < 0) fail("extent {} of shape {} is negative", i, to_string(shape));
    count = checked_mul(count, shape.dim[i], "the element count");
  }
  if (is_block_encoding(dtype)) {
    const BlockEncoding& encoding = block_encoding(dtype);
    const std::int64_t row = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
    const std::int64_t rows = row > 0 ? count / row : 0;
    const std::int64_t blocks = checked_add(row, encoding.elements - 1, "the row length") / encoding.elements;
    // There are no more blocks than elements, whose number has been checked.
    return checked_mul(rows * blocks, encoding.bytes, "the tensor's size");
  }
  const int bits = dtype_bits(dtype);
  if (bits == 0) fail("{} has no storage", dtype_name(dtype));
  if (bits >= 8) return checked_mul(count, bits / 8, "the tensor's size");
  const int per_byte = 8 / bits;
  return checked_add(count, per_byte - 1, "the element count") / per_byte;
}

std::int64_t storage_bytes(DType dtype, const Shape& shape, Layout layout) {
  if (layout == Layout::strided) return storage_bytes(dtype, shape);
  if (layout == Layout::packed) fail("only a kernel knows the size of its packed form");
  if (shape.rank < 2) fail("a blocked layout needs a channel axis, shape {} has none", to_string(shape));
  const std::int64_t block = layout == Layout::blocked8 ? 8 : 16;
  Shape padded = shape;
  padded.dim[1] =
      checked_mul(checked_add(shape.dim[1], block - 1, "the channel count") / block, block, "the channel count");
  return storage_bytes(dtype, padded);
}

}  // namespace monza
