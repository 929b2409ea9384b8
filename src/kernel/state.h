// The state of sequences as kernels see it: a batch of them in one step, each in blocks of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/macros.h"
#include "monza/dtype.h"
#include "tensor/shape.h"

namespace monza {

/// How a state stores one position: `vectors` vectors of `width` elements, [heads, width] of keys or values. Whatever
/// the encoding, a position is one run of bytes, so that blocks are paged, shared, copied and cut without knowing it.
///   f32, f16, bf16 : the elements
///   i8             : a vector is its `width` elements q, rounded up to whole words, then their scale in f32; its
///                    elements are scale * q. The scale is the largest magnitude / 127; a vector with a NaN or an
///                    infinity is NaN.
struct StateFormat {
  DType dtype = DType::invalid;
  std::int64_t vectors = 0, width = 0;
  std::int64_t vector_bytes = 0;
  std::int64_t position_bytes = 0;
};

/// Whether states may hold it.
bool is_state_encoding(DType dtype);
/// For positions of shape `position`: its last axis is a vector's, and a scalar is one of width 1. Throws Error when
/// states do not hold the type, or the size overflows.
StateFormat make_state_format(DType dtype, const Shape& position);

/// One sequence of a batch: fixed-size blocks named by a table, so that paging, forking and truncating need no kernels.
struct StateRow {
  std::byte* const* blocks = nullptr;  ///< block table: blocks[i] holds positions [i * block_length, ...)
  std::int64_t length = 0;             ///< positions valid before this run
  std::int64_t appended = 0;           ///< positions written in this run so far: raised by the kernel that appends
  std::int64_t capacity = 0;           ///< positions the table reaches
};

/// One state of all sequences of a run.
struct StateView {
  StateRow* rows = nullptr;
  std::int64_t row_count = 0;
  /// Where the new positions of each row begin among those of the run (ragged): row r has [starts[r], starts[r + 1]) of
  /// the tensors' first axis. Null: there is one row, and all are its own.
  const std::int64_t* starts = nullptr;
  std::int64_t block_length = 0;  ///< positions a block holds
  StateFormat format;
};

/// Where row r's new positions begin and end, of `all` that the run has.
MONZA_INLINE std::int64_t new_begin(const StateView& s, std::int64_t r) {
  return s.starts != nullptr ? s.starts[r] : 0;
}
MONZA_INLINE std::int64_t new_end(const StateView& s, std::int64_t r, std::int64_t all) {
  return s.starts != nullptr ? s.starts[r + 1] : all;
}
/// Whether the rows' new positions are as many as the run has.
MONZA_INLINE bool covers_all(const StateView& s, std::int64_t all) {
  return s.starts == nullptr ? s.row_count == 1 : s.starts[s.row_count] == all;
}

/// The last row of the batch whose new positions begin at `position` or before.
MONZA_INLINE std::int64_t row_of(const StateView& s, std::int64_t position) {
  std::int64_t low = 0, high = s.row_count;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (new_begin(s, middle) <= position ? low : high) = middle;
  }
  return low;
}

MONZA_INLINE std::byte* position_at(const StateView& s, const StateRow& row, std::int64_t position) {
  return row.blocks[position / s.block_length] + position % s.block_length * s.format.position_bytes;
}

/// Of a vector in i8: where its scale lies.
MONZA_INLINE std::int64_t scale_offset(const StateFormat& format) {
  return format.vector_bytes - static_cast<std::int64_t>(sizeof(float));
}

}  // namespace monza
