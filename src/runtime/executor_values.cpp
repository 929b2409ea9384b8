// Strings, sequences and optionals: into the context's pool when a run starts, and out of it when it ends.
#include <algorithm>

#include "runtime/executor.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::runtime {
namespace {

static_assert(sizeof(StringRef) == sizeof(Handle), "an element of the caller's has the size of one of the plan's");

bool is_optional(const plan::ModelPort& port) noexcept {
  return port.kind == static_cast<std::uint8_t>(ValueKind::optional) ||
         port.kind == static_cast<std::uint8_t>(ValueKind::optional_sequence);
}

}  // namespace

void Executor::set_up_values(std::int64_t max_pool_bytes) {
  has_values_ = std::any_of(plan_.operands.begin(), plan_.operands.end(), [](const plan::Operand& o) {
    return o.base != plan::Base::none && (o.dtype == DType::string || o.dtype == DType::handle);
  });
  if (!has_values_) return;
  pool_memory_ = Region(std::max<std::int64_t>(max_pool_bytes, 0));
  values_ = ValuePool(plan_.strings, pool_memory_.data(), pool_memory_.bytes());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const plan::ModelPort& port = plan_.inputs[i];
    Shape largest;
    for (int a = 0; port.kind == 0 && a < port.rank; ++a) largest.dim[largest.rank++] = port.max[a];
    if (port.kind != 0 || port.dtype == DType::string)
      inputs_[i].own = program_->devices->list[0].device->allocate(
          std::max<std::int64_t>(storage_bytes(DType::handle, largest), sizeof(Handle)));
  }
}

Status Executor::bind_list(int index, std::span<const TensorRef> tensors) noexcept {
  failure_ = {};
  if (index < 0 || index >= static_cast<int>(inputs_.size())) return {StatusCode::invalid_argument, "no such input"};
  const plan::ModelPort& port = plan_.inputs[static_cast<std::size_t>(index)];
  Binding& b = inputs_[static_cast<std::size_t>(index)];
  place(b, nullptr, 0);
  failure_.port = index;
  if (port.kind == 0) return {StatusCode::invalid_argument, "the input is a tensor, not a sequence or optional"};
  if (port.kind == static_cast<std::uint8_t>(ValueKind::optional) && tensors.size() != 1)
    return {StatusCode::invalid_argument, "an optional of a tensor takes one tensor"};
  for (const TensorRef& t : tensors) {
    if (t.dtype != port.dtype)
      return {StatusCode::invalid_argument, "a tensor of the list has another type than the model's"};
    if (t.device != Device::cpu)
      return {StatusCode::invalid_argument, "a tensor of the list lies on a device: bind host memory"};
    if (t.shape.size() > kMaxRank) return {StatusCode::invalid_argument, "a tensor of the list has more than 8 axes"};
    std::int64_t bits = dtype_bits(t.dtype);
    for (const std::int64_t d : t.shape)
      if (d < 0 || __builtin_mul_overflow(bits, d, &bits))
        return {StatusCode::invalid_argument, "a tensor of the list has no size"};
    if (static_cast<std::uint64_t>(bits / 8 + (bits % 8 != 0)) > t.bytes || (t.data == nullptr && bits > 0))
      return {StatusCode::invalid_argument, "the memory of a tensor of the list is smaller than its shape says"};
  }
  b.list = tensors;
  b.absent = false;
  place(b, b.own.data, b.own.bytes);
  failure_ = {};
  return {};
}

Status Executor::bind_absent(int index) noexcept {
  failure_ = {};
  if (index < 0 || index >= static_cast<int>(inputs_.size())) return {StatusCode::invalid_argument, "no such input"};
  Binding& b = inputs_[static_cast<std::size_t>(index)];
  if (!is_optional(plan_.inputs[static_cast<std::size_t>(index)])) {
    failure_.port = index;
    return {StatusCode::invalid_argument, "the input is not an optional"};
  }
  b.list = {};
  b.absent = true;
  place(b, b.own.data, b.own.bytes);
  return {};
}

Status Executor::add_strings(const StringRef* strings, std::int64_t count, Handle* handles) noexcept {
  for (std::int64_t k = 0; k < count; ++k)
    if (Status s = values_.add(strings[k].view(), &handles[k]); !s) return s;
  return {};
}

Status Executor::load_list(Binding& b, const plan::ModelPort& port) noexcept {
  Handle& made = *reinterpret_cast<Handle*>(b.own.data);
  made = b.absent ? ValuePool::absent() : Handle{};
  for (const TensorRef& t : b.list) {
    Shape shape;
    for (const std::int64_t d : t.shape) shape.dim[shape.rank++] = d;
    TensorView view = dense_view(t.data, t.dtype, shape);
    if (port.dtype == DType::string) {
      Handle room;
      char* handles = nullptr;
      if (Status s = values_.make(shape.numel() * std::int64_t{sizeof(Handle)}, &room, &handles); !s) return s;
      view.data = handles;
      if (Status s = add_strings(t.as<StringRef>(), shape.numel(), view.as<Handle>()); !s) return s;
    }
    if (Status s = values_.insert(made, static_cast<std::int64_t>(made.size), view, memory_->team, &made); !s) return s;
  }
  return {};
}

Status Executor::load_values() noexcept {
  values_.reset();
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Binding& b = inputs_[i];
    const plan::ModelPort& port = plan_.inputs[i];
    Status status;
    if (port.kind != 0) status = load_list(b, port);
    else if (port.dtype == DType::string)
      status = add_strings(b.strings, b.shape.numel(), reinterpret_cast<Handle*>(b.own.data));
    if (!status) {
      failure_.port = static_cast<std::int32_t>(i);
      return status;
    }
  }
  return {};
}

/// Outputs of strings hold handles until here: the caller gets pointers.
Status Executor::store_values() noexcept {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const plan::ModelPort& port = plan_.outputs[i];
    if (port.kind != 0 || port.dtype != DType::string) continue;
    const TensorView v = output(static_cast<int>(i));
    const std::int64_t count = v.shape.numel();
    if (count < 0 || count > outputs_[i].bytes / std::int64_t{sizeof(Handle)})
      return {StatusCode::invalid_argument, "the memory bound to an output is too small for this run's shape"};
    for (std::int64_t k = 0; k < count; ++k) {
      std::string_view text;
      if (Status s = values_.read(v.as<Handle>()[k], &text); !s) return s;
      v.as<StringRef>()[k] = {text.data(), text.size()};
    }
  }
  return {};
}

std::int64_t Executor::output_length(int index) const noexcept {
  if (index < 0 || index >= static_cast<int>(outputs_.size())) return -1;
  const Handle& h = *reinterpret_cast<const Handle*>(outputs_[static_cast<std::size_t>(index)].data);
  return ValuePool::is_absent(h) ? -1 : static_cast<std::int64_t>(h.size);
}

Status Executor::output_element(int index, std::int64_t i, TensorView* tensor) const noexcept {
  if (index < 0 || index >= static_cast<int>(outputs_.size())) return {StatusCode::invalid_argument, "no such output"};
  return values_.element(*reinterpret_cast<const Handle*>(outputs_[static_cast<std::size_t>(index)].data), i, tensor);
}

}  // namespace monza::runtime
