// Plugins' operators for the compiler: a definition and an importer of each.
#include <array>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "import/register.h"
#include "ir/register.h"
#include "plugin/build/node.h"

namespace monza::plugin {
namespace {

/// What a plugin's operator is to the compiler.
struct Definition final : ir::OpDef {
  const Operator* from = nullptr;
  std::vector<ir::AttrDef> schema;
  OnnxImporter importer;
};

/// Of a node of a plugin's operator.
const monza_plugin_operator& declared(const ir::Node& node) {
  return *static_cast<const Definition*>(node.op)->from->declared;
}

/// Calls a callback of the plugin, which may throw what it likes.
template <typename F>
void call(const char* which, const monza_plugin_node& asked, F&& callback) {
  const char* reason = nullptr;
  try {
    reason = callback();
  } catch (const std::exception& e) {
    fail("the plugin's `{}` threw an exception: {}", which, e.what());
  } catch (...) {
    fail("the plugin's `{}` threw an exception", which);
  }
  check_answer(reason, asked);
}

void infer_node(ir::InferContext& c) {
  const monza_plugin_operator& d = declared(c.node());
  for (int i = 0; i < d.min_inputs; ++i) (void)c.input(i);  // throws where it is absent
  monza_plugin_node node{.node = c.node(), .infer = &c};
  call("infer", node, [&] { return d.infer(&host(), &node); });
  if (node.reported != d.extent_count)
    fail("the plugin reports {} extents, and declares {}", node.reported, d.extent_count);
}

void fill_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  const monza_plugin_operator& d = declared(n.node);
  alignas(16) std::array<std::byte, MONZA_PLUGIN_MAX_PARAMS> params{};
  monza_plugin_node node{.node = n.node, .view = &n};
  call("params", node, [&] { return d.params(&host(), &node, params.data()); });
  blob.set(params);
}

/// Attributes as the plugin declares them; others are refused when the import of the node is done.
ir::Attrs import_attributes(OnnxNode& n, const ir::AttrSchema& schema) {
  ir::Attrs attrs;
  for (const ir::AttrDef& a : schema) {
    if (!n.has_attr(a.name)) continue;
    switch (a.kind) {
      case ir::AttrKind::integer: attrs.set(a.name, n.i(a.name, 0)); break;
      case ir::AttrKind::number: attrs.set(a.name, static_cast<double>(n.f(a.name, 0))); break;
      case ir::AttrKind::string: attrs.set(a.name, n.s(a.name, "")); break;
      case ir::AttrKind::ints: attrs.set(a.name, n.ints(a.name)); break;
      default: {
        const std::vector<float> values = n.floats(a.name);
        attrs.set(a.name, std::vector<double>(values.begin(), values.end()));
      }
    }
  }
  return attrs;
}

/// The definitions of all plugins, which stay where they are.
struct Definitions {
  std::mutex mutex;
  std::deque<Definition> list;
};

Definitions& definitions() {
  static Definitions* const all = new Definitions;  // graphs point to them until the process ends
  return *all;
}

void import_node(OnnxNode& n) {
  const OnnxImporter* importer = find_onnx_importer(n.domain(), n.op_type(), n.opset());
  const ir::OpDef* op = nullptr;
  {
    Definitions& all = definitions();
    const std::lock_guard lock(all.mutex);
    for (const Definition& d : all.list)
      if (&d.importer == importer) op = &d;
  }
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  n.bind_all(n.add(op->name, std::move(inputs), import_attributes(n, op->attrs), n.output_count()));
}

ir::AttrDef attribute_of(const monza_plugin_attribute& a) {
  static constexpr ir::AttrKind kKinds[] = {ir::AttrKind::integer, ir::AttrKind::number, ir::AttrKind::string,
                                            ir::AttrKind::ints, ir::AttrKind::floats};
  const ir::AttrKind kind = kKinds[a.kind];
  if (a.required != 0) return ir::required(a.name, kind);
  switch (kind) {
    case ir::AttrKind::integer: return {a.name, a.integer};
    case ir::AttrKind::number: return {a.name, a.number};
    case ir::AttrKind::string: return {a.name, a.string != nullptr ? a.string : ""};
    default: return {a.name, kind};
  }
}

}  // namespace

extern "C" void monza_define_operator(const Operator& op) {
  const monza_plugin_operator& d = *op.declared;
  Definitions& all = definitions();
  const std::lock_guard lock(all.mutex);
  Definition& definition = all.list.emplace_back();
  for (std::size_t i = 0; i < d.attribute_count; ++i) definition.schema.push_back(attribute_of(*d.attributes[i]));
  definition.from = &op;
  definition.name = op.name.c_str();
  definition.attrs = definition.schema;
  definition.min_inputs = d.min_inputs;
  definition.max_inputs = d.max_inputs;
  definition.min_outputs = d.min_outputs;
  definition.max_outputs = d.max_outputs;
  definition.flags = ir::OpFlag::no_fold;  // it may take nobody knows how long
  definition.infer = infer_node;
  definition.params = d.params != nullptr ? fill_params : nullptr;
  definition.importer = {.op_type = d.name, .domain = d.domain, .import = import_node};
  if (d.last_opset > 0) definition.importer.since = d.first_opset, definition.importer.until = d.last_opset;
  ir::add_op(definition);
  add_onnx_importer(definition.importer);
}

}  // namespace monza::plugin
