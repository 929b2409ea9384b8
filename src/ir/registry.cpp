#include <algorithm>

#include "base/error.h"
#include "ir/op.h"

namespace monza {
namespace ops {
extern const ir::OpList* const op_table[];  // generated: one for each src/ops/<family>/<name>.def.cpp
extern const int op_table_count;
}  // namespace ops

namespace ir {

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> ops;
  for (int i = 0; i < ops::op_table_count; ++i)
    for (const OpDef& op : ops::op_table[i]->ops) ops.push_back(&op);
  std::sort(ops.begin(), ops.end(), [](const OpDef* a, const OpDef* b) { return std::string_view(a->name) < b->name; });
  return ops;
}

const OpDef* find_op(std::string_view name) {
  static const std::vector<const OpDef*> sorted = all_ops();
  const auto it = std::lower_bound(sorted.begin(), sorted.end(), name,
                                   [](const OpDef* op, std::string_view n) { return op->name < n; });
  return it != sorted.end() && (*it)->name == name ? *it : nullptr;
}

const OpDef& get_op(std::string_view name) {
  if (const OpDef* op = find_op(name)) return *op;
  fail("there is no operator '{}'", name);
}

}  // namespace ir
}  // namespace monza
