// Prints the graph; text_parse.cpp reads it back.
#include "ir/text.h"

#include <cctype>
#include <cmath>

#include "base/constraint.h"
#include "base/hash.h"
#include "ir/op.h"
#include "ir/text_common.h"
#include "tensor/dtype.h"

namespace monza::ir {

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') (quoted += '\\') += c;
    else if (c == '\n') quoted += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else quoted += c;
  }
  return quoted + "\"";
}

bool is_plain_name(std::string_view name) {
  if (name.empty() || !(std::isalpha(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_')) return false;
  for (char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') return false;
  return true;
}

namespace {
/// Shortest text that reads back to the same number, always recognisable as one with a fraction.
std::string number(double v) {
  std::string text = fmt::format("{}", v);
  return text.find_first_of(".en") == text.npos ? text + ".0" : text;
}

std::string element(const Constant& c, double v) {
  if (!std::isfinite(v)) return std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
  return c.dtype == DType::f32 ? fmt::format("{}", static_cast<float>(v)) : fmt::format("{}", v);
}

template <typename List, typename F>
std::string join(const List& list, F&& text) {
  std::string joined;
  for (const auto& e : list) joined += (joined.empty() ? "" : ", ") + text(e);
  return joined;
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  void model(const Model& m) {
    text_ += "model {\n";
    for (const Origin& o : m.origins) text_ += "  origin " + quote(o.name) + " " + quote(o.op_type) + "\n";
    for (const auto& [value, elements] : m.element_values)
      text_ +=
          fmt::format("  given !{} [{}]\n", value, join(elements, [](std::int64_t e) { return std::to_string(e); }));
    for (const auto& [value, element] : m.specialised) text_ += fmt::format("  specialised !{} {}\n", value, element);
    if (m.limits.trips != Limits{}.trips) text_ += fmt::format("  trips {}\n", m.limits.trips);
    text_ += "}\n";
  }

  void graph(const Graph& g, const std::string& indent) {
    std::unordered_set<ValueId> outer = std::move(by_id_);
    by_id_ = atoms_of(g);
    text_ += "graph " + quote(g.name()) + " (";
    text_ += join(g.inputs(), [&](ValueId v) {
      return define(g.value(v)) + ": " + to_string(g.value(v).type) + from(g.value(v).origins) + content(g.value(v));
    });
    text_ += ") {\n";
    for (ValueId id : g.values()) {
      const Value& v = g.value(id);
      if (!v.constant || (options_.complete && g.users(id).empty() && !g.is_output(id))) continue;
      text_ += indent + "  " + define(v) + from(v.origins) + " = constant " + constant(v.constant) + "\n";
    }
    for (NodeId id : g.order()) node(g, g.node(id), indent + "  ");
    text_ += indent + "  return (" +
             join(g.outputs(),
                  [&](const Graph::Output& o) {
                    return (is_plain_name(o.name) ? o.name : quote(o.name)) + ": " + use(g.value(o.value));
                  }) +
             ")\n" + indent + "}\n";
    by_id_ = std::move(outer);
  }

  std::string text_;

 private:
  /// Values that expressions of this graph name: they print by number, because expressions do.
  static std::unordered_set<ValueId> atoms_of(const Graph& g) {
    std::unordered_set<ValueId> found;
    auto note = [&](const Atom& a) -> std::optional<Expr> {
      if (a.kind != AtomKind::symbol) found.insert(a.value);
      return std::nullopt;
    };
    for (ValueId id : g.values())
      for (const Expr& e : g.value(id).type.shape) substitute(e, note);
    return found;
  }

  std::string use(const Value& v) const {
    return "%" + (is_plain_name(v.name) && by_id_.count(v.id) == 0 ? v.name : std::to_string(v.id));
  }
  std::string define(const Value& v) const {
    const bool by_name = use(v) == "%" + v.name;
    return use(v) + (options_.complete && by_name ? fmt::format(" !{}", v.id) : "") +
           (!v.name.empty() && !by_name ? " " + quote(v.name) : "");
  }
  std::string from(const OriginSet& origins) const {
    if (!options_.complete) return {};
    return " @from=[" + join(origins, [](std::uint32_t o) { return std::to_string(o); }) + "]";
  }
  std::string content(const Value& v) const {
    if (!options_.complete || !v.content) return {};
    return " @content=[" + join(*v.content, [](const Expr& e) { return to_string(e); }) + "]";
  }
  static bool has_nan(const Constant& c) {
    if (!is_float(c.dtype)) return false;
    for (const double v : to_doubles(c))
      if (std::isnan(v)) return true;
    return false;
  }

  std::string constant(const std::shared_ptr<const Constant>& shared) const {
    const Constant& c = *shared;
    std::vector<std::int64_t> extents(c.shape.dim, c.shape.dim + c.shape.rank);
    std::string text = std::string(dtype_name(c.dtype)) + to_string(constant_shape(extents)) + " ";
    if (c.dtype == DType::string) {
      if (c.strings.size() > options_.max_elements && !options_.complete) return text + "#strings";
      return text + "[" + join(c.strings, [](const std::string& s) { return quote(s); }) + "]";
    }
    const bool large = static_cast<std::size_t>(c.numel()) > options_.max_elements || is_block_encoding(c.dtype);
    if (options_.complete && (large || has_nan(c))) {
      // The bits of a NaN do not survive as text.
      if (!options_.stored) fail("a constant {} has no text, and nothing to store it in is given", text);
      return text + "stored {" + attributes(options_.stored(shared)) + "}";
    }
    if (large) return text + fmt::format("#{:016x}", hash64(c.bytes));
    if (c.dtype == DType::c64 || c.dtype == DType::c128) {
      std::vector<double> parts;
      for (std::int64_t i = 0; i < 2 * c.numel(); ++i)
        parts.push_back(c.dtype == DType::c64 ? c.as<float>()[i] : c.as<double>()[i]);
      return text + "[" + join(parts, number) + "]";
    }
    if (c.dtype == DType::u64) {
      std::vector<std::uint64_t> values(c.as<std::uint64_t>(), c.as<std::uint64_t>() + c.numel());
      return text + "[" + join(values, [](std::uint64_t v) { return std::to_string(v); }) + "]";
    }
    if (is_float(c.dtype)) return text + "[" + join(to_doubles(c), [&](double v) { return element(c, v); }) + "]";
    return text + "[" + join(to_ints(c), [](std::int64_t v) { return std::to_string(v); }) + "]";
  }

  std::string attribute(const AttrValue& value) const {
    struct Visitor {
      const Printer& p;
      std::string operator()(std::int64_t v) const { return std::to_string(v); }
      std::string operator()(double v) const { return number(v); }
      std::string operator()(const std::string& v) const { return quote(v); }
      std::string operator()(const std::vector<std::int64_t>& v) const {
        return "[" + join(v, [](std::int64_t e) { return std::to_string(e); }) + "]";
      }
      std::string operator()(const std::vector<double>& v) const {
        return v.empty() ? "floats[]" : "[" + join(v, number) + "]";
      }
      std::string operator()(const std::vector<std::string>& v) const {
        return v.empty() ? "strings[]" : "[" + join(v, [](const std::string& s) { return quote(s); }) + "]";
      }
      std::string operator()(const std::shared_ptr<const Constant>& v) const { return "tensor " + p.constant(v); }
    };
    return std::visit(Visitor{*this}, value);
  }
  std::string attributes(const Attrs& attrs) const {
    return join(attrs.all(), [&](const auto& a) {
      return (is_plain_name(a.first) ? a.first : quote(a.first)) + "=" + attribute(a.second);
    });
  }

  void node(const Graph& g, const Node& n, const std::string& indent) {
    text_ += indent;
    text_ += join(n.outputs, [&](ValueId v) {
      const Value& value = g.value(v);
      return define(value) + ": " + to_string(value.type) + (value.origins == n.origins ? "" : from(value.origins));
    });
    text_ += std::string(n.outputs.empty() ? "" : " = ") + n.op->name + "(";
    text_ += join(n.inputs, [&](ValueId v) { return v == kNone ? std::string("_") : use(g.value(v)); }) + ")";
    if (!n.attrs.all().empty()) text_ += " {" + attributes(n.attrs) + "}";
    if (const Precisions p = n.constraint.precisions; !p.empty()) text_ += " @precision=" + quote(to_string(p));
    if (const Devices d = n.constraint.devices; !d.empty()) text_ += " @device=" + quote(to_string(d));
    text_ += from(n.origins);
    if (options_.origins) {
      text_ += "  // from " + join(n.origins, [&](std::uint32_t o) {
                 return o < g.model().origins.size() ? quote(g.model().origins[o].name) : std::string("?");
               });
    }
    text_ += "\n";
    for (const auto& body : n.bodies) {
      text_ += indent + "  body ";
      graph(*body, indent + "  ");
    }
  }

  const PrintOptions& options_;
  std::unordered_set<ValueId> by_id_;
};
}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  Printer printer(options);
  if (options.complete) printer.model(graph.model());
  printer.graph(graph, "");
  return std::move(printer.text_);
}

}  // namespace monza::ir
