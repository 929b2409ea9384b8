#include "import/onnx/importer.h"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <set>
#include <unordered_set>

#include "base/log.h"
#include "base/nearest.h"
#include "import/onnx/census.h"
#include "ops/shared/ranges.def.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// Stands for the bound of an extent that nothing bounds: the planner refuses to make room for it.
constexpr std::int64_t kNoBound = static_cast<std::int64_t>(1) << 41;

/// The newest versions that ONNX 1.22 knows. In a newer set an operator of a known name may mean something else.
constexpr std::pair<std::string_view, std::int64_t> kNewestSets[] = {
    {"", 27}, {"ai.onnx.ml", 5}, {"ai.onnx.preview.training", 1}};
/// What 14 adds to 13 are element types, which are refused where they stand.
constexpr std::int64_t kNewestIr = 14;

[[noreturn]] void fail_no_output(const onnx::GraphProto& graph, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& node : graph.node())
    for (const std::string& output : node.output()) names.push_back(output);
  const std::string near = one_of(nearest_names(name, names, 3));
  fail_hint(near.empty() ? "`monza inspect MODEL --imported` lists the values of a model" : near,
            "there is no value '{}' to output", name);
}

void check_versions(const onnx::ModelProto& model) {
  if (model.ir_version() > kNewestIr)
    fail_hint("export it with ir_version " + std::to_string(kNewestIr) + " or less",
              "the file is of IR version {}; the newest that this build knows is {}", model.ir_version(), kNewestIr);
  if (model.ir_version() >= 3 && model.opset_import().empty())
    fail_hint("write opset_import into the model: it says what its operators mean",
              "the model imports no operator set, as files of IR version 3 and later must");
}

void check_set(std::string_view domain, std::int64_t version) {
  for (const auto& [known, newest] : kNewestSets)
    if (domain == known && version > newest)
      fail_hint(
          fmt::format("onnx.version_converter.convert_version(model, {}), or an exporter's opset_version", newest),
          "the model is written for version {} of operator set '{}'; the newest that this build knows is {}", version,
          domain.empty() ? "ai.onnx" : domain, newest);
}

/// A model is imported again and again while it is compared or swept: each warning is given once.
void warn_once(const std::string& text) {
  constexpr std::size_t kMost = 64;
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.size() < kMost && said.insert(text).second) log(LogLevel::warning, "{}", text);
}

/// A declared type as a model's author would write it: "f32[batch,3]".
std::string declared_text(const onnx::TypeProto::Tensor& tensor) {
  std::string text;
  for (const auto& d : tensor.shape().dim())
    text += (text.empty() ? "" : ",") + (d.has_dim_value()       ? std::to_string(d.dim_value())
                                         : d.dim_param().empty() ? "?"
                                                                 : d.dim_param());
  const DType dtype = dtype_of_onnx(tensor.elem_type());
  return fmt::format("{}[{}]", dtype == DType::invalid ? "?" : dtype_name(dtype), text);
}

/// Whether a declared shape contradicts the one that inference found, as far as both are known.
bool contradicts(const onnx::TypeProto::Tensor& tensor, const ir::Type& type) {
  if (!tensor.has_shape()) return false;
  if (tensor.shape().dim_size() != static_cast<int>(type.rank())) return true;
  for (int a = 0; a < tensor.shape().dim_size(); ++a) {
    const auto known = type.shape[static_cast<std::size_t>(a)].try_constant();
    // Exporters write 0 for "unknown" too.
    if (tensor.shape().dim(a).dim_value() > 0 && known && *known != tensor.shape().dim(a).dim_value()) return true;
  }
  return false;
}

/// What exporters write for a dimension that they have no name for: on two axes it is two dimensions.
bool is_name(std::string_view dimension) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  if (std::none_of(dimension.begin(), dimension.end(), is_letter)) return false;  // "", "?", "-1", "*"
  std::string lower;
  for (const char c : dimension) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower != "none" && lower != "null" && lower != "unk" && lower != "unknown";
}

