#include "import/onnx/names.h"

#include "base/printable.h"

namespace monza {
namespace {

/// Visits the messages that hold names, each once. Their depth is bounded before they are parsed (wire_scan.h).
class NodeNames {
 public:
  void visit(onnx::ModelProto& m) {
    if (m.has_graph()) visit(*m.mutable_graph());
    for (auto& f : *m.mutable_functions()) visit(f);
    for (auto& o : *m.mutable_opset_import()) clean(o);
    // Values of metadata may be texts of several lines; what shows them makes them printable.
    for (auto& entry : *m.mutable_metadata_props())
      if (entry.has_key()) clean(*entry.mutable_key());
  }
  std::set<std::string> locations;

 private:
  static void clean(std::string& name) {
    if (std::string shown = printable(name); shown != name) name = std::move(shown);
  }
  template <typename Strings>
  static void clean_all(Strings& names) {
    for (std::string& name : names) clean(name);
  }
  static void clean(onnx::OperatorSetIdProto& o) {
    if (o.has_domain()) clean(*o.mutable_domain());
  }
  /// name, op_type, domain and overload, of what has them.
  template <typename Message>
  static void clean_identity(Message& m) {
    if (m.has_name()) clean(*m.mutable_name());
    if (m.has_domain()) clean(*m.mutable_domain());
    if (m.has_overload()) clean(*m.mutable_overload());
  }

  void visit(onnx::GraphProto& g) {
    if (g.has_name()) clean(*g.mutable_name());
    for (auto& n : *g.mutable_node()) visit(n);
    for (auto& t : *g.mutable_initializer()) visit(t);
    for (auto& t : *g.mutable_sparse_initializer()) visit(t);
    for (auto* list : {g.mutable_input(), g.mutable_output(), g.mutable_value_info()})
      for (auto& v : *list) {
        if (v.has_name()) clean(*v.mutable_name());
        if (v.has_type()) visit(*v.mutable_type());
      }
  }
  void visit(onnx::FunctionProto& f) {
    clean_identity(f);
    clean_all(*f.mutable_input());
    clean_all(*f.mutable_output());
    clean_all(*f.mutable_attribute());
    for (auto& a : *f.mutable_attribute_proto()) visit(a);
    for (auto& n : *f.mutable_node()) visit(n);
    for (auto& o : *f.mutable_opset_import()) clean(o);
  }
  void visit(onnx::NodeProto& n) {
    clean_identity(n);
    if (n.has_op_type()) clean(*n.mutable_op_type());
    clean_all(*n.mutable_input());
    clean_all(*n.mutable_output());
    for (auto& a : *n.mutable_attribute()) visit(a);
  }
  void visit(onnx::AttributeProto& a) {
    if (a.has_name()) clean(*a.mutable_name());
    if (a.has_ref_attr_name()) clean(*a.mutable_ref_attr_name());
    if (a.has_t()) visit(*a.mutable_t());
    if (a.has_g()) visit(*a.mutable_g());
    if (a.has_sparse_tensor()) visit(*a.mutable_sparse_tensor());
    if (a.has_tp()) visit(*a.mutable_tp());
    for (auto& t : *a.mutable_tensors()) visit(t);
    for (auto& t : *a.mutable_sparse_tensors()) visit(t);
    for (auto& g : *a.mutable_graphs()) visit(g);
    for (auto& t : *a.mutable_type_protos()) visit(t);
  }
  void visit(onnx::SparseTensorProto& t) {
    if (t.has_values()) visit(*t.mutable_values());
    if (t.has_indices()) visit(*t.mutable_indices());
  }
  void visit(onnx::TensorProto& t) {
    if (t.has_name()) clean(*t.mutable_name());
    if (t.data_location() != onnx::TensorProto::EXTERNAL) return;
    for (const auto& entry : t.external_data())
      if (entry.key() == "location") locations.insert(entry.value());
  }
  void visit(onnx::TypeProto& type) {
    // What is absent stays absent: a tensor without a shape is no scalar.
    if (type.tensor_type().has_shape()) visit(*type.mutable_tensor_type()->mutable_shape());
    if (type.sparse_tensor_type().has_shape()) visit(*type.mutable_sparse_tensor_type()->mutable_shape());
    if (type.sequence_type().has_elem_type()) visit(*type.mutable_sequence_type()->mutable_elem_type());
    if (type.optional_type().has_elem_type()) visit(*type.mutable_optional_type()->mutable_elem_type());
  }
  void visit(onnx::TensorShapeProto& shape) {
    for (auto& d : *shape.mutable_dim())
      if (d.has_dim_param()) clean(*d.mutable_dim_param());
  }
};

}  // namespace

std::set<std::string> make_names_printable(onnx::ModelProto& model) {
  NodeNames names;
  names.visit(model);
  return std::move(names.locations);
}

}  // namespace monza
