#include "support/onnx_notation.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/limits.h"
#include "support/notation_reader.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza::test {
namespace {

/// TensorProto.DataType of Monza's names, in the order of its numbers.
int onnx_number(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "",           "f32",    "u8",         "i8",  "u16", "i16",    "i32",    "i64",  "string",
      "bool",       "f16",    "f64",        "u32", "u64", "c64",    "c128",   "bf16", "f8e4m3fn",
      "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "u4",  "i4",  "f4e2m1", "f8e8m0", "u2",   "i2"};
  const auto* found = std::find(std::begin(kNames) + 1, std::end(kNames), name);
  return found == std::end(kNames) ? 0 : static_cast<int>(found - std::begin(kNames));
}

class Notation : NotationReader {
 public:
  explicit Notation(std::string_view text) : NotationReader(text) {
    noted_.options.tune = false;
    noted_.options.strict_rewrites = true;
    noted_.options.threads = 1;
  }

  NotedModel all() {
    noted_.model.set_ir_version(10);
    onnx::GraphProto& graph = *noted_.model.mutable_graph();
    graph.set_name("g");
    graph_ = &graph;
    while (!end()) statement();
    if (!returned_ && graph.node_size() > 0)
      for (const auto& o : graph.node(graph.node_size() - 1).output())
        if (!o.empty()) graph.add_output()->set_name(o);
    domains_.emplace("", 24);
    for (const auto& [domain, version] : domains_) {
      auto* import = noted_.model.add_opset_import();
      import->set_domain(domain);
      import->set_version(version);
    }
    return std::move(noted_);
  }

 private:
  // --- types and constants ------------------------------------------------------------------------------
  bool type_follows() {
    if (peek() == '#') return true;
    const auto w = next_word();
    const char after = at_ + w.size() < text_.size() ? text_[at_ + w.size()] : ' ';
    const bool list = w == "seq" || w == "optional" || w == "map" || w == "sparse";
    return list ? after == '(' : onnx_number(w) != 0 && after != ':';
  }
  int element_type() {
    if (take('#')) return static_cast<int>(integer());
    const std::string w = word();
    if (onnx_number(w) == 0) bad("'{}' is no element type", w);
    return onnx_number(w);
  }
  template <typename Tensor>  // or SparseTensor
  void tensor_type(Tensor* type) {
    type->set_elem_type(element_type());
    if (!take('[')) return;
    auto* shape = type->mutable_shape();
    while (!take(']')) {
      auto* dim = shape->add_dim();
      if (!take('?')) {
        const std::string extent = number();
        if (std::isdigit(static_cast<unsigned char>(extent[0])) != 0 || extent[0] == '-')
          dim->set_dim_value(to_integer(extent));
        else dim->set_dim_param(extent);
      }
      if (peek() != ']') expect(',');
    }
  }
  void type(onnx::TypeProto* t) {
    if (take_word("seq")) {
      expect('('), type(t->mutable_sequence_type()->mutable_elem_type()), expect(')');
    } else if (take_word("optional")) {
      expect('('), type(t->mutable_optional_type()->mutable_elem_type()), expect(')');
    } else if (take_word("sparse")) {
      expect('('), tensor_type(t->mutable_sparse_tensor_type()), expect(')');
    } else if (take_word("map")) {
      expect('('), t->mutable_map_type()->set_key_type(element_type()), expect(',');
      type(t->mutable_map_type()->mutable_value_type()), expect(')');
    } else {
      tensor_type(t->mutable_tensor_type());
    }
  }

