// Where a value's elements lie: storage, start and strides, all symbolic. Views are places in another's storage.
#pragma once

#include <optional>
#include <vector>

#include "ir/expr.h"
#include "ir/op.h"
#include "kernel/kernel.h"
#include "tensor/view.h"

namespace monza::plan {

struct Place {
  int storage = -1;
  Layout layout = Layout::strided;
  ir::Expr offset = 0;           ///< elements from the storage's begin
  std::vector<ir::Expr> stride;  ///< elements; for blocked layouts as TensorView says
};

/// Row-major strides.
std::vector<ir::Expr> dense_strides(const ir::SymShape& shape);
/// Channels (axis 1) innermost; rank below 3 is row-major.
std::vector<ir::Expr> channels_last_strides(const ir::SymShape& shape);
std::vector<ir::Expr> blocked_strides(const ir::SymShape& shape, std::int64_t block);

/// What the planner chooses between: results lie dense, channels last, or in blocks of 8 or 16 channels.
inline constexpr Port kForms[] = {Port::dense, Port::channels_last, Port::blocked8, Port::blocked16};
constexpr bool is_blocked(Port port) { return port == Port::blocked8 || port == Port::blocked16; }
/// A place, without a storage, of one of these forms; dense for ports that ask for none.
Place form_place(Port form, const ir::SymShape& shape);
/// The form that a place has, or is nearest to.
Port form_of(const Place& place, const ir::SymShape& shape);

bool is_dense(const Place& place, const ir::SymShape& shape);
bool is_channels_last(const Place& place, const ir::SymShape& shape);
/// A permutation of a dense layout: every element, no gaps, no repeats.
bool is_gap_free(const Place& place, const ir::SymShape& shape);
/// True if elements share memory, as those of an expanded view do: nothing may be written there.
bool repeats_elements(const Place& place, const ir::SymShape& shape);
/// Whether an operand lying so may be given to `port` (uniform: see the planner, which compares operands).
bool satisfies(Port port, const Place& place, const ir::SymShape& shape);
/// Same layout and strides, extents of 1 not counting.
bool same_form(const Place& a, const Place& b, const ir::SymShape& shape);

/// The offset of the element at `start` (one Expr an axis) relative to the place's own, or nullopt where it does not
/// begin a block of channels of a blocked layout.
std::optional<ir::Expr> offset_at(const Place& place, const std::vector<ir::Expr>& start);
/// The place of a view of `input`, or nullopt where strides cannot express it (a reshape of scattered elements).
std::optional<Place> view_of(const Place& input, const ir::SymShape& in_shape, const ir::SymShape& out_shape,
                             const ir::Alias& alias);

}  // namespace monza::plan
