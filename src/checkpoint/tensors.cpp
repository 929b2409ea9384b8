#include "checkpoint/tensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "checkpoint/tensor_names.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::checkpoint {
namespace {

using Bytes = std::vector<std::byte>;

/// The same type and no file: `bytes` are the tensor's own.
gguf::TensorInfo own(const gguf::TensorInfo& like, const Shape& shape, Bytes bytes) {
  const auto kept = std::make_shared<const Bytes>(std::move(bytes));
  return {.name = {}, .dtype = like.dtype, .shape = shape, .bytes = *kept, .file = nullptr, .owner = kept};
}

/// [rows, columns] as [columns, rows].
gguf::TensorInfo transposed(const gguf::TensorInfo& t) {
  const auto size = static_cast<std::size_t>(dtype_bits(t.dtype) / 8), rows = static_cast<std::size_t>(t.shape[0]),
             columns = static_cast<std::size_t>(t.shape[1]);
  Bytes bytes(t.bytes.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c)
      std::memcpy(bytes.data() + (c * rows + r) * size, t.bytes.data() + (r * columns + c) * size, size);
  return own(t, Shape{t.shape[1], t.shape[0]}, std::move(bytes));
}

/// The format lets a tensor lie at any byte; elements are read where theirs do.
bool is_aligned(const safetensors::Tensor& t) {
  const auto size = static_cast<std::uintptr_t>(std::max(dtype_bits(t.dtype) / 8, 1));
  return reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size == 0;
}

bool is_norm(std::string_view name) { return name.ends_with("_norm.weight"); }

}  // namespace

void TensorPlacer::place(std::string_view name, const safetensors::Tensor& tensor,
                         const std::shared_ptr<const MappedFile>& file) {
  const auto ours = our_name(architecture_, name);
  if (!ours) return;
  gguf::TensorInfo t{
      .name = {}, .dtype = tensor.dtype, .shape = tensor.shape, .bytes = tensor.bytes, .file = file, .owner = nullptr};
  if (!is_aligned(tensor)) t = own(t, t.shape, Bytes(tensor.bytes.begin(), tensor.bytes.end()));
  if (ours->expert >= 0) {
    experts_[ours->name][ours->expert] = t;
  } else if (architecture_.norm_offset != 0 && is_norm(ours->name) && is_float(t.dtype)) {
    std::vector<float> values(static_cast<std::size_t>(t.shape.numel()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(element_access(t.dtype).load(t.bytes.data(), static_cast<std::int64_t>(i))) +
                  architecture_.norm_offset;
    to_.set_tensor(ours->name, t.shape, std::move(values));
  } else if (architecture_.transposed && t.shape.rank == 2 && !ours->name.ends_with("embd.weight")) {
    to_.set_tensor(ours->name, transposed(t));
  } else {
    to_.set_tensor(ours->name, t);
  }
}

void TensorPlacer::finish() {
  for (const auto& [name, parts] : experts_) {
    const gguf::TensorInfo& first = parts.begin()->second;
    if (first.shape.rank != 2) fail("tensor '{}' of an expert has shape {}", name, to_string(first.shape));
    Bytes bytes;
    std::int64_t next = 0;
    for (const auto& [expert, part] : parts) {
      if (expert != next++) fail("tensor '{}' of expert {} is missing", name, next - 1);
      if (part.dtype != first.dtype || !(part.shape == first.shape))
        fail("tensor '{}' of expert {} is {} {}, that of expert 0 {} {}", name, expert, dtype_name(part.dtype),
             to_string(part.shape), dtype_name(first.dtype), to_string(first.shape));
      bytes.insert(bytes.end(), part.bytes.begin(), part.bytes.end());
    }
    to_.set_tensor(name, own(first, Shape{next, first.shape[0], first.shape[1]}, std::move(bytes)));
  }
}

}  // namespace monza::checkpoint