/// Dimension names as identifiers: they are symbols of expressions, which are printed and parsed.
std::string symbol_name(std::string_view text) {
  std::string name;
  for (char c : text) name += std::isalnum(static_cast<unsigned char>(c)) || c == '_' ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "d_");
  return name;
}

}  // namespace

void Scope::define(const std::string& name, ir::ValueId value) {
  if (!values_.emplace(name, value).second)
    fail("the value '{}' is defined twice, but ONNX allows one definition", name);
}

int opset_of(const OnnxFrame& frame, std::string_view domain) {
  if (domain == "ai.onnx") domain = "";
  const auto it = frame.opsets.find(domain);
  if (it != frame.opsets.end()) return it->second;
  return domain.empty() && frame.opsets.empty() ? 1 : 0;
}

std::string display_name(const onnx::NodeProto& node, const OnnxFrame& frame) {
  std::string name = node.name();
  for (int i = 0; name.empty() && i < node.output_size(); ++i) name = node.output(i);
  return frame.prefix + name;
}

OnnxImport::OnnxImport(std::shared_ptr<OnnxFile> file, const OnnxImportOptions& options)
    : file_(std::move(file)), options_(options), model_(std::make_shared<ir::Model>()) {
  model_->limits = options.limits;
  for (const auto& f : file_->model().functions())
    functions_.emplace(function_key(f.domain(), f.name(), f.overload()), &f);
}

OnnxFrame OnnxImport::frame_of(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) const {
  OnnxFrame frame;
  for (const auto& o : imports) {
    check_set(o.domain() == "ai.onnx" ? "" : o.domain(), o.version());
    frame.opsets[o.domain() == "ai.onnx" ? std::string() : o.domain()] =
        static_cast<int>(std::clamp<std::int64_t>(o.version(), 0, 100000));
  }
  return frame;
}

const onnx::FunctionProto* OnnxImport::find_function(const onnx::NodeProto& node) const {
  if (functions_.empty()) return nullptr;
  const auto it = functions_.find(function_key(node.domain(), node.op_type(), node.overload()));
  return it == functions_.end() ? nullptr : it->second;
}

