#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "ir/op.h"
#include "ir/register.h"

namespace monza {
namespace ops {
extern const ir::OpList* const op_table[];  // generated: one for each src/ops/<family>/<name>.def.cpp
extern const int op_table_count;
}  // namespace ops

namespace ir {
namespace {

void sort_by_name(std::vector<const OpDef*>& ops) {
  std::sort(ops.begin(), ops.end(), [](const OpDef* a, const OpDef* b) { return std::string_view(a->name) < b->name; });
}

/// Those of this binary.
const std::vector<const OpDef*>& own_ops() {
  static const std::vector<const OpDef*> sorted = [] {
    std::vector<const OpDef*> ops;
    for (int i = 0; i < ops::op_table_count; ++i)
      for (const OpDef& op : ops::op_table[i]->ops) ops.push_back(&op);
    sort_by_name(ops);
    return ops;
  }();
  return sorted;
}

/// Those of loaded plugins.
struct Added {
  std::mutex mutex;
  std::map<std::string_view, const OpDef*> by_name;
};

Added& added() {
  static Added* const ops = new Added;  // threads may ask until the process ends
  return *ops;
}

}  // namespace

void add_op(const OpDef& op) {
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  a.by_name.emplace(op.name, &op);
}

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> ops = own_ops();
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  for (const auto& [name, op] : a.by_name) ops.push_back(op);
  sort_by_name(ops);
  return ops;
}

const OpDef* find_op(std::string_view name) {
  const std::vector<const OpDef*>& own = own_ops();
  const auto it =
      std::lower_bound(own.begin(), own.end(), name, [](const OpDef* op, std::string_view n) { return op->name < n; });
  if (it != own.end() && (*it)->name == name) return *it;
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  const auto plugin = a.by_name.find(name);
  return plugin == a.by_name.end() ? nullptr : plugin->second;
}

const OpDef& get_op(std::string_view name) {
  if (const OpDef* op = find_op(name)) return *op;
  fail("there is no operator '{}'", name);
}

}  // namespace ir
}  // namespace monza
