// Small helpers that several passes use.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"
#include "monza/error.h"
#include "passes/pass.h"

namespace monza {

/// True if the operator has no effect on state, is not random and has no bodies: equal inputs give equal results.
bool is_pure(const ir::Node& node);
/// The only reader of a value that is no graph output, or null.
const ir::Node* only_user(const ir::Graph& graph, ir::ValueId id);
/// What a node that a pass adds stands for: the ONNX nodes that it comes from, and what is asked of its kernel.
struct Provenance {
  ir::OriginSet origins;
  Constraint constraint;
};
Provenance provenance_of(const ir::Node& node);
/// Of a node that stands for both; nullopt when no kernel could do what is asked of them together.
std::optional<Provenance> both(const Provenance& a, const Provenance& b);
inline constexpr const char* kNothingInCommon = "its nodes are bound to precisions or devices that have none in common";
/// Graph::insert_node for passes: what is asked of a node is asked of every node that takes its place.
const ir::Node& insert_node(ir::Graph& graph, ir::NodeId before, const ir::OpDef& op, std::vector<ir::ValueId> inputs,
                            ir::Attrs attrs, int output_count, const Provenance& from,
                            std::vector<std::unique_ptr<ir::Graph>>&& bodies = {});
/// Replaces `old` by `replacement` everywhere and removes the node that made it if nothing reads it any more.
void replace_value(ir::Graph& graph, ir::ValueId old, ir::ValueId replacement);
/// Removes the nodes that were added from `first_new` on, which nothing else reads yet.
void undo(ir::Graph& graph, ir::NodeId first_new);
/// For a rewrite at `node` that ended in `error` before it replaced anything: takes back what it has added and notes a
/// near miss; where the passes are strict it throws std::logic_error instead.
void give_up(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node, ir::NodeId first_new,
             const Error& error);
/// What `rewrite` returns, which adds nodes before it replaces any; false where inference refuses one of them.
template <typename F>
bool attempt(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node, F&& rewrite) {
  const ir::NodeId first_new = graph.model().next_node;
  try {
    return rewrite();
  } catch (const Error& error) {
    give_up(graph, context, what, node, first_new, error);
    return false;
  }
}
/// Lets each `second` take the place of its `first` everywhere, whatever their types, and infers what follows. Where
/// that is refused (the model is wrong in a way that only a run would have shown), all is as before, a near miss is
/// noted at `node`, and it returns false.
bool exchange(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node,
              const std::vector<std::pair<ir::ValueId, ir::ValueId>>& values);
/// The `shape` attribute of a Reshape from `from` to `to` (constants, 0 for an extent kept in place, one -1), or
/// nullopt if it takes more than constants to say.
std::optional<std::vector<std::int64_t>> reshape_target(const ir::SymShape& from, const ir::SymShape& to);
/// A plain element-moving copy of a constant: axis i of the result is axis perm[i] of the source. Null for
/// types whose elements are no whole bytes.
std::shared_ptr<const ir::Constant> transpose_constant(const ir::Constant& source,
                                                       const std::vector<std::int64_t>& perm);
/// The same elements under another shape.
std::shared_ptr<const ir::Constant> reshape_constant(const std::shared_ptr<const ir::Constant>& source,
                                                     const Shape& shape);

// The structural passes, one file each.
extern const Pass fold_constants_pass, fold_dequantized_pass, share_constants_pass, dead_code_pass,
    common_subexpressions_pass, shape_arithmetic_pass, identities_pass, reshapes_pass, transposes_pass,
    inline_branches_pass, known_sequences_pass, half_precision_pass, single_precision_pass;

}  // namespace monza