ir::Type OnnxImport::type_of(const onnx::TypeProto& proto, const std::string& name, bool top_level) {
  ir::Type type;
  const onnx::TypeProto* inner = &proto;
  if (proto.has_sequence_type()) {
    type.kind = ir::ValueKind::sequence;
    inner = &proto.sequence_type().elem_type();
  } else if (proto.has_optional_type()) {
    type.kind = ir::ValueKind::optional;
    inner = &proto.optional_type().elem_type();
    if (inner->has_sequence_type()) {
      type.kind = ir::ValueKind::optional_sequence;
      inner = &inner->sequence_type().elem_type();
    }
  }
  if (!inner->has_tensor_type())
    fail_hint("replace maps, sparse tensors and nested sequences by tensors before export",
              "'{}' is of a kind that Monza does not take as an input", name);
  type.dtype = dtype_of_onnx(inner->tensor_type().elem_type());
  if (type.dtype == DType::invalid)
    fail("'{}' has the element type {}, which ONNX 1.22 does not define", name, inner->tensor_type().elem_type());
  const auto& shape = inner->tensor_type().shape();
  const auto fixed = top_level ? options_.shapes.find(name) : options_.shapes.end();
  // The tensors of a list need not agree on a dimension that the model leaves open: it has a bound, but no symbol.
  const bool list = type.kind != ir::ValueKind::tensor;
  const auto bounds = top_level ? options_.bounds.find(name) : options_.bounds.end();
  const auto open = [&](const std::string& symbol) {
    const std::size_t axis = type.shape.size();
    const bool bounded = bounds != options_.bounds.end() && axis < bounds->second.size() && bounds->second[axis] >= 0;
    if (!list) {
      const std::string dimension = symbol_name(is_name(symbol) ? symbol : name + "_" + std::to_string(axis));
      if (bounded) {
        const std::int64_t least = std::max<std::int64_t>(options_.least.at(name)[axis], 0);
        model_->extent_ranges.try_emplace(dimension, ir::Interval{least, bounds->second[axis]});
      }
      return ir::Expr::symbol(dimension);
    }
    type.varying |= static_cast<std::uint8_t>(1u << axis);
    return ir::Expr(bounded ? bounds->second[axis] : kNoBound);
  };
  if (!inner->tensor_type().has_shape()) {
    if (fixed != options_.shapes.end() && fixed->second.size() <= static_cast<std::size_t>(kMaxRank)) {
      for (std::int64_t d : fixed->second) type.shape.push_back(d >= 0 ? ir::Expr(d) : open({}));
    } else if (list) {
      type.elements = ir::Elements::unknown;
    } else if (top_level) {
      fail_hint("give its shape: --shape " + name + "=1x3x224x224 (with the extents you want)",
                "input '{}' declares no shape, not even a rank", name);
    }
    return type;
  }
  if (shape.dim_size() > kMaxRank) fail("'{}' has rank {}; at most {} is supported", name, shape.dim_size(), kMaxRank);
  if (fixed != options_.shapes.end() && static_cast<int>(fixed->second.size()) != shape.dim_size())
    fail("the shape given for input '{}' has {} dimensions, the model declares {}", name, fixed->second.size(),
         shape.dim_size());
  for (int a = 0; a < shape.dim_size(); ++a) {
    const auto& dim = shape.dim(a);
    const std::int64_t given = fixed != options_.shapes.end() ? fixed->second[static_cast<std::size_t>(a)] : -1;
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      // Exporters write 0 for "unknown" too; a given extent then decides.
      if (given >= 0 && dim.dim_value() > 0 && given != dim.dim_value())
        fail("axis {} of input '{}' is {} in the model, but {} was given", a, name, dim.dim_value(), given);
      type.shape.emplace_back(given >= 0 ? given : dim.dim_value());
    } else if (given >= 0) {
      type.shape.emplace_back(given);
    } else {
      type.shape.push_back(open(dim.dim_param()));
    }
  }
  return type;
}

void OnnxImport::import_initializers(const onnx::GraphProto& graph, Scope& scope) {
  const auto add = [&](const std::string& name, std::shared_ptr<const ir::Constant> constant) {
    const ir::OriginSet origins{model_->add_origin(name, "initializer")};
    scope.define(name, scope.graph().add_constant(name, std::move(constant), origins));
  };
  const auto read = [&](const std::string& name, const auto& tensor) {
    try {
      add(name, file_->constant(tensor));
    } catch (const Error& e) {
      throw e.at("initializer '" + name + "'");
    }
  };
  // Bodies have names of their own: only the main graph's can be fed.
  const bool main = &graph == &file_->model().graph();
  const auto is_fed = [&](const std::string& name) { return main && options_.fed_initializers.contains(name); };
  for (const auto& t : graph.initializer())
    if (!is_fed(t.name())) read(t.name(), t);
  for (const auto& t : graph.sparse_initializer()) read(t.values().name(), t);
}

