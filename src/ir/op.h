// What an operator is to the compiler. Families in src/ops define one OpDef each.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"

namespace monza::ir {

/// What inference sees of a node, and where it puts its results. Facts reported through fail() get the
/// node's place and the types of its inputs added by the caller.
class InferContext {
 public:
  InferContext(Graph& graph, Node& node) : graph_(graph), node_(node), results_(node.outputs.size()) {}

  const Node& node() const { return node_; }
  AttrReader attrs() const;
  int input_count() const { return static_cast<int>(node_.inputs.size()); }
  int output_count() const { return static_cast<int>(node_.outputs.size()); }
  bool has_input(int i) const;
  /// Type of input i; Error if it is absent.
  const Type& input(int i) const;
  const SymShape& shape(int i) const { return input(i).shape; }
  DType dtype(int i) const { return input(i).dtype; }
  /// The constant behind input i, or null.
  const Constant* constant(int i) const;
  /// Symbolic elements of an input of integers, or of floats that are whole numbers. Constants of any size up to
  /// kMaxContent give them; other tensors whose producer tracked them do. Otherwise, when the type is integer with a
  /// static element count up to kMaxContent, fresh element atoms (read at run time): `content` then always succeeds.
  /// Error if not possible.
  std::vector<Expr> content(int i) const;
  /// As content, but nullopt where content would make fresh atoms or fail.
  std::optional<std::vector<Expr>> known_content(int i) const;
  /// The elements of a float input over a divisor, which is 1 where known_content gives them.
  std::optional<Fractions> known_fractions(int i) const;

  /// Whether `e` is an extent of a tensor that input i was computed from by way of a Shape. It is then not negative,
  /// whatever its formula: a run in which it were would end there.
  bool is_extent(int i, const Expr& e) const;

  void set_output(int i, DType dtype, SymShape shape, ValueKind kind = ValueKind::tensor);
  /// The same for any kind of value.
  void set_output(int i, Type type);
  void set_content(int i, std::vector<Expr> elements);
  void set_fractions(int i, Fractions elements);
  /// A data-dependent extent of output i: the kernel writes it to its `extents` slot (slots count up in the
  /// order of calls); never above `bound`.
  Expr new_extent(int i, const Expr& bound);

  /// How many extents new_extent has handed out: slots that the kernel fills.
  int extent_count() const { return extents_; }

  const Model& model() const { return std::as_const(graph_).model(); }
  Graph& body(int i) { return *node_.bodies[static_cast<std::size_t>(i)]; }

  /// What the operator found for each output; the graph stores it, the verifier compares it.
  struct Result {
    bool set = false;
    Type type;
    std::optional<std::vector<Expr>> content;
    std::optional<Fractions> fractions;
  };
  const std::vector<Result>& results() const { return results_; }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Shown<Args>...> format, const Args&... args) const {
    monza::fail(format, args...);
  }

 private:
  Graph& graph_;
  Node& node_;
  std::vector<Result> results_;
  int extents_ = 0;
};

/// Runs the operator's inference on a node, without storing anything. Error with the node's place and the
/// types of its inputs, and where those came from.
std::vector<InferContext::Result> infer_node(Graph& graph, Node& node);