  void store(onnx::TensorProto& t, const std::string& w) const {
    using T = onnx::TensorProto;
    switch (t.data_type()) {
      case T::FLOAT:
      case T::COMPLEX64: return t.add_float_data(static_cast<float>(to_real(w)));
      case T::DOUBLE:
      case T::COMPLEX128: return t.add_double_data(to_real(w));
      case T::INT64: return t.add_int64_data(to_integer(w));
      case T::UINT32:
      case T::UINT64: return t.add_uint64_data(static_cast<std::uint64_t>(to_integer(w)));
      case T::STRING: *t.add_string_data() = w; return;
      case T::FLOAT16: return t.add_int32_data(f32_to_f16(static_cast<float>(to_real(w))));
      case T::BFLOAT16: return t.add_int32_data(f32_to_bf16(static_cast<float>(to_real(w))));
      default: return t.add_int32_data(static_cast<std::int32_t>(to_integer(w)));  // small types: their bits
    }
  }
  /// What stands behind `=`, as elements of a tensor of this type.
  void constant(const onnx::TypeProto& type, onnx::TensorProto& t) {
    t.set_data_type(type.tensor_type().elem_type());
    std::int64_t count = 1;
    for (const auto& d : type.tensor_type().shape().dim()) {
      t.add_dims(d.dim_value());
      count *= d.dim_value();
    }
    if (take_word("raw")) {
      expect('('), t.set_raw_data(std::string(static_cast<std::size_t>(integer()), '\0')), expect(')');
      return;
    }
    if (take_word("external")) {
      t.set_data_location(onnx::TensorProto::EXTERNAL);
      expect('(');
      while (!take(')')) {
        auto* entry = t.add_external_data();
        entry->set_key(word()), expect('='), entry->set_value(string()), take(',');
      }
      return;
    }
    const Literal l = literal();
    if (l.list) {
      for (const auto& w : l.words) store(t, w);
      return;
    }
    const DType dtype = parse_dtype(text_of(t.data_type()));
    const int bits = dtype == DType::invalid ? 8 : dtype_bits(dtype);
    const bool complex = dtype == DType::c64 || dtype == DType::c128;
    if (bits < 8) count = (count * bits + 7) / 8;
    for (std::int64_t i = 0; i < (complex ? 2 * count : count); ++i) store(t, l.words[0]);
  }
  static std::string_view text_of(int number) {
    static constexpr std::string_view kSmall[] = {"u4", "i4", "f4e2m1", "f8e8m0", "u2", "i2"};
    if (number == onnx::TensorProto::COMPLEX64) return "c64";
    if (number == onnx::TensorProto::COMPLEX128) return "c128";
    return number > 20 && number < 27 ? kSmall[number - 21] : "u8";
  }
  /// TYPE = CONSTANT, where only a constant may stand.
  onnx::TensorProto whole_constant() {
    onnx::TypeProto t;
    type(&t);
    expect('=');
    onnx::TensorProto tensor;
    constant(t, tensor);
    return tensor;
  }
  void sparse(const onnx::TypeProto& type, onnx::SparseTensorProto& s) {
    for (const auto& d : type.tensor_type().shape().dim()) s.add_dims(d.dim_value());
    expect('('), *s.mutable_values() = whole_constant(), expect(',');
    *s.mutable_indices() = whole_constant(), expect(')');
  }

  /// Behind a name's ':', or where a type stands for itself.
  void declare(const std::string& name, onnx::GraphProto& graph) {
    onnx::TypeProto t;
    type(&t);
    if (!take('=')) {
      auto* info = graph.add_input();
      info->set_name(name);
      *info->mutable_type() = t;
    } else if (take_word("sparse")) {
      auto& s = *graph.add_sparse_initializer();
      sparse(t, s);
      s.mutable_values()->set_name(name);
    } else {
      onnx::TensorProto& tensor = *graph.add_initializer();
      tensor.set_name(name);
      constant(t, tensor);
    }
  }
  std::string unnamed() { return "arg" + std::to_string(unnamed_++); }
  /// One input of a node, declared on the way; its name.
  std::string input() {
    onnx::GraphProto& graph = *noted_.model.mutable_graph();
    if (type_follows()) {
      const std::string name = unnamed();
      declare(name, graph);
      return name;
    }
    const char c = peek();
    if (c == '[' || c == '-' || std::isdigit(static_cast<unsigned char>(c)) != 0) {
      const Literal l = literal();
      onnx::TensorProto& t = *graph.add_initializer();
      t.set_name(unnamed());
      t.set_data_type(l.text   ? onnx::TensorProto::STRING
                      : l.real ? onnx::TensorProto::FLOAT
                               : onnx::TensorProto::INT64);
      if (l.list) t.add_dims(static_cast<std::int64_t>(l.words.size()));
      for (const auto& w : l.words) store(t, w);
      return t.name();
    }
    std::string name = name_or_absent();
    if (take(':')) declare(name, graph);
    return name;
  }