void OnnxImport::import_inputs(const onnx::GraphProto& graph, Scope& scope) {
  // A dimension fixed for one input is fixed wherever its name stands.
  std::map<std::string, std::pair<std::int64_t, std::string>> fixed;
  for (const auto& v : graph.input()) {
    const auto it = options_.shapes.find(v.name());
    if (it == options_.shapes.end() || !v.type().tensor_type().has_shape()) continue;
    const auto& shape = v.type().tensor_type().shape();
    for (int a = 0; a < shape.dim_size() && a < static_cast<int>(it->second.size()); ++a) {
      const std::int64_t given = it->second[static_cast<std::size_t>(a)];
      if (given < 0 || !is_name(shape.dim(a).dim_param())) continue;
      const auto [old, added] = fixed.emplace(symbol_name(shape.dim(a).dim_param()), std::pair(given, v.name()));
      if (!added && old->second.first != given)
        fail_hint("give both inputs the same extent", "dimension '{}' is {} in input '{}' but {} in input '{}'",
                  shape.dim(a).dim_param(), old->second.first, old->second.second, given, v.name());
    }
  }
  for (const auto& v : graph.input()) {
    if (scope.has(v.name())) continue;  // files of IR version 3 and older list initializers among the inputs
    ir::Type type = type_of(v.type(), v.name(), true);
    for (ir::Expr& e : type.shape)
      e = ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
        const auto it = fixed.find(atom.name);
        if (it == fixed.end()) return std::nullopt;
        return ir::Expr(it->second.first);
      });
    const ir::ValueId id = scope.graph().add_input(v.name(), type, {model_->add_origin(v.name(), "input")});
    scope.define(v.name(), id);
    // Small integer inputs may decide shapes: their elements are symbols, and the profile's values if it has them.
    const auto count = ir::product(type.shape).try_constant();
    if (type.kind == ir::ValueKind::tensor && is_integer(type.dtype) && dtype_bits(type.dtype) >= 8 && count &&
        *count <= ir::kMaxContent) {
      std::vector<ir::Expr> elements;
      for (std::int64_t k = 0; k < *count; ++k) elements.push_back(ir::Expr::element(id, k));
      scope.graph().value(id).content = std::move(elements);
    }
    if (const auto it = options_.element_values.find(v.name()); it != options_.element_values.end()) {
      if (count && *count != static_cast<std::int64_t>(it->second.size()))
        fail("{} values are given for input '{}' of {} elements", it->second.size(), v.name(), *count);
      model_->element_values[id] = it->second;
    }
  }
}

void OnnxImport::check_supported(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                                 const std::vector<int>& order, const OnnxFrame& frame,
                                 std::map<std::string, std::string>& missing) {
  for (int i : order) {
    const auto& node = nodes[i];
    if (find_function(node) == nullptr &&
        find_onnx_importer(node.domain(), node.op_type(), opset_of(frame, node.domain())) == nullptr) {
      const std::string op = fmt::format("{}{}{} (opset {})", node.domain(), node.domain().empty() ? "" : ".",
                                         node.op_type(), opset_of(frame, node.domain()));
      missing.emplace(op, display_name(node, frame));
    }
    for (const auto& a : node.attribute())
      if (a.has_g()) {
        std::vector<int> all(static_cast<std::size_t>(a.g().node_size()));
        for (std::size_t k = 0; k < all.size(); ++k) all[k] = static_cast<int>(k);
        check_supported(a.g().node(), all, frame, missing);
      }
  }
}

void OnnxImport::import_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                              const std::vector<int>& order, const OnnxFrame& frame, Scope& scope) {
  for (int i : order) import_node(nodes[i], frame, scope);
}

void OnnxImport::import_node(const onnx::NodeProto& node, const OnnxFrame& frame, Scope& scope) {
  const auto place = [&] { return fmt::format("{} node '{}'", node.op_type(), display_name(node, frame)); };
  try {
    const int opset = opset_of(frame, node.domain());
    if (const onnx::FunctionProto* function = find_function(node)) {
      import_call(node, *function, frame, scope);
      return;
    }
    const OnnxImporter* importer = find_onnx_importer(node.domain(), node.op_type(), opset);
    if (importer == nullptr)
      fail_hint("`monza ops` lists what is supported", "operator {} of domain '{}' at opset {} is not supported",
                node.op_type(), node.domain().empty() ? "ai.onnx" : node.domain(), opset);
    const ir::OriginSet origins{model_->add_origin(display_name(node, frame), node.op_type())};
    const auto seen = make_onnx_node(*this, node, frame, scope, origins);
    importer->import(*seen);
    finish_onnx_node(*seen);
  } catch (const Error& e) {
    // Inference names the node itself; everything else gets its place here, once.
    if (e.where().find(display_name(node, frame)) != std::string::npos) throw;
    throw e.at(place());
  }
}

