// The graph: pure SSA values and nodes, with nested bodies for control flow.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attrs.h"
#include "ir/constant.h"
#include "ir/expr.h"
#include "monza/constraint.h"
#include "monza/dtype.h"
#include "monza/limits.h"

namespace monza::ir {

struct OpDef;
class Graph;

using ValueId = std::uint32_t;  ///< unique over a graph and all its bodies
using NodeId = std::uint32_t;
inline constexpr ValueId kNone = 0xffffffffu;  ///< an absent optional input; also "no producer"

/// What kind of thing a value is. State is the only mutable kind: it names storage of a sequence object.
enum class ValueKind : std::uint8_t { tensor, sequence, optional, state, optional_sequence };

/// What is known of the shapes of the tensors in a sequence or an optional.
enum class Elements : std::uint8_t {
  shaped,   ///< all have the rank of Type::shape
  unknown,  ///< they may be of any rank
  none,     ///< there is none yet: an empty sequence
};

/// Type of a value: element type and symbolic shape (for sequence and optional: of their elements).
struct Type {
  DType dtype = DType::invalid;
  SymShape shape;
  ValueKind kind = ValueKind::tensor;
  Elements elements = Elements::shaped;
  std::uint8_t varying = 0;  ///< bit a: the elements differ along axis a, and shape[a] is the bound of all
  std::size_t rank() const { return shape.size(); }
  friend bool operator==(const Type&, const Type&) = default;
};
/// "f32[batch,3,224,224]"
std::string to_string(const Type& type);

/// Where nodes and values came from: sorted ids into the model's origin table. Never empty in a verified graph.
using OriginSet = std::vector<std::uint32_t>;
/// The union. Beyond kMaxOrigins the first ones stay: a node made of more is found by any of them.
OriginSet merge(const OriginSet& a, const OriginSet& b);
inline constexpr std::size_t kMaxOrigins = 256;

/// One ONNX node, initializer or input that the user can find in the model.
struct Origin {
  std::string name;     ///< the ONNX node's name, or that of its first output
  std::string op_type;  ///< "Conv"; "initializer" or "input" for values
};

/// Elements of a float tensor of shape arithmetic that are no whole numbers: numerators over one divisor above 1.
/// Floats hold them exactly where the divisor is a power of two, else (after a division) to the nearest.
struct Fractions {
  std::vector<Expr> numerators;
  std::int64_t divisor = 1;
};

struct Value {
  ValueId id = kNone;
  std::string name;  ///< the model's name for it; unique when not empty
  Type type;
  NodeId producer = kNone;  ///< kNone for inputs and constants
  int output_index = 0;
  std::shared_ptr<const Constant> constant;  ///< set for constants
  /// Symbolic elements of a small tensor (at most kMaxContent) of integers, or of floats that are whole numbers, when
  /// known: shape arithmetic. Floats are taken as exact, which f32 is below 2^24.
  std::optional<std::vector<Expr>> content;
  std::optional<Fractions> fractions;  ///< the same for floats that are not whole
  OriginSet origins;
  std::int64_t expression_bytes = 0;  ///< of type and content, as counted in Model::expression_bytes
};
inline constexpr std::int64_t kMaxContent = 1024;

struct Node {
  NodeId id = kNone;
  const OpDef* op = nullptr;
  std::vector<ValueId> inputs;  ///< kNone for an absent optional input
  std::vector<ValueId> outputs;
  Attrs attrs;  ///< those that its operator declares; attrs_of() reads them
  /// Bodies of If, Loop and Scan. They capture nothing: what a body uses of the outside is an extra input of
  /// the node, after its own inputs, and of the body, after its own inputs, in the same order.
  std::vector<std::unique_ptr<Graph>> bodies;
  OriginSet origins;
  Constraint constraint;  ///< what is asked of its kernel: by the model's user, a search, or the graph's text
};

/// What all graphs of one model share: ids, origins, facts about dimensions.
struct Model {
  std::vector<Origin> origins;
  ValueId next_value = 0;
  NodeId next_node = 0;
  std::string producer;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< the ONNX file's metadata_props
  /// Elements that a profile gives for integer inputs (min = opt = max). Inference takes them where a shape
  /// depends on them, and notes which (`specialised`: input, element); the plan checks those at run time.
  std::map<ValueId, std::vector<std::int64_t>> element_values;
  std::set<std::pair<ValueId, std::int64_t>> specialised;
  Limits limits;                      ///< that inference, passes and plans keep
  std::int64_t expression_bytes = 0;  ///< memory of the symbolic extents and elements of all values
  std::int64_t nodes = 0;             ///< of all graphs
  std::int64_t inferences = 0;        ///< of nodes in bodies, within the inference of one node of the main graph
  int inference_depth = 0;
  /// What the dimensions range over, by symbol: in all profiles, and in a plan in its own. Import decides by them which
  /// branch of an If is taken; broadcasting asks whether an extent may be 0. The text of a graph does not keep them.
  std::map<std::string, Interval> extent_ranges;
  std::uint32_t add_origin(std::string name, std::string op_type);
};

/// A graph in topological order of its node list. Not thread-safe while it changes.
class Graph {
 public:
  explicit Graph(std::shared_ptr<Model> model, std::string name = {});
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph();
  /// A deep copy with the same ids (constants are shared), on a copy of the Model.
  std::unique_ptr<Graph> clone() const;