/// An operator's parameters as plain bytes: what kernels and plans read. T is trivially copyable.
class ParamsBlob {
 public:
  template <typename T>
  void set(const T& params) {
    static_assert(std::is_trivially_copyable_v<T>);
    T copy = params;
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    // Equal parameters have equal bytes: they are part of keys, and of the engine file.
    __builtin_clear_padding(&copy);
#endif
#endif
    bytes_.resize(sizeof(T));
    std::memcpy(bytes_.data(), &copy, sizeof(T));
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// How an output and an input may share memory. Facts only: the planner decides.
struct Alias {
  enum class Kind : std::uint8_t {
    view,       ///< output reads input's elements: per output axis an input axis and a step, from `start`
    reshape,    ///< output is the input's dense elements in order, under another shape
    placement,  ///< input lies inside output, at `start` (one Expr an axis): Concat
  };
  Kind kind = Kind::view;
  int output = 0;
  int input = 0;
  struct Axis {
    int source = -1;        ///< input axis, or -1: extent is broadcast (stride 0) or 1
    std::int64_t step = 1;  ///< may be negative
  };
  std::vector<Axis> axes;   ///< view: one per output axis
  std::vector<Expr> start;  ///< view: first index per input axis; placement: per output axis. Empty: zeros
};

/// Work of one execution at concrete shapes: what a fraction of peak is a fraction of.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

/// What cost and params functions see of a node: no more than types and attributes.
struct NodeView {
  const Graph& graph;
  const Node& node;
  AttrReader attrs() const;
  bool has_input(int i) const {
    return i < static_cast<int>(node.inputs.size()) && node.inputs[static_cast<std::size_t>(i)] != kNone;
  }
  const Type& input(int i) const { return graph.value(node.inputs[static_cast<std::size_t>(i)]).type; }
  const Type& output(int i) const { return graph.value(node.outputs[static_cast<std::size_t>(i)]).type; }
  const Constant* constant(int i) const {
    return has_input(i) ? graph.value(node.inputs[static_cast<std::size_t>(i)]).constant.get() : nullptr;
  }
  int input_count() const { return static_cast<int>(node.inputs.size()); }
  int output_count() const { return static_cast<int>(node.outputs.size()); }
};

enum class OpFlag : std::uint32_t {
  none = 0,
  pointwise = 1u << 0,    ///< output element i depends only on the inputs' elements broadcast to i
  commutative = 1u << 1,  ///< the first two inputs may be swapped
  effect = 1u << 2,       ///< reads or changes state, or random: never folded, merged or dropped
  control = 1u << 3,      ///< has bodies
  no_fold = 1u << 4,  ///< constant folding leaves it alone: it would only grow the file, or take nobody knows how long
};
constexpr OpFlag operator|(OpFlag a, OpFlag b) {
  return OpFlag(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool has(OpFlag set, OpFlag flag) {
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(flag)) != 0;
}

/// An operator of the graph: an entry of its family's table.
struct OpDef {
  const char* name = nullptr;  ///< "Conv": also Kernel::op
  AttrSchema attrs = {};       ///< every attribute that a node may have: graphs refuse others
  int min_inputs = 1, max_inputs = 1;
  int min_outputs = 1, max_outputs = 1;
  OpFlag flags = OpFlag::none;
  /// Sets type and shape of every output (and symbolic content where it can). Throws Error on misuse.
  void (*infer)(InferContext&) = nullptr;
  /// Fills the params struct. Null: the operator has no parameters.
  void (*params)(const NodeView&, ParamsBlob&) = nullptr;
  void (*aliases)(const NodeView&, std::vector<Alias>&) = nullptr;
  /// FLOPs at concrete shapes given per input and output, in order. Null: 0. Bytes are added by the caller.
  double (*flops)(const NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) = nullptr;
  /// Operations of the reference kernel where they may be many more than the FLOPs and the elements together: what
  /// constant folding may spend is counted in them.
  double (*work)(const NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) = nullptr;
  /// Bit i: only inference reads input i (its content); kernels never do. Nothing need compute such an input
  /// when its content is known without reading its elements.
  std::uint32_t shape_inputs = 0;
  int bodies = 0;  ///< how many graphs a node holds
};

/// The operators of src/ops/<family>/<name>.def.cpp, which ends with `extern const ir::OpList <name>_ops{kOps};`.
struct OpList {
  std::span<const OpDef> ops;
};

/// A node's attributes with the defaults of its operator.
inline AttrReader attrs_of(const Node& node) { return {node.op->attrs, node.attrs}; }
inline AttrReader InferContext::attrs() const { return attrs_of(node_); }
inline AttrReader NodeView::attrs() const { return attrs_of(node); }

/// The operator of that name, or null. All operators, sorted by name.
const OpDef* find_op(std::string_view name);
/// As find_op; Error if unknown.
const OpDef& get_op(std::string_view name);
std::vector<const OpDef*> all_ops();

}  // namespace monza::ir