void OnnxImport::import_call(const onnx::NodeProto& node, const onnx::FunctionProto& function, const OnnxFrame& frame,
                             Scope& scope) {
  OnnxFrame inner = frame_of(function.opset_import());
  if (inner.opsets.empty()) inner.opsets = frame.opsets;
  inner.is_function = true;
  inner.caller = &frame;
  inner.prefix = display_name(node, frame) + "/";
  for (const auto& a : function.attribute_proto()) inner.call_attributes[a.name()] = &a;
  for (const auto& a : node.attribute()) {
    const onnx::AttributeProto* actual = &a;
    if (!a.ref_attr_name().empty()) {
      const auto it = frame.call_attributes.find(a.ref_attr_name());
      if (it == frame.call_attributes.end()) continue;
      actual = it->second;
    }
    inner.call_attributes[a.name()] = actual;
  }
  Scope body(scope.graph());
  for (int i = 0; i < function.input_size(); ++i) {
    if (i >= node.input_size() || node.input(i).empty()) continue;
    const ir::ValueId v = scope.find(node.input(i));
    if (v == ir::kNone) fail("input {} is '{}', which no node, input or initializer makes", i, node.input(i));
    body.define(function.input(i), v);
  }
  const std::set<std::string, std::less<>> wanted(function.output().begin(), function.output().end());
  import_nodes(function.node(), onnx_order(function.node(), wanted, false), inner, body);
  for (int i = 0; i < node.output_size() && i < function.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    const ir::ValueId v = body.find(function.output(i));
    if (v == ir::kNone) fail("function {} does not make its output '{}'", function.name(), function.output(i));
    scope.define(node.output(i), v);
  }
}

std::unique_ptr<ir::Graph> OnnxImport::import_body(const onnx::NodeProto& node, const onnx::GraphProto& proto,
                                                   const OnnxFrame& frame, Scope& outer,
                                                   std::vector<ir::ValueId>& captures,
                                                   const std::vector<ir::Type>& own_inputs) {
  // The same captures for every body of the node: the union of what they use of the outside, in order of first use.
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (const auto& a : node.attribute())
    if (a.has_g())
      for (auto& name : free_names(a.g()))
        if (seen.insert(name).second) names.push_back(std::move(name));
  const bool first = captures.empty();

  auto body = std::make_unique<ir::Graph>(model_, proto.name());
  Scope scope(*body);
  import_initializers(proto, scope);
  int index = 0;
  for (const auto& v : proto.input()) {
    ir::Type type;
    if (index < static_cast<int>(own_inputs.size()) &&
        own_inputs[static_cast<std::size_t>(index)].dtype != DType::invalid) {
      type = own_inputs[static_cast<std::size_t>(index)];
    } else {
      type = type_of(v.type(), v.name(), false);
    }
    scope.define(v.name(), body->add_input({}, type, {model_->add_origin(v.name(), "input")}));
    ++index;
  }
  for (const auto& name : names) {
    const ir::ValueId source = outer.find(name);
    if (source == ir::kNone) fail("a body uses '{}', which nothing in it or around it makes", name);
    const ir::Value& value = outer.graph().value(source);
    if (value.constant) {
      scope.define(name, body->add_constant({}, value.constant, value.origins));
      continue;
    }
    const ir::Type type = value.type;
    const auto content = value.content;
    const ir::ValueId inner = body->add_input({}, type, value.origins);
    body->value(inner).content = content;
    scope.define(name, inner);
    if (first) captures.push_back(source);
  }
  const std::set<std::string, std::less<>> wanted;
  import_nodes(proto.node(), onnx_order(proto.node(), wanted, false), frame, scope);
  for (const auto& o : proto.output()) {
    body->add_output(o.name(), scope.find(o.name()));  // it is there: the names of outputs are among the free names
  }
  return body;
}

