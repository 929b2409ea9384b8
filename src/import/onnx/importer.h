// The walk over an ONNX model. Internal to src/import/onnx.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "import/api.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/proto_file.h"
#include "import/onnx/scope.h"

namespace monza {

/// What nodes of the main graph, or of one function's body, share: versions, and attributes of the function's call.
struct OnnxFrame {
  std::map<std::string, int, std::less<>> opsets;
  std::map<std::string, const onnx::AttributeProto*, std::less<>> call_attributes;  ///< what ref_attr_name names
  const OnnxFrame* caller = nullptr;
  bool is_function = false;
  std::string prefix;  ///< of node names inside a function
};

class OnnxImport {
 public:
  OnnxImport(std::shared_ptr<OnnxFile> file, const OnnxImportOptions& options);
  std::unique_ptr<ir::Graph> run();

  /// A subgraph attribute of `node`: see OnnxNode::graph.
  std::unique_ptr<ir::Graph> import_body(const onnx::NodeProto& node, const onnx::GraphProto& body,
                                         const OnnxFrame& frame, Scope& outer, std::vector<ir::ValueId>& captures,
                                         const std::vector<ir::Type>& own_inputs);
  OnnxFile& file() { return *file_; }
  BranchGuesses& guesses() { return guesses_; }
  /// `top_level`: an input of the model, whose shape the options may give.
  ir::Type type_of(const onnx::TypeProto& type, const std::string& name, bool top_level);

 private:
  void import_inputs(const onnx::GraphProto& graph, Scope& scope);
  void import_initializers(const onnx::GraphProto& graph, Scope& scope);
  void import_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, const std::vector<int>& order,
                    const OnnxFrame& frame, Scope& scope);
  void import_node(const onnx::NodeProto& node, const OnnxFrame& frame, Scope& scope);
  void import_call(const onnx::NodeProto& node, const onnx::FunctionProto& function, const OnnxFrame& frame,
                   Scope& scope);
  void check_supported(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, const std::vector<int>& order,
                       const OnnxFrame& frame, std::map<std::string, std::string>& missing);
  static void check_declared(const onnx::GraphProto& graph, Scope& scope);
  const onnx::FunctionProto* find_function(const onnx::NodeProto& node) const;
  OnnxFrame frame_of(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) const;

  std::shared_ptr<OnnxFile> file_;
  const OnnxImportOptions& options_;
  std::shared_ptr<ir::Model> model_;
  std::map<std::string, const onnx::FunctionProto*> functions_;
  BranchGuesses guesses_;
};

/// Indices of the nodes in an order in which every name is made before it is used; only those that `wanted`
/// outputs need when `prune` is set. `defined` are names known from outside. Error naming the nodes of a cycle.
std::vector<int> onnx_order(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                            const std::set<std::string, std::less<>>& wanted, bool prune);

/// Names that a body uses and does not define, in order of first use.
std::vector<std::string> free_names(const onnx::GraphProto& body);

/// What the file says of a value: the tensors of a sequence or an optional, too.
OnnxInput onnx_value(const onnx::ValueInfoProto& value);

/// The opset under which `frame` sees `domain`; 0 when it is not imported.
int opset_of(const OnnxFrame& frame, std::string_view domain);
std::string display_name(const onnx::NodeProto& node, const OnnxFrame& frame);
/// The node seen by an operator's importer.
std::unique_ptr<OnnxNode> make_onnx_node(OnnxImport& import, const onnx::NodeProto& node, const OnnxFrame& frame,
                                         Scope& scope, ir::OriginSet origins);
/// Checks that every present output was bound and every attribute understood, and enters the outputs into the scope.
void finish_onnx_node(OnnxNode& node);

}  // namespace monza
