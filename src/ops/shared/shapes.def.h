// Shape arithmetic that definitions share: axes, indicators, clamped indices, contents.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/op.h"

namespace monza::ops {

/// Axis in [0, rank); Error when `axis` lies outside [-rank, rank).
std::size_t axis_of(std::int64_t axis, std::size_t rank);
/// The same for a list; Error on a duplicate.
std::vector<std::size_t> axes_of(const std::vector<std::int64_t>& axes, std::size_t rank);

/// True or false where the sign of e is the same for all extents >= 0; nullopt where it may be either.
std::optional<bool> is_negative(const ir::Expr& e);
/// 1 where a == b, else 0, as an expression.
ir::Expr equals(const ir::Expr& a, const ir::Expr& b);
/// 1 where e < 0, else 0.
ir::Expr negative(const ir::Expr& e);
/// min and max that fold where the order is known for all extents.
ir::Expr smaller(const ir::Expr& a, const ir::Expr& b);
ir::Expr larger(const ir::Expr& a, const ir::Expr& b);
/// Extent of two axes that broadcast to each other, neither of them known: the larger, and 0 where either is 0 (against
/// 1). That an input's extent may be 0 is part of the formula only where the model's ranges say so.
ir::Expr broadcast_extent(const ir::Model& model, const ir::Expr& a, const ir::Expr& b);

/// The shape that shapes broadcast to by numpy's rules; reports the axis that disagrees through `c`.
ir::SymShape broadcast_shapes(const ir::InferContext& c, const std::vector<const ir::SymShape*>& shapes);

/// Integers that are an attribute `name`, or else the content of input `i` (which then must be present).
std::vector<ir::Expr> numbers(const ir::InferContext& c, std::string_view name, int i);
/// The one integer that is an attribute `name` or the content of input `i`; Error when there is another number of them.
ir::Expr one_number(const ir::InferContext& c, std::string_view name, int i);
/// The same as numbers() seen from a finished node: nullopt where neither is there or the content is not tracked.
std::optional<std::vector<ir::Expr>> numbers(const ir::NodeView& n, std::string_view name, int i);
/// Of an input alone.
std::optional<std::vector<ir::Expr>> numbers(const ir::NodeView& n, int i);
/// The values when all are constants.
std::optional<std::vector<std::int64_t>> all_constant(const std::vector<ir::Expr>& values);
std::optional<std::vector<std::int64_t>> constant_numbers(const ir::NodeView& n, std::string_view name, int i);
std::optional<std::vector<std::int64_t>> constant_numbers(const ir::NodeView& n, int i);

/// Whether the kernel finds an extent of the node's results while it runs (InferContext::new_extent).
bool reports_extents(const ir::NodeView& n);

/// Error, naming both, when two known extents differ.
void require_equal(const ir::Expr& a, const ir::Expr& b, std::string_view what);

/// Output 0 gets this type, and input 0's content in the same order where it is known.
void set_reordered(ir::InferContext& c, DType dtype, ir::SymShape shape);

/// Calls f(output index over axes) for every index of a static shape, in row-major order.
void for_each_index(const std::vector<std::int64_t>& extents,
                    const std::function<void(const std::vector<std::int64_t>&)>& f);
/// All extents, when they are constants.
std::optional<std::vector<std::int64_t>> static_shape(const ir::SymShape& shape);

}  // namespace monza::ops
