// Values whose size is not planned: the bytes of strings, and the tensors of sequences and optionals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernel/parallel.h"
#include "monza/status.h"
#include "tensor/view.h"

namespace monza {

/// What a plan moves around in place of a value of the pool: an element of a tensor of strings, or a sequence or an
/// optional (DType::handle). Values never change once made, so a copy of a handle is a copy of the value. All zeros is
/// the empty string and the empty sequence.
struct Handle {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;  ///< bytes of a string, or tensors of a sequence
};
static_assert(sizeof(Handle) == 16);

/// Memory of one context for the values of one run, handed out from front to back and taken back as a whole. Handles
/// are offsets into text that the plan holds and, behind it, into this memory; every one is checked when it is used,
/// so that a damaged plan reads no memory but the pool's. Not thread-safe; neither throws nor allocates.
class ValuePool {
 public:
  ValuePool() = default;
  ValuePool(std::span<const char> text, std::byte* memory, std::int64_t bytes)
      : text_(text), memory_(memory), bytes_(bytes) {}

  /// Forgets every value of the last run.
  void reset() noexcept { used_ = 0; }
  std::int64_t used() const noexcept { return used_; }

  /// The string's bytes, valid until reset(); a handle that names none fails.
  Status read(const Handle& string, std::string_view* text) const noexcept;
  /// A copy of `text`.
  Status add(std::string_view text, Handle* string) noexcept;
  /// Room for a string of `bytes` bytes that the caller fills at once.
  Status make(std::int64_t bytes, Handle* string, char** room) noexcept;

  /// An optional that holds nothing.
  static constexpr Handle absent() noexcept { return {~std::uint64_t{0}, 0}; }
  static constexpr bool is_absent(const Handle& h) noexcept { return h.begin == ~std::uint64_t{0}; }

  /// Tensor i of a sequence: dense, in the pool. Must not be written.
  Status element(const Handle& sequence, std::int64_t i, TensorView* tensor) const noexcept;
  /// The sequence with a copy of `tensor` (any strides) before position i, 0 <= i <= its length. At the end it takes
  /// constant time on average.
  Status insert(const Handle& sequence, std::int64_t i, const TensorView& tensor, Parallel& parallel,
                Handle* result) noexcept;
  Status erase(const Handle& sequence, std::int64_t i, Handle* result) noexcept;

 private:
  struct List;
  Status allocate(std::int64_t bytes, std::int64_t* offset) noexcept;
  /// The list behind a handle: null for the empty sequence.
  Status find(const Handle& sequence, List** list) const noexcept;
  Status make_list(std::int64_t capacity, Handle* handle, List** list) noexcept;
  Status store(const TensorView& tensor, Parallel& parallel, Handle* entry) noexcept;

  std::span<const char> text_;
  std::byte* memory_ = nullptr;
  std::int64_t bytes_ = 0, used_ = 0;
};

}  // namespace monza
