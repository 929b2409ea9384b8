// How an operator family tells the ONNX importer about itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "ir/op.h"

namespace monza {

/// While a branch of an If is imported: which branch is followed of each If in it whose branches differ in rank, where
/// the range of shapes leaves both open. The other one then fails when it is taken.
struct BranchGuesses {
  bool trying = false;
  std::vector<bool> second;  ///< by order of the Ifs: the else branch
  std::size_t next = 0;
};

/// One ONNX node being imported: its inputs as graph values, its attributes, and the graph to add nodes to.
/// Implemented by src/import/onnx; operator families only use it.
class OnnxNode {
 public:
  virtual ~OnnxNode() = default;
  virtual std::string_view op_type() const = 0;
  virtual std::string_view domain() const = 0;
  /// Version of this node's domain that the model imports.
  virtual int opset() const = 0;

  virtual int input_count() const = 0;   ///< as written, trailing empty names dropped
  virtual int output_count() const = 0;  ///< as written, trailing empty names dropped
  /// The graph value of input i, or ir::kNone when it is absent.
  virtual ir::ValueId input(int i) const = 0;
  virtual bool has_output(int i) const = 0;

  // Attributes. Each getter marks the attribute as understood; one that nobody asked for is an import error.
  virtual bool has_attr(std::string_view name) const = 0;
  virtual std::int64_t i(std::string_view name, std::int64_t fallback) = 0;
  virtual float f(std::string_view name, float fallback) = 0;
  virtual std::string s(std::string_view name, std::string_view fallback) = 0;
  virtual std::vector<std::int64_t> ints(std::string_view name, std::vector<std::int64_t> fallback = {}) = 0;
  virtual std::vector<float> floats(std::string_view name, std::vector<float> fallback = {}) = 0;
  virtual std::vector<std::string> strings(std::string_view name) = 0;
  virtual std::shared_ptr<const ir::Constant> tensor(std::string_view name) = 0;
  /// A type attribute; Error when it is missing.
  virtual ir::Type type_attr(std::string_view name) = 0;
  /// A subgraph attribute as a body. What the node's bodies use of the outside is appended to `captures` (once,
  /// the same list for every body of the node) and becomes inputs of each body, after its own, in that order.
  /// `own_inputs` gives the types of the body's own inputs; without it, or where a type is DType::invalid, the
  /// types that the model declares hold. Constants from outside are shared, not captured.
  virtual std::unique_ptr<ir::Graph> graph(std::string_view name, std::vector<ir::ValueId>& captures,
                                           const std::vector<ir::Type>& own_inputs = {}) = 0;
  /// Of the branch that is being imported: see import_if.
  virtual BranchGuesses& guesses() = 0;
  /// Ignores an attribute on purpose (it has no effect on inference).
  virtual void ignore(std::string_view name) = 0;

  virtual ir::Graph& target() = 0;
  virtual const ir::OriginSet& origins() const = 0;

  // Conveniences over target().
  /// Error, naming the first input that is absent, when `v` is an absent one.
  const ir::Type& type(ir::ValueId v) {
    for (int i = 0; v == ir::kNone; ++i)
      if (input(i) == ir::kNone) fail("input {} is required", i);
    return target().value(v).type;
  }
  /// The constant behind a value, or null.
  const ir::Constant* constant(ir::ValueId v) { return v == ir::kNone ? nullptr : target().value(v).constant.get(); }
  /// Adds a node of `op` and returns its outputs.
  std::vector<ir::ValueId> add(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {},
                               int outputs = 1, std::vector<std::unique_ptr<ir::Graph>> bodies = {}) {
    return target()
        .add_node(ir::get_op(op), std::move(inputs), std::move(attrs), outputs, origins(), std::move(bodies))
        .outputs;
  }
  ir::ValueId add1(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    return add(op, std::move(inputs), std::move(attrs), 1)[0];
  }
  ir::ValueId constant_value(std::shared_ptr<const ir::Constant> c) {
    return target().add_constant({}, std::move(c), origins());
  }

  /// Binds output i of the ONNX node to a graph value. Every present output must be bound.
  virtual void bind(int i, ir::ValueId value) = 0;
  /// Binds those outputs that are there; more than `values` the importer refuses, as any that is not bound.
  void bind_all(const std::vector<ir::ValueId>& values) {
    for (std::size_t i = 0; i < values.size() && static_cast<int>(i) < output_count(); ++i)
      if (has_output(static_cast<int>(i))) bind(static_cast<int>(i), values[i]);
  }
};

/// Translates one ONNX operator: an entry of its family's table.
struct OnnxImporter {
  const char* op_type = nullptr;
  const char* domain = "";  ///< "" for ai.onnx; "ai.onnx.ml", "com.microsoft", ...
  int since = 1;            ///< first opset this function understands
  int until = 1000;         ///< last one
  void (*import)(OnnxNode&) = nullptr;
};

/// The importers of src/ops/<family>/<name>.onnx.cpp, which ends with `extern const OnnxImporters
/// <name>_onnx{kImporters};`.
struct OnnxImporters {
  std::span<const OnnxImporter> importers;
};

/// The element type of an ONNX TensorProto.DataType number; Error on one that is unknown or not supported.
DType dtype_from_onnx(std::int64_t number);

/// The importer for an operator at an opset, or null. Defined by the generated registry.
const OnnxImporter* find_onnx_importer(std::string_view domain, std::string_view op_type, int opset);
std::vector<const OnnxImporter*> all_onnx_importers();

}  // namespace monza
