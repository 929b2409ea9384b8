// One ONNX node as an operator's importer sees it.
#include <algorithm>

#include "import/onnx/importer.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// As ONNX's documentation calls the kinds of attributes.
const char* kind_name(onnx::AttributeProto::AttributeType type) {
  static constexpr const char* kNames[] = {
      "undefined", "float",   "int",    "string",        "tensor",         "graph",      "floats",     "ints",
      "strings",   "tensors", "graphs", "sparse_tensor", "sparse_tensors", "type_proto", "type_protos"};
  return kNames[type];
}

class ProtoNode final : public OnnxNode {
 public:
  ProtoNode(OnnxImport& import, const onnx::NodeProto& node, const OnnxFrame& frame, Scope& scope,
            ir::OriginSet origins)
      : import_(import), node_(node), frame_(frame), scope_(scope), origins_(std::move(origins)) {
    inputs_ = node.input_size();
    while (inputs_ > 0 && node.input(inputs_ - 1).empty()) --inputs_;
    outputs_ = node.output_size();
    while (outputs_ > 0 && node.output(outputs_ - 1).empty()) --outputs_;
    bound_.assign(static_cast<std::size_t>(node.output_size()), ir::kNone);
    for (const auto& a : node.attribute()) {
      const onnx::AttributeProto* actual = &a;
      if (!a.ref_attr_name().empty()) {
        const auto it = frame.call_attributes.find(a.ref_attr_name());
        if (it == frame.call_attributes.end()) continue;  // the call leaves it out: the operator's default holds
        actual = it->second;
      }
      if (!attributes_.emplace(a.name(), Attribute{actual, false}).second)
        fail("attribute '{}' is given twice", a.name());
    }
  }

  std::string_view op_type() const override { return node_.op_type(); }
  std::string_view domain() const override {
    return node_.domain() == "ai.onnx" ? std::string_view() : std::string_view(node_.domain());
  }
  int opset() const override { return opset_of(frame_, node_.domain()); }
  int input_count() const override { return inputs_; }
  int output_count() const override { return outputs_; }
  ir::ValueId input(int i) const override {
    if (i < 0 || i >= inputs_ || node_.input(i).empty()) return ir::kNone;
    const ir::ValueId v = scope_.find(node_.input(i));
    if (v == ir::kNone) fail("input {} is '{}', which no node, input or initializer makes", i, node_.input(i));
    return v;
  }
  bool has_output(int i) const override { return i >= 0 && i < outputs_ && !node_.output(i).empty(); }

  bool has_attr(std::string_view name) const override { return attributes_.find(name) != attributes_.end(); }
  void ignore(std::string_view name) override { find(name); }
  std::int64_t i(std::string_view name, std::int64_t fallback) override {
    const auto* a = find(name);
    return a == nullptr ? fallback : (need(*a, onnx::AttributeProto::INT), a->i());
  }
  float f(std::string_view name, float fallback) override {
    const auto* a = find(name);
    return a == nullptr ? fallback : (need(*a, onnx::AttributeProto::FLOAT), a->f());
  }
  std::string s(std::string_view name, std::string_view fallback) override {
    const auto* a = find(name);
    return a == nullptr ? std::string(fallback) : (need(*a, onnx::AttributeProto::STRING), a->s());
  }
  std::vector<std::int64_t> ints(std::string_view name, std::vector<std::int64_t> fallback) override {
    const auto* a = find(name);
    if (a == nullptr) return fallback;
    need(*a, onnx::AttributeProto::INTS);
    return {a->ints().begin(), a->ints().end()};
  }
  std::vector<float> floats(std::string_view name, std::vector<float> fallback) override {
    const auto* a = find(name);
    if (a == nullptr) return fallback;
    need(*a, onnx::AttributeProto::FLOATS);
    return {a->floats().begin(), a->floats().end()};
  }
  std::vector<std::string> strings(std::string_view name) override {
    const auto* a = find(name);
    if (a == nullptr) return {};
    need(*a, onnx::AttributeProto::STRINGS);
    return {a->strings().begin(), a->strings().end()};
  }
  std::shared_ptr<const ir::Constant> tensor(std::string_view name) override {
    const auto* a = find(name);
    if (a == nullptr) return nullptr;
    if (a->has_sparse_tensor()) return import_.file().constant(a->sparse_tensor());
    need(*a, onnx::AttributeProto::TENSOR);
    return import_.file().constant(a->t());
  }
  ir::Type type_attr(std::string_view name) override {
    const auto* a = find(name);
    if (a == nullptr) fail("attribute '{}' is missing", name);
    need(*a, onnx::AttributeProto::TYPE_PROTO);
    return import_.type_of(a->tp(), std::string(name), false);
  }
  std::unique_ptr<ir::Graph> graph(std::string_view name, std::vector<ir::ValueId>& captures,
                                   const std::vector<ir::Type>& own_inputs) override {
    const auto* a = find(name);
    if (a == nullptr) fail("the subgraph '{}' is missing", name);
    need(*a, onnx::AttributeProto::GRAPH);
    return import_.import_body(node_, a->g(), frame_, scope_, captures, own_inputs);
  }

