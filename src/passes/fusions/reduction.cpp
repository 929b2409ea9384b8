#include "passes/fusions/reduction.h"

#include <algorithm>

#include "ir/op.h"

namespace monza {

std::vector<std::int64_t> kept_axes(const ir::Graph& graph, const ir::Node& reduce, ir::ValueId x) {
  const auto rank = static_cast<std::int64_t>(graph.value(reduce.inputs[0]).type.rank());
  if (attrs_of(reduce).i("keepdims") == 0 || rank != static_cast<std::int64_t>(graph.value(x).type.rank())) return {};
  std::vector<std::int64_t> axes = attrs_of(reduce).ints("axes");
  if (reduce.inputs.size() > 1 && reduce.inputs[1] != ir::kNone) {
    const ir::Constant* c = graph.value(reduce.inputs[1]).constant.get();
    if (c == nullptr) return {};
    axes = ir::to_ints(*c);
  }
  for (std::int64_t& a : axes) a = a < 0 ? a + rank : a;
  std::sort(axes.begin(), axes.end());
  return axes;
}

std::optional<std::int64_t> reduced_tail(const ir::Graph& graph, const ir::Node& reduce, ir::ValueId x) {
  const std::vector<std::int64_t> axes = kept_axes(graph, reduce, x);
  const auto rank = static_cast<std::int64_t>(graph.value(x).type.rank()),
             count = static_cast<std::int64_t>(axes.size());
  if (axes.empty()) return std::nullopt;
  for (std::int64_t i = 0; i < count; ++i)
    if (axes[static_cast<std::size_t>(i)] != rank - count + i) return std::nullopt;
  return axes[0];
}

}  // namespace monza
