#include "ops/shared/lists.def.h"

#include <algorithm>
#include <utility>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {

using ir::Elements;
using ir::Expr;
using ir::ValueKind;

bool is_list(const ir::Type& type) {
  return type.kind == ValueKind::sequence || type.kind == ValueKind::optional ||
         type.kind == ValueKind::optional_sequence;
}

bool only_symbols(const Expr& e) {
  bool only = true;
  ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<Expr> {
    only = only && atom.kind == ir::AtomKind::symbol;
    return std::nullopt;
  });
  return only;
}

namespace {

/// Greatest value of an extent whatever the symbols are; kNoBound where they decide.
std::int64_t greatest(const Expr& e) {
  const ir::AtomRange any = [&](const ir::Atom& atom) -> ir::Interval {
    if (atom.kind == ir::AtomKind::extent) return {0, greatest(atom.args[0])};
    return {0, kNoBound};
  };
  return std::min(ir::range(e, any).high, kNoBound);
}

}  // namespace

void set_varying(ir::Type& type, std::size_t axis, Expr bound) {
  type.varying |= static_cast<std::uint8_t>(1u << axis);
  type.shape[axis] = std::move(bound);
}

ir::Type seen_outside(ir::Type list) {
  for (std::size_t a = 0; a < list.rank(); ++a)
    if (!only_symbols(list.shape[a])) set_varying(list, a, greatest(list.shape[a]));
  return list;
}

ir::Type joined(const ir::Type& a, const ir::Type& b) {
  if (a.dtype != b.dtype)
    fail("tensors of {} and of {} do not go into one sequence", dtype_name(a.dtype), dtype_name(b.dtype));
  ir::Type type = a.elements == Elements::none ? b : a;
  type.kind = a.kind;
  if (a.elements == Elements::none || b.elements == Elements::none) return type;
  if (a.elements == Elements::unknown || b.elements == Elements::unknown || a.rank() != b.rank()) {
    type.elements = Elements::unknown;
    type.shape.clear();
    type.varying = 0;
    return type;
  }
  type.varying = static_cast<std::uint8_t>(a.varying | b.varying);
  for (std::size_t axis = 0; axis < a.rank(); ++axis) {
    const Expr &x = a.shape[axis], &y = b.shape[axis];
    if (x == y) continue;
    const bool symbols = only_symbols(x) && only_symbols(y);
    set_varying(type, axis, symbols ? larger(x, y) : Expr(std::max(greatest(x), greatest(y))));
  }
  return type;
}

}  // namespace monza::ops
