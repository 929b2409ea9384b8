#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/error.h"
#include "engine/run/engine_impl.h"
#include "monza/engine.h"
#include "tensor/storage.h"

namespace monza {

namespace {

std::int64_t bytes_of(DType dtype, std::span<const std::int64_t> shape) {
  if (shape.size() > kMaxRank) fail("a tensor of {} axes; at most {} are supported", shape.size(), kMaxRank);
  Shape s;
  s.rank = static_cast<std::int32_t>(shape.size());
  for (std::size_t a = 0; a < shape.size(); ++a) s.dim[a] = shape[a];
  return storage_bytes(dtype, s);
}

}  // namespace

Tensor::Tensor(DType dtype, std::vector<std::int64_t> shape) {
  const std::int64_t bytes = bytes_of(dtype, shape);
  const std::size_t rounded = (static_cast<std::size_t>(bytes) + 63) / 64 * 64;
  void* data = std::aligned_alloc(64, rounded == 0 ? 64 : rounded);
  if (data == nullptr) fail("no memory for a tensor of {} bytes", bytes);
  storage_ = std::shared_ptr<void>(data, std::free);
  std::memset(data, 0, static_cast<std::size_t>(bytes));
  ref_ = {dtype, std::move(shape), data, static_cast<std::size_t>(bytes)};
}

Tensor Engine::host_tensor(DType dtype, std::vector<std::int64_t> shape) const {
  if (dtype == DType::string) fail("strings are given as StringRefs, which no device copies");
  Tensor tensor;
  const std::int64_t bytes = bytes_of(dtype, shape);
  // The one device beside the host, if there is one: where there are several, the first knows what it likes.
  const auto& devices = impl_->profiles[0].program->devices->list;
  const backend::DeviceMemory memory = devices[devices.size() > 1 ? 1 : 0].device->allocate_on_host(bytes);
  tensor.ref_ = {dtype, std::move(shape), memory.data, static_cast<std::size_t>(bytes)};
  tensor.storage_ = std::shared_ptr<void>(memory.owner, memory.data);
  return tensor;
}

Tensor Tensor::of_strings(std::span<const std::string_view> strings, std::vector<std::int64_t> shape) {
  Tensor tensor(DType::string, std::move(shape));
  if (static_cast<std::int64_t>(strings.size()) != tensor.numel())
    fail("{} strings for a tensor of {} elements", strings.size(), tensor.numel());
  std::size_t bytes = 0;
  for (const std::string_view s : strings) bytes += s.size();
  // The elements and their text are kept together, so that copies of the tensor share both.
  struct Storage {
    std::shared_ptr<void> elements;
    std::unique_ptr<char[]> text;
  };
  auto storage = std::make_shared<Storage>(Storage{tensor.storage_, std::make_unique<char[]>(bytes)});
  char* to = storage->text.get();
  auto* element = tensor.as<StringRef>();
  for (const std::string_view s : strings) {
    if (!s.empty()) std::memcpy(to, s.data(), s.size());
    *element++ = {to, s.size()};
    to += s.size();
  }
  tensor.storage_ = std::shared_ptr<void>(std::move(storage), tensor.ref_.data);
  return tensor;
}

Tensor Tensor::copy_of(const TensorRef& ref) {
  if (ref.device != Device::cpu)
    fail_hint("copy it with that device's own calls",
              "a tensor of another device's memory cannot be copied by the host");
  Tensor copy(ref.dtype, ref.shape);
  if (ref.bytes < copy.bytes())
    fail("the tensor's memory of {} bytes is smaller than its shape says ({})", ref.bytes, copy.bytes());
  if (ref.dtype == DType::string) {
    std::vector<std::string_view> strings;
    for (std::int64_t i = 0; i < copy.numel(); ++i) strings.push_back(ref.as<StringRef>()[i].view());
    return of_strings(strings, ref.shape);
  }
  if (copy.bytes() > 0) std::memcpy(copy.ref_.data, ref.data, copy.bytes());
  return copy;
}

}  // namespace monza
