// Types of sequences and optionals, for those who make and merge them: their operators, branches and loops.
#pragma once

#include "ir/op.h"

namespace monza::ops {

/// A bound that is none: the planner refuses to make room for such a tensor.
inline constexpr std::int64_t kNoBound = std::int64_t{1} << 41;

/// The type of tensors in both: extents in which they differ vary, up to the larger bound. The kind is a's. Error when
/// element types differ.
ir::Type joined(const ir::Type& a, const ir::Type& b);
/// Extents along the axis differ among the tensors, up to the bound.
void set_varying(ir::Type& type, std::size_t axis, ir::Expr bound);
/// A list's type as the outside of a body sees it: extents that values decide become bounds.
ir::Type seen_outside(ir::Type list);
/// True if inputs' extents alone decide the expression, which then means the same inside and outside of a body.
bool only_symbols(const ir::Expr& e);
/// A value that is a sequence or optional.
bool is_list(const ir::Type& type);

}  // namespace monza::ops