  BranchGuesses& guesses() override { return import_.guesses(); }
  ir::Graph& target() override { return scope_.graph(); }
  const ir::OriginSet& origins() const override { return origins_; }
  void bind(int i, ir::ValueId value) override {
    if (i >= 0 && i < node_.output_size()) bound_[static_cast<std::size_t>(i)] = value;
  }

  void finish() {
    for (const auto& [name, a] : attributes_)
      if (!a.used)
        fail_hint("check the attribute against the operator's schema; the model may need a newer Monza",
                  "attribute '{}' is not known for {} at opset {}", name, node_.op_type(), opset());
    for (int i = 0; i < node_.output_size(); ++i) {
      if (node_.output(i).empty()) continue;
      if (bound_[static_cast<std::size_t>(i)] == ir::kNone)
        fail("output {} ('{}') of {} at opset {} is not supported", i, node_.output(i), node_.op_type(), opset());
      scope_.define(node_.output(i), bound_[static_cast<std::size_t>(i)]);
      ir::Value& v = scope_.graph().value(bound_[static_cast<std::size_t>(i)]);
      if (v.name.empty() && !frame_.is_function) v.name = node_.output(i);  // names inside functions repeat
    }
  }

 private:
  struct Attribute {
    const onnx::AttributeProto* proto;
    bool used;
  };
  const onnx::AttributeProto* find(std::string_view name) {
    const auto it = attributes_.find(name);
    if (it == attributes_.end()) return nullptr;
    it->second.used = true;
    return it->second.proto;
  }
  static void need(const onnx::AttributeProto& a, onnx::AttributeProto::AttributeType type) {
    using A = onnx::AttributeProto;
    // Files of IR version 1 leave the type out: then the filled field tells.
    const bool fits = a.type() == type ||
                      (a.type() == A::UNDEFINED &&
                       ((type == A::INT && a.has_i()) || (type == A::FLOAT && a.has_f()) ||
                        (type == A::STRING && a.has_s()) || (type == A::TENSOR && a.has_t()) ||
                        (type == A::GRAPH && a.has_g()) || type == A::INTS || type == A::FLOATS || type == A::STRINGS));
    if (!fits)
      fail("attribute '{}' is of the kind {}, but the operator takes {}", a.name(), kind_name(a.type()),
           kind_name(type));
  }

  OnnxImport& import_;
  const onnx::NodeProto& node_;
  const OnnxFrame& frame_;
  Scope& scope_;
  ir::OriginSet origins_;
  int inputs_ = 0, outputs_ = 0;
  std::map<std::string, Attribute, std::less<>> attributes_;
  std::vector<ir::ValueId> bound_;
};

}  // namespace

std::unique_ptr<OnnxNode> make_onnx_node(OnnxImport& import, const onnx::NodeProto& node, const OnnxFrame& frame,
                                         Scope& scope, ir::OriginSet origins) {
  return std::make_unique<ProtoNode>(import, node, frame, scope, std::move(origins));
}
void finish_onnx_node(OnnxNode& node) { static_cast<ProtoNode&>(node).finish(); }

}  // namespace monza
