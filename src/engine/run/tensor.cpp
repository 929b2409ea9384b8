#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"
#include "monza/engine.h"
#include "tensor/storage.h"

namespace monza {

Tensor::Tensor(DType dtype, std::vector<std::int64_t> shape) {
  if (shape.size() > kMaxRank) fail("a tensor of {} axes; at most {} are supported", shape.size(), kMaxRank);
  Shape s;
  s.rank = static_cast<std::int32_t>(shape.size());
  for (std::size_t a = 0; a < shape.size(); ++a) s.dim[a] = shape[a];
  const std::int64_t bytes = storage_bytes(dtype, s);
  const std::size_t rounded = (static_cast<std::size_t>(bytes) + 63) / 64 * 64;
  void* data = std::aligned_alloc(64, rounded == 0 ? 64 : rounded);
  if (data == nullptr) fail("no memory for a tensor of {} bytes", bytes);
  storage_ = std::shared_ptr<void>(data, std::free);
  std::memset(data, 0, static_cast<std::size_t>(bytes));
  ref_ = {dtype, std::move(shape), data, static_cast<std::size_t>(bytes)};
}

Tensor Tensor::copy_of(const TensorRef& ref) {
  Tensor copy(ref.dtype, ref.shape);
  if (ref.bytes < copy.bytes())
    fail("the tensor's memory of {} bytes is smaller than its shape says ({})", ref.bytes, copy.bytes());
  if (copy.bytes() > 0) std::memcpy(copy.ref_.data, ref.data, copy.bytes());
  return copy;
}

}  // namespace monza