  // --- statements ---------------------------------------------------------------------------------------
  void attribute(onnx::AttributeProto& a) {
    using A = onnx::AttributeProto;
    a.set_name(word());
    expect('=');
    if (take('@')) return a.set_ref_attr_name(word());
    if (peek() == '{' || peek() == '(') {
      a.set_type(A::GRAPH);
      return body(*a.mutable_g());
    }
    if (take_word("type")) {
      a.set_type(A::TYPE_PROTO);
      return type(a.mutable_tp());
    }
    const bool floats = take_word("floats"), strings = !floats && take_word("strings");
    if (!floats && !strings && type_follows()) {
      onnx::TypeProto t;
      type(&t);
      expect('=');
      if (take_word("sparse")) {
        a.set_type(A::SPARSE_TENSOR);
        return sparse(t, *a.mutable_sparse_tensor());
      }
      a.set_type(A::TENSOR);
      return constant(t, *a.mutable_t());
    }
    const Literal l = literal();
    for (const auto& w : l.words) {
      if (!l.list) {
        if (l.text) a.set_s(w);
        else if (l.real) a.set_f(static_cast<float>(to_real(w)));
        else a.set_i(to_integer(w));
      } else {
        if (l.text) a.add_strings(w);
        else if (l.real || floats) a.add_floats(static_cast<float>(to_real(w)));
        else a.add_ints(to_integer(w));
      }
    }
    if (l.list) a.set_type(l.text || strings ? A::STRINGS : l.real || floats ? A::FLOATS : A::INTS);
    else a.set_type(l.text ? A::STRING : l.real ? A::FLOAT : A::INT);
  }
  void body(onnx::GraphProto& graph) {
    onnx::GraphProto* outer = std::exchange(graph_, &graph);
    const bool returned = std::exchange(returned_, false);
    graph.set_name("body");
    if (take('('))
      while (!take(')')) {
        const std::string name = word();
        expect(':'), declare(name, graph), take(',');
      }
    expect('{');
    while (!take('}')) statement(), end();
    graph_ = outer;
    returned_ = returned;
  }
  void function() {
    onnx::FunctionProto& f = *noted_.model.add_functions();
    const auto [domain, name] = split(word());
    f.set_domain(domain), f.set_name(name);
    domains_.emplace(domain, 1);
    expect('(');
    while (peek() != ')' && peek() != ';') f.add_input(word()), take(',');
    if (take(';'))
      while (peek() != ')') f.add_attribute(word()), take(',');
    expect(')');
    onnx::GraphProto inside;
    body(inside);
    *f.mutable_node() = inside.node();
    for (const auto& o : inside.output()) f.add_output(o.name());
  }
  static std::pair<std::string, std::string> split(const std::string& op) {
    const auto dot = op.rfind('.');
    return dot == op.npos ? std::pair(std::string(), op) : std::pair(op.substr(0, dot), op.substr(dot + 1));
  }
  void node(const std::string& op, const std::vector<std::string>& outputs) {
    onnx::NodeProto node;
    const auto [domain, name] = split(op);
    node.set_domain(domain), node.set_op_type(name);
    domains_.emplace(domain, domain.empty() ? 24 : domain == "ai.onnx.ml" ? 5 : 1);
    expect('(');
    while (peek() != ')' && peek() != ';') node.add_input(input()), take(',');
    if (take(';'))
      while (peek() != ')') attribute(*node.add_attribute()), take(',');
    expect(')');
    for (const auto& o : outputs) node.add_output(o);
    if (outputs.empty()) node.add_output(std::string("out"));
    *graph_->add_node() = std::move(node);
  }
  void run() {
    noted_.runs = true;
    expect('(');
    while (!take(')')) {
      const std::string name = word();
      expect(':');
      if (take('(')) {
        auto& list = noted_.run_lists[name];
        while (!take(')')) list.push_back(whole_constant()), take(',');
      } else {
        declare(name, noted_.run_inputs);
      }
      take(',');
    }
  }
  void opset() {
    std::string domain = std::isdigit(static_cast<unsigned char>(peek())) != 0 ? std::string() : word();
    if (domain == "ai.onnx") domain.clear();
    domains_[domain] = integer();
  }
  void statement() {
    if (peek() == '-') return option();
    if (take_word("opset")) return opset();
    if (take_word("function")) return function();
    std::vector<std::string> names{name_or_absent()};
    if (names[0] == "run" && peek() == '(') return run();
    if (names[0] == "return") {
      returned_ = true;
      do graph_->add_output()->set_name(word());
      while (take(','));
      return;
    }
    if (take(':')) return declare(names[0], *graph_);
    if (peek() == '(') return node(names[0], {});
    while (take(',')) names.push_back(name_or_absent());
    expect('=');
    node(word(), names);
  }
  void option() {
    const auto until_space = [&] {
      peek();
      const std::size_t begin = at_;
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) == 0) ++at_;
      return std::string(text_.substr(begin, at_ - begin));
    };
    const auto list = [](const std::string& text, char separator) {
      std::vector<std::string> parts;
      std::istringstream stream(text);
      for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
      return parts;
    };
    const auto ints = [&](const std::string& text, char separator) {
      std::vector<std::int64_t> values;
      for (const auto& part : list(text, separator)) values.push_back(to_integer(part));
      return values;
    };
    const std::string name = until_space(), value = until_space();
    const auto equals = value.find('=');
    const std::string key = value.substr(0, equals), rest = equals == value.npos ? "" : value.substr(equals + 1);
    BuildOptions& o = noted_.options;
    if (name == "--shape") o.shapes[key] = {.min = {}, .opt = ints(rest, 'x'), .max = {}};
    else if (name == "--min-shape") o.shapes[key].min = ints(rest, 'x');
    else if (name == "--opt-shape") o.shapes[key].opt = ints(rest, 'x');
    else if (name == "--max-shape") o.shapes[key].max = ints(rest, 'x');
    else if (name == "--shape-values") o.shape_values[key] = ints(rest, ',');
    else if (name == "--outputs") o.outputs = list(value, ',');
    else if (name == "--precision") o.precision = value == "bf16" ? Precision::bf16 : Precision::fp32;
    else if (name == "--max-memory") o.max_memory = to_integer(value);
    else {
      for (const LimitInfo& limit : limit_list())
        if (name == limit_option(limit.field)) {
          o.limits.*limit.field = to_integer(value);
          return;
        }
      bad("option {} is not known", name);
    }
  }

  NotedModel noted_;
  onnx::GraphProto* graph_ = nullptr;
  bool returned_ = false;
  int unnamed_ = 0;
  std::map<std::string, std::int64_t> domains_;
};

}  // namespace

NotedModel parse_onnx_notation(std::string_view text) { return Notation(text).all(); }

}  // namespace monza::test