/// What the file declares of outputs must be so: callers rely on it. Of inner tensors, and of shapes that exporters fix
/// by example, it is said when it is not.
void OnnxImport::check_declared(const onnx::GraphProto& graph, Scope& scope) {
  std::string wrong;
  int count = 0;
  const auto check = [&](const onnx::ValueInfoProto& info, bool output) {
    const ir::ValueId id = scope.find(info.name());
    if (id == ir::kNone || !info.type().has_tensor_type()) return;
    const onnx::TypeProto::Tensor& declared = info.type().tensor_type();
    const ir::Type& type = scope.graph().value(id).type;
    const DType dtype = dtype_of_onnx(declared.elem_type());
    const bool other_type = dtype != DType::invalid && type.kind == ir::ValueKind::tensor && dtype != type.dtype;
    if (output && other_type)
      fail_hint("export the model again; onnx.checker.check_model(model, full_check=True) says where it disagrees",
                "output '{}' is declared as {}, but its node makes {}", info.name(), declared_text(declared),
                ir::to_string(type));
    if (!other_type && (type.kind != ir::ValueKind::tensor || !contradicts(declared, type))) return;
    if (++count <= 3)
      wrong += fmt::format("{}'{}' is declared as {} and is {}", count > 1 ? ", " : "", info.name(),
                           declared_text(declared), ir::to_string(type));
  };
  for (const auto& info : graph.output()) check(info, true);
  for (const auto& info : graph.value_info()) check(info, false);
  if (count > 3) wrong += fmt::format(" and {} more", count - 3);
  if (count > 0)
    warn_once(fmt::format("the model declares types of tensors that are not those it computes: {}", wrong));
}

std::unique_ptr<ir::Graph> OnnxImport::run() {
  const onnx::ModelProto& proto = file_->model();
  const onnx::GraphProto& graph = proto.graph();
  check_versions(proto);
  model_->producer = proto.producer_name() + (proto.producer_version().empty() ? "" : " " + proto.producer_version());
  for (const auto& p : proto.metadata_props()) model_->metadata.emplace_back(p.key(), p.value());

  auto result = std::make_unique<ir::Graph>(model_, graph.name());
  Scope scope(*result);
  std::vector<std::string> outputs;
  for (const auto& o : graph.output()) outputs.push_back(o.name());
  if (!options_.outputs.empty()) outputs = options_.outputs;
  if (outputs.empty()) fail("the graph has no outputs, so there is nothing to compute");
  const std::set<std::string, std::less<>> wanted(outputs.begin(), outputs.end());

  const OnnxFrame frame = frame_of(proto.opset_import());
  const std::vector<int> order = onnx_order(graph.node(), wanted, true);
  check_size(proto, order, options_.limits);
  std::map<std::string, std::string> missing;
  check_supported(graph.node(), order, frame, missing);
  if (!missing.empty()) {
    std::string list;
    for (const auto& [op, node] : missing) list += message("\n  {}, first used by node '{}'", op, node);
    // Of ONNX's own domains, and of com.microsoft, only this program can have more.
    const bool of_plugins = std::all_of(missing.begin(), missing.end(), [](const auto& m) {
      const std::string_view name = std::string_view(m.first).substr(0, m.first.find(' '));
      return name.find('.') != name.npos && !name.starts_with("ai.onnx.") && !name.starts_with("com.microsoft.");
    });
    fail_hint(of_plugins ? "load the plugin that has it (--plugin FILE), or build only the outputs that do not need it "
                           "with --outputs"
                         : "build only the outputs that do not need it with --outputs, or export the model with other "
                           "operators",
              "{} operator{} not supported:{}", missing.size(), missing.size() == 1 ? " is" : "s are", Lines{list});
  }
  for (const std::string& name : options_.fed_initializers)
    if (std::none_of(graph.input().begin(), graph.input().end(), [&](const auto& v) { return v.name() == name; }))
      fail_hint("export it with its initializers as inputs (keep_initializers_as_inputs=True), or leave it out",
                "'{}' cannot be fed: the model does not list it among its inputs", name);
  import_initializers(graph, scope);
  import_inputs(graph, scope);
  import_nodes(graph.node(), order, frame, scope);
  for (const auto& name : outputs) {
    const ir::ValueId v = scope.find(name);
    if (v == ir::kNone) fail_no_output(graph, name);
    result->add_output(name, v);
  }
  check_declared(graph, scope);
  result->remove_unused_values();
  return result;
}

