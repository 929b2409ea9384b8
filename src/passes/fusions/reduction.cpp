#include "passes/fusions/reduction.h"

#include <algorithm>

namespace monza {

std::optional<std::int64_t> reduced_tail(const ir::Graph& graph, const ir::Node& reduce) {
  const auto rank = static_cast<std::int64_t>(graph.value(reduce.inputs[0]).type.rank());
  if (reduce.attrs.i("keepdims", 1) == 0) return std::nullopt;
  std::vector<std::int64_t> axes = reduce.attrs.ints("axes");
  if (reduce.inputs.size() > 1 && reduce.inputs[1] != ir::kNone) {
    const ir::Constant* c = graph.value(reduce.inputs[1]).constant.get();
    if (c == nullptr) return std::nullopt;
    axes = ir::to_ints(*c);
  }
  if (axes.empty()) return std::nullopt;
  for (std::int64_t& a : axes) a = a < 0 ? a + rank : a;
  std::sort(axes.begin(), axes.end());
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != rank - static_cast<std::int64_t>(axes.size()) + static_cast<std::int64_t>(i)) return std::nullopt;
  return axes[0];
}

}  // namespace monza
