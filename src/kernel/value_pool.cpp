#include "kernel/value_pool.h"

#include <algorithm>
#include <cstring>

#include "kernel/copy.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

constexpr Status kNoString{StatusCode::internal, "a handle names no string of this run"};
constexpr Status kNoSequence{StatusCode::internal, "a handle names no sequence of this run"};
constexpr Status kFull{StatusCode::resource_exhausted,
                       "strings and sequences of this run take more than the context's max_pool_bytes"};
constexpr std::int64_t kAlignment = 16;

/// What lies before a tensor's elements in the pool.
struct alignas(kAlignment) Element {
  DType dtype = DType::invalid;
  std::int32_t rank = 0;
  std::int64_t extent[kMaxRank] = {};
};

/// Bytes of dense elements; -1 when that overflows or the type has none.
std::int64_t dense_bytes(DType dtype, const Shape& shape) noexcept {
  const std::int64_t bits = dtype_bits(dtype);
  if (bits <= 0 || shape.rank < 0 || shape.rank > kMaxRank) return -1;
  std::int64_t total = bits;
  for (int a = 0; a < shape.rank; ++a)
    if (shape[a] < 0) return -1;
  for (int a = 0; a < shape.rank; ++a)
    if (__builtin_mul_overflow(total, shape[a], &total)) return -1;
  return total > INT64_MAX - 7 ? -1 : (total + 7) / 8;
}

}  // namespace

/// Tensors of a sequence in order. Sequences that begin alike share a list: one is as long as its handle says, and
/// only the longest can grow in place.
struct ValuePool::List {
  std::int64_t capacity, used;
  Handle* entries() { return reinterpret_cast<Handle*>(this + 1); }
};

