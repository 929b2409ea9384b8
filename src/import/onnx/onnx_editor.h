// Changes to an ONNX model that is written again: what is not touched stays as its exporter wrote it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "import/onnx/onnx_import.h"
#include "import/onnx/proto_file.h"
#include "ir/constant.h"

namespace monza {

/// A copy of a model's messages. Nodes are spoken of by their index, which stays what it is until finish(). Not
/// thread-safe.
class OnnxEditor {
 public:
  explicit OnnxEditor(std::shared_ptr<OnnxFile> file);

  using Input = std::pair<int, int>;  ///< node, input
  const onnx::NodeProto& node(int index) const { return graph().node(index); }
  /// The node of the main graph that an ir::Origin of that name and type means; -1 when there is none, or several.
  int find(std::string_view name, std::string_view op_type) const;
  /// Where nodes of the main graph read the value.
  std::vector<Input> readers(std::string_view value) const;
  /// Whether it is an output of the model, or a body uses it.
  bool is_read_elsewhere(std::string_view value) const;
  /// An initializer, or what a Constant node makes.
  bool is_constant(std::string_view value) const;

  /// Adds an initializer whose name begins with `name`, and gives the name that it got.
  std::string add_initializer(const std::string& name, const ir::Constant& constant);
  /// Adds a node whose one output's name begins with `output`, and gives that name.
  std::string add_node(const char* op_type, std::vector<std::string> inputs, const std::string& output);
  /// The same, with an integer attribute.
  std::string add_node(const char* op_type, std::vector<std::string> inputs, const std::string& output,
                       const char* attribute, std::int64_t value);
  void set_input(Input at, const std::string& value);

  /// What kind of value a name of the main graph is.
  enum class Maker { none, input, initializer, node };
  Maker maker_of(std::string_view value) const;
  int node_count() const { return graph().node_size(); }
  /// The nodes of the main graph in an order in which every value is made before it is read.
  std::vector<int> order() const;
  /// Values of the main graph that the node reads, in its bodies too.
  std::vector<std::string> reads(int node) const;
  /// Names of what nodes of the main graph make, in their order.
  std::vector<std::string> made_values() const;
  /// What the file itself says of a value's type, where it says it.
  std::optional<OnnxInput> declared_type(std::string_view value) const;

  /// These values become the outputs, in place of those the model has. finish() leaves inputs out that nothing reads.
  void set_outputs(const std::vector<OnnxInput>& outputs);
  /// The value becomes an input, and what made it makes it no longer; an input that is there gets this type.
  void make_input(const OnnxInput& input);
  /// The value is that constant, and what made it makes it no longer. It must be no output of the model.
  void make_initializer(const std::string& value, const ir::Constant& constant);
  /// Readers of what an Identity (or a Dropout that drops nothing) hands on read what it is given. How many there were.
  int drop_identities();
  /// Forgets what the file says of types of inner values: it may be wrong under other shapes.
  void forget_types() { graph().clear_value_info(); }
  /// Leaves out what no computation needs: doc strings, metadata, producer, types of inner values.
  void strip();

  /// The node makes `value` from now on, and the node that made it does not.
  void take_output(int node, const std::string& value);

  /// The model with opset `least` or later, without what nothing reads any more, in an order that can be executed, its
  /// weights in it. `ranks` are those of values that the file itself does not tell (raise_opset). Throws Error when it
  /// is larger than `most_bytes`, protobuf's 2 GiB, or its opset is too old.
  std::string finish(int least, const std::map<std::string, int>& ranks = {}, std::size_t most_bytes = 0x7fffffff);

 private:
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  const onnx::GraphProto& graph() const { return model_.graph(); }
  std::string unique(const std::string& name);
  void embed_weights(onnx::GraphProto& graph);
  void prune();

  std::shared_ptr<OnnxFile> file_;
  onnx::ModelProto model_;
  std::set<std::string, std::less<>> names_;  ///< of all values
  std::set<std::string, std::less<>> captured_;
  bool cut_ = false;  ///< inputs that nothing reads are left out
};

}  // namespace monza