std::unique_ptr<ir::Graph> import_onnx(const std::filesystem::path& path, const OnnxImportOptions& options) {
  const auto file = OnnxFile::open(path, options.limits);
  try {
    auto graph = OnnxImport(file, options).run();
    ir::verify(*graph);
    // What broadcasts to nothing is a matter of each plan; the graph, and its text in an engine, stand for all ranges.
    auto& ranges = graph->model().extent_ranges;
    if (std::any_of(ranges.begin(), ranges.end(), [](const auto& range) { return range.second.low == 0; })) {
      ranges.clear();
      ops::infer_again(*graph);
      ir::verify(*graph);
    }
    return graph;
  } catch (const Error& e) {
    throw e.at("model '" + path.string() + "'");
  }
}

OnnxInput onnx_value(const onnx::ValueInfoProto& v) {
  OnnxInput input;
  input.name = v.name();
  const onnx::TypeProto* type = &v.type();
  for (bool inside = true; inside;) {
    inside = type->has_sequence_type() || type->has_optional_type();
    if (inside)
      type = type->has_sequence_type() ? &type->sequence_type().elem_type() : &type->optional_type().elem_type();
  }
  const auto& tensor = type->tensor_type();
  input.dtype = dtype_of_onnx(tensor.elem_type());
  input.has_shape = tensor.has_shape();
  for (const auto& d : tensor.shape().dim()) {
    input.shape.push_back(d.has_dim_value() ? d.dim_value() : -1);
    input.symbols.push_back(is_name(d.dim_param()) ? d.dim_param() : std::string());
  }
  return input;
}

namespace {

/// The inputs of the graph that are initializers, or those that are none.
std::vector<OnnxInput> inputs_of(const OnnxFile& file, bool initializers) {
  const onnx::GraphProto& graph = file.model().graph();
  std::set<std::string, std::less<>> constants;
  for (const auto& t : graph.initializer()) constants.insert(t.name());
  for (const auto& t : graph.sparse_initializer()) constants.insert(t.values().name());
  std::vector<OnnxInput> inputs;
  for (const auto& v : graph.input())
    if (constants.contains(v.name()) == initializers) inputs.push_back(onnx_value(v));
  return inputs;
}

}  // namespace

std::vector<OnnxInput> onnx_inputs(const std::filesystem::path& path, const Limits& limits) {
  return inputs_of(*OnnxFile::open(path, limits), false);
}

std::vector<OnnxInput> onnx_outputs(const std::filesystem::path& path, const Limits& limits) {
  const auto file = OnnxFile::open(path, limits);
  std::vector<OnnxInput> outputs;
  for (const auto& v : file->model().graph().output()) outputs.push_back(onnx_value(v));
  return outputs;
}

std::vector<OnnxInput> onnx_defaults(const std::filesystem::path& path, const Limits& limits) {
  return inputs_of(*OnnxFile::open(path, limits), true);
}

std::vector<std::string> onnx_data_files(const std::filesystem::path& path, const Limits& limits) {
  const auto file = OnnxFile::open(path, limits);
  return {file->data_locations().begin(), file->data_locations().end()};
}

}  // namespace monza