Status ValuePool::allocate(std::int64_t bytes, std::int64_t* offset) noexcept {
  if (bytes > bytes_ - used_) return kFull;
  *offset = used_;
  used_ += std::min(bytes_ - used_, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return {};
}

Status ValuePool::read(const Handle& string, std::string_view* text) const noexcept {
  *text = {};
  if (string.size == 0) return {};
  const std::uint64_t held = text_.size();
  if (string.begin < held) {
    if (string.size > held - string.begin) return kNoString;
    *text = {text_.data() + string.begin, string.size};
    return {};
  }
  const std::uint64_t at = string.begin - held, used = static_cast<std::uint64_t>(used_);
  if (at > used || string.size > used - at) return kNoString;
  *text = {reinterpret_cast<const char*>(memory_) + at, string.size};
  return {};
}

Status ValuePool::make(std::int64_t bytes, Handle* string, char** room) noexcept {
  *string = {};
  *room = nullptr;
  if (bytes == 0) return {};
  std::int64_t at = 0;
  if (bytes < 0) return kFull;
  if (Status s = allocate(bytes, &at); !s) return s;
  *string = {text_.size() + static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(bytes)};
  *room = reinterpret_cast<char*>(memory_) + at;
  return {};
}

Status ValuePool::add(std::string_view text, Handle* string) noexcept {
  char* room = nullptr;
  if (Status s = make(static_cast<std::int64_t>(text.size()), string, &room); !s) return s;
  if (!text.empty()) std::memmove(room, text.data(), text.size());
  return {};
}

Status ValuePool::find(const Handle& sequence, List** list) const noexcept {
  *list = nullptr;
  if (sequence.size == 0) return is_absent(sequence) ? kNoSequence : Status{};
  const std::uint64_t at = sequence.begin - text_.size(), used = static_cast<std::uint64_t>(used_);
  if (sequence.begin < text_.size() || at % kAlignment != 0 || at > used || used - at < sizeof(List))
    return kNoSequence;
  auto* found = reinterpret_cast<List*>(memory_ + at);
  const auto room = static_cast<std::int64_t>((used - at - sizeof(List)) / sizeof(Handle));
  if (found->capacity > room || found->used < 0 || found->used > found->capacity ||
      sequence.size > static_cast<std::uint64_t>(found->used))
    return kNoSequence;
  *list = found;
  return {};
}

Status ValuePool::make_list(std::int64_t capacity, Handle* handle, List** list) noexcept {
  std::int64_t at = 0;
  if (capacity > bytes_ / std::int64_t{sizeof(Handle)}) return kFull;
  if (Status s = allocate(std::int64_t{sizeof(List)} + capacity * std::int64_t{sizeof(Handle)}, &at); !s) return s;
  *list = reinterpret_cast<List*>(memory_ + at);
  **list = {capacity, 0};
  *handle = {text_.size() + static_cast<std::uint64_t>(at), 0};
  return {};
}

Status ValuePool::store(const TensorView& tensor, Parallel& parallel, Handle* entry) noexcept {
  const std::int64_t bytes = dense_bytes(tensor.dtype, tensor.shape);
  if (bytes < 0 || bytes > bytes_) return kFull;
  std::int64_t at = 0;
  if (Status s = allocate(std::int64_t{sizeof(Element)} + bytes, &at); !s) return s;
  auto* element = reinterpret_cast<Element*>(memory_ + at);
  *element = {tensor.dtype, tensor.shape.rank, {}};
  for (int a = 0; a < tensor.shape.rank; ++a) element->extent[a] = tensor.shape[a];
  *entry = {static_cast<std::uint64_t>(at), sizeof(Element) + static_cast<std::uint64_t>(bytes)};
  if (bytes == 0) return {};
  TensorView copy = tensor;
  copy.data = element + 1;
  copy.layout = Layout::strided;
  copy.set_dense();
  return copy_view(tensor, copy, parallel);
}

Status ValuePool::element(const Handle& sequence, std::int64_t i, TensorView* tensor) const noexcept {
  List* list = nullptr;
  if (Status s = find(sequence, &list); !s) return s;
  if (i < 0 || static_cast<std::uint64_t>(i) >= sequence.size)
    return {StatusCode::out_of_range, "a position lies outside the sequence"};
  const Handle entry = list->entries()[i];
  const auto used = static_cast<std::uint64_t>(used_);
  if (entry.begin % kAlignment != 0 || entry.begin > used || entry.size > used - entry.begin ||
      entry.size < sizeof(Element))
    return kNoSequence;
  const auto* element = reinterpret_cast<const Element*>(memory_ + entry.begin);
  *tensor = {};
  tensor->dtype = element->dtype;
  tensor->shape.rank = element->rank;
  if (element->rank < 0 || element->rank > kMaxRank) return kNoSequence;
  for (int a = 0; a < element->rank; ++a) tensor->shape[a] = element->extent[a];
  const std::int64_t bytes = dense_bytes(tensor->dtype, tensor->shape);
  if (bytes < 0 || static_cast<std::uint64_t>(bytes) > entry.size - sizeof(Element)) return kNoSequence;
  tensor->data = const_cast<Element*>(element + 1);
  tensor->set_dense();
  return {};
}

Status ValuePool::insert(const Handle& sequence, std::int64_t i, const TensorView& tensor, Parallel& parallel,
                         Handle* result) noexcept {
  List* list = nullptr;
  if (Status s = find(sequence, &list); !s) return s;
  const auto length = static_cast<std::int64_t>(sequence.size);
  if (i < 0 || i > length) return {StatusCode::out_of_range, "a position lies outside the sequence"};
  Handle entry;
  if (Status s = store(tensor, parallel, &entry); !s) return s;
  Handle made = sequence;
  if (i != length || list == nullptr || list->used != length || list->used == list->capacity) {
    List* longer = nullptr;
    if (Status s = make_list(std::max<std::int64_t>(4, 2 * (length + 1)), &made, &longer); !s) return s;
    for (std::int64_t k = 0; k < i; ++k) longer->entries()[k] = list->entries()[k];
    for (std::int64_t k = i; k < length; ++k) longer->entries()[k + 1] = list->entries()[k];
    list = longer;
  }
  list->entries()[i] = entry;
  list->used = length + 1;
  *result = {made.begin, sequence.size + 1};
  return {};
}

Status ValuePool::erase(const Handle& sequence, std::int64_t i, Handle* result) noexcept {
  List *list = nullptr, *shorter = nullptr;
  if (Status s = find(sequence, &list); !s) return s;
  const auto length = static_cast<std::int64_t>(sequence.size);
  if (i < 0 || i >= length) return {StatusCode::out_of_range, "a position lies outside the sequence"};
  if (i == length - 1) {
    *result = {length > 1 ? sequence.begin : 0, sequence.size - 1};
    return {};
  }
  Handle made;
  if (Status s = make_list(length - 1, &made, &shorter); !s) return s;
  for (std::int64_t k = 0, to = 0; k < length; ++k)
    if (k != i) shorter->entries()[to++] = list->entries()[k];
  shorter->used = length - 1;
  *result = {made.begin, sequence.size - 1};
  return {};
}

}  // namespace monza
