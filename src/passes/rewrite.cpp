#include "passes/rewrite.h"

#include <fmt/core.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "tensor/dtype.h"

namespace monza {

bool is_pure(const ir::Node& node) {
  return node.bodies.empty() && !ir::has(node.op->flags, ir::OpFlag::effect) &&
         !ir::has(node.op->flags, ir::OpFlag::control);
}

const ir::Node* only_user(const ir::Graph& graph, ir::ValueId id) {
  if (graph.is_output(id) || graph.user_count(id) != 1) return nullptr;
  return &graph.node(graph.users(id)[0]);
}

void replace_value(ir::Graph& graph, ir::ValueId old, ir::ValueId replacement) {
  const ir::Node* node = graph.producer(old);
  graph.replace_uses(old, replacement);
  if (node == nullptr) return;
  for (ir::ValueId v : node->outputs)
    if (graph.is_used(v)) return;
  const std::string name = graph.value(old).name;
  graph.remove_node(node->id);
  ir::Value& heir = graph.value(replacement);
  if (heir.name.empty()) heir.name = name;
}

void undo(ir::Graph& graph, ir::NodeId first_new) {
  for (ir::NodeId id = graph.model().next_node; id-- > first_new;)
    if (graph.has_node(id)) graph.remove_node(id);
}

void give_up(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node, ir::NodeId first_new,
             const Error& error) {
  const ir::Node& at = std::as_const(graph).node(node);
  // What has a hint is a limit of the model, no fault of the guard.
  if (context.options().strict && error.hint().empty())
    throw std::logic_error(fmt::format("the rewrite '{}' at {} cannot be made, which its guard should have known: {}",
                                       what, ir::describe(graph, at), error.what()));
  // The fact alone: the rest says where the new node came from.
  context.near_miss(what, graph, at, "the new node is refused: " + error.fact().substr(0, error.fact().find('\n')));
  undo(graph, first_new);
}

std::optional<std::vector<std::int64_t>> reshape_target(const ir::SymShape& from, const ir::SymShape& to) {
  std::vector<std::int64_t> target;
  bool wild = false;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (auto c = to[i].try_constant(); c && *c > 0) {
      target.push_back(*c);
    } else if (i < from.size() && from[i] == to[i]) {
      target.push_back(0);
    } else if (!c && !wild) {
      target.push_back(-1);
      wild = true;
    } else {
      return std::nullopt;
    }
  }
  return target;
}

std::shared_ptr<const ir::Constant> transpose_constant(const ir::Constant& source,
                                                       const std::vector<std::int64_t>& perm) {
  const int bits = dtype_bits(source.dtype);
  if (source.dtype == DType::string || bits < 8 || static_cast<int>(perm.size()) != source.shape.rank) return nullptr;
  const std::size_t size = static_cast<std::size_t>(bits) / 8;
  Shape shape;
  shape.rank = source.shape.rank;
  std::int64_t stride[kMaxRank] = {}, step[kMaxRank] = {}, s = 1;
  for (int i = shape.rank; i-- > 0;) {
    stride[i] = s;
    s *= source.shape[i];
  }
  for (int i = 0; i < shape.rank; ++i) {
    shape.dim[i] = source.shape[static_cast<int>(perm[static_cast<std::size_t>(i)])];
    step[i] = stride[perm[static_cast<std::size_t>(i)]];
  }
  auto [result, bytes] = ir::allocate_constant(source.dtype, shape);
  const std::int64_t count = shape.numel();
  std::int64_t at[kMaxRank] = {}, from = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    std::memcpy(bytes.data() + static_cast<std::size_t>(n) * size,
                source.bytes.data() + static_cast<std::size_t>(from) * size, size);
    for (int i = shape.rank; i-- > 0;) {
      from += step[i];
      if (++at[i] < shape[i]) break;
      from -= step[i] * shape[i];
      at[i] = 0;
    }
  }
  return result;
}

std::shared_ptr<const ir::Constant> reshape_constant(const std::shared_ptr<const ir::Constant>& source,
                                                     const Shape& shape) {
  auto copy = std::make_shared<ir::Constant>(*source);
  copy->shape = shape;
  return copy;
}

}  // namespace monza