  Model& model() { return *model_; }
  const Model& model() const { return *model_; }
  const std::shared_ptr<Model>& model_ptr() const { return model_; }
  const std::string& name() const { return name_; }

  // --- building -----------------------------------------------------------------------------------------
  ValueId add_input(std::string name, Type type, OriginSet origins);
  ValueId add_constant(std::string name, std::shared_ptr<const Constant> constant, OriginSet origins);
  /// Appends a node and infers its outputs' types. `output_count` values are made; output_names may be shorter.
  /// Error (with the node's origin) if the operator refuses. The returned reference lives until the next change.
  Node& add_node(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, int output_count, OriginSet origins,
                 std::vector<std::unique_ptr<Graph>> bodies = {}, std::vector<std::string> output_names = {});
  /// The same, placed before `before` in the node list. A node that is refused leaves the bodies to the caller.
  Node& insert_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, int output_count,
                    OriginSet origins, std::vector<std::unique_ptr<Graph>>&& bodies = {});
  /// Graph outputs: a value may be output twice, may be an input, may be a constant. Names are the model's.
  void add_output(std::string name, ValueId value);
  void set_output(std::size_t index, ValueId value);

  // --- reading ------------------------------------------------------------------------------------------
  struct Output {
    std::string name;
    ValueId value;
  };
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  /// Node ids in execution order.
  const std::vector<NodeId>& order() const;
  bool has_value(ValueId id) const;
  const Value& value(ValueId id) const;
  Value& value(ValueId id);
  bool has_node(NodeId id) const;
  const Node& node(NodeId id) const;
  /// For changes of anything: the index behind users() is built again when it is next needed. Constraints have
  /// constrain().
  Node& node(NodeId id);
  /// A body of a node, for changes inside it.
  Graph& body(NodeId id, std::size_t index);
  void constrain(NodeId id, const Constraint& constraint);
  /// All values of this graph (not of its bodies), ascending by id.
  std::vector<ValueId> values() const;
  /// The node that makes `id` in this graph, or null (inputs, constants).
  const Node* producer(ValueId id) const;
  /// Nodes that read `id`, each once, in execution order; graph outputs do not count.
  std::vector<NodeId> users(ValueId id) const;
  /// True if node `a` is executed before node `b`.
  bool is_before(NodeId a, NodeId b) const;
  /// How many users() gives.
  std::size_t user_count(ValueId id) const;
  bool is_output(ValueId id) const;
  /// True if a node or a graph output reads it.
  bool is_used(ValueId id) const;

  // --- rewriting ----------------------------------------------------------------------------------------
  /// Every use of `from` (node inputs and graph outputs) becomes `to`; origins are merged into `to`'s producer.
  void replace_uses(ValueId from, ValueId to);
  /// Removes a node whose outputs have no uses, with its outputs and the constants that only it has read. Error if one
  /// is used.
  void remove_node(NodeId id);
  void remove_unused_values();
  void remove_input(std::size_t index);
  /// Runs inference again over all nodes in order (after an input type changed).
  void infer_all();
  /// The same for one node (after an input of it became a constant).
  void infer(NodeId id);
  /// Sorts the node list topologically, stable; Error naming the nodes of a cycle.
  void sort();

 private:
  friend class TextReader;
  /// insert_node with the outputs' ids given; the caller has made sure that they are new.
  Node& place_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                   std::vector<ValueId> output_ids, OriginSet origins, std::vector<std::unique_ptr<Graph>>&& bodies);
  struct Impl;
  std::shared_ptr<Model> model_;
  std::string name_;
  std::vector<ValueId> inputs_;
  std::vector<Output> outputs_;
  std::unique_ptr<Impl> impl_;
};

/// "Conv node 'layer1.0/conv' (from ONNX nodes 'layer1.0/conv', 'layer1.0/bn')": the place for an Error.
std::string describe(const Graph& graph, const Node& node);

/// Checks SSA, types (each node's inference gives the types its outputs carry), attributes, origins, order and body
/// arity.
/// Error names the node and the broken rule.
void verify(const Graph& graph);

}  // namespace monza::ir
