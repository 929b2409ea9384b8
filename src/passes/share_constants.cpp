// Constants of equal content, in the graph and in all bodies inside it, share one block of memory: the branches of an
// If often fold the same weights, and each block is stored once in the engine.
#include "base/hash.h"
#include "passes/constant_pool.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

/// Smaller ones are not worth the comparison.
constexpr std::size_t kSmallest = 1024;

void run_share_constants(ir::Graph& graph, PassContext&) { ConstantPool().share(graph); }

}  // namespace

void ConstantPool::share(ir::Graph& graph) {
  for (ir::ValueId id : graph.values()) {
    ir::Value& v = graph.value(id);
    if (!v.constant || v.constant->bytes.size() < kSmallest) continue;
    const auto bytes = v.constant->bytes;
    auto& list = seen_[hash64(bytes.first(kSmallest), bytes.size()) ^ hash64(bytes.last(kSmallest), 7)];
    bool found = false;
    for (const auto& block : list) {
      if (block != v.constant && !ir::same_content(*block, *v.constant)) continue;
      v.constant = block;
      found = true;
      break;
    }
    if (!found) list.push_back(v.constant);
  }
  for (ir::NodeId id : graph.order())
    for (const auto& body : graph.node(id).bodies) share(*body);
}

const Pass share_constants_pass{"share_constants", "equal constants of all bodies share their memory",
                                run_share_constants};

}  // namespace monza
