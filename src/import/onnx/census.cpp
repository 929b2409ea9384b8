#include "import/onnx/census.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "import/onnx/importer.h"

namespace monza {
namespace {

std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

/// What a part of the model expands to. Sums stop at the largest number: they double from level to level.
struct Size {
  std::int64_t nodes = 0, values = 0, attribute_bytes = 0;
  std::int64_t name_bytes = 0;  ///< of the longest name
  std::int64_t depth = 0;       ///< levels of bodies and functions inside
  void operator+=(const Size& other) {
    nodes = add(nodes, other.nodes);
    values = add(values, other.values);
    attribute_bytes = add(attribute_bytes, other.attribute_bytes);
    name_bytes = std::max(name_bytes, other.name_bytes);
    depth = std::max(depth, other.depth);
  }
  void name(const std::string& text) { name_bytes = std::max(name_bytes, static_cast<std::int64_t>(text.size())); }
};

std::int64_t string_bytes(const google::protobuf::RepeatedPtrField<std::string>& list) {
  std::int64_t bytes = 0;
  for (const std::string& s : list) bytes += static_cast<std::int64_t>(s.size() + sizeof(std::string));
  return bytes;
}

std::string place_of(const onnx::NodeProto& node) {
  return fmt::format("{} node '{}'", node.op_type(), display_name(node, {}).substr(0, 200));
}

class Census {
 public:
  Census(const onnx::ModelProto& model, const Limits& limits) : limits_(limits) {
    for (const auto& f : model.functions())
      functions_.emplace(function_key(f.domain(), f.name(), f.overload()), Function{&f});
  }

  /// `level`: bodies and functions around the node.
  Size of_node(const onnx::NodeProto& node, std::int64_t level) {
    Size size{.nodes = 1, .values = node.input_size() + node.output_size()};
    for (const auto& name : node.input()) size.name(name);
    for (const auto& name : node.output()) size.name(name);
    const std::string name = display_name(node, {});
    size.name(name);
    for (const auto& a : node.attribute()) {
      size.attribute_bytes =
          add(size.attribute_bytes, static_cast<std::int64_t>(a.s().size()) + a.ints_size() * 8 + a.floats_size() * 4 +
                                        string_bytes(a.strings()) + string_bytes(a.t().string_data()));
      if (a.has_g()) size += inner(node, level, [&] { return of_graph(a.g(), level + 1); });
      for (const auto& g : a.graphs()) size += inner(node, level, [&] { return of_graph(g, level + 1); });
    }
    if (const auto it = functions_.find(function_key(node.domain(), node.op_type(), node.overload()));
        it != functions_.end()) {
      Size body = inner(node, level, [&] { return of_function(it->second, level + 1); });
      body.name_bytes += static_cast<std::int64_t>(name.size()) + 1;  // "call/node"
      size += body;
    }
    return size;
  }

 private:
  struct Function {
    const onnx::FunctionProto* proto;
    bool entered = false, counted = false;
    Size size;
  };

  template <typename F>
  Size inner(const onnx::NodeProto& node, std::int64_t level, F&& count) {
    try {
      check_limit(limits_, &Limits::depth, level + 1, "bodies and functions inside one another");
      Size size = count();
      ++size.depth;
      check_limit(limits_, &Limits::depth, level + size.depth, "bodies and functions inside one another");
      return size;
    } catch (const Error& e) {
      if (!e.where().empty()) throw;
      throw e.at(place_of(node));
    }
  }

  Size of_graph(const onnx::GraphProto& graph, std::int64_t level) {
    Size size{.values = graph.initializer_size() + graph.sparse_initializer_size() + graph.input_size()};
    for (const auto& t : graph.initializer()) {
      size.name(t.name());
      size.attribute_bytes = add(size.attribute_bytes, string_bytes(t.string_data()));
    }
    for (const auto& v : graph.input()) size.name(v.name());
    for (const auto& n : graph.node()) size += of_node(n, level);
    return size;
  }

  const Size& of_function(Function& f, std::int64_t level) {
    if (f.counted) return f.size;
    if (f.entered) fail("the function '{}' calls itself, so it has no end", f.proto->name());
    f.entered = true;
    // Every call walks these lists, whatever it passes.
    f.size.values = std::int64_t{f.proto->input_size()} + f.proto->output_size() + f.proto->attribute_proto_size() +
                    f.proto->opset_import_size();
    for (const auto& n : f.proto->node()) f.size += of_node(n, level);
    f.counted = true;
    return f.size;
  }

  const Limits& limits_;
  std::unordered_map<std::string, Function> functions_;
};

}  // namespace

std::string function_key(const std::string& domain, const std::string& name, const std::string& overload) {
  return domain + "\n" + name + "\n" + overload;
}

void check_size(const onnx::ModelProto& model, const std::vector<int>& order, const Limits& limits) {
  const onnx::GraphProto& graph = model.graph();
  Census census(model, limits);
  Size whole{.values = graph.initializer_size() + graph.sparse_initializer_size() + graph.input_size()};
  for (const auto& t : graph.initializer()) {
    whole.name(t.name());
    whole.attribute_bytes = add(whole.attribute_bytes, string_bytes(t.string_data()));
  }
  for (const auto& v : graph.input()) whole.name(v.name());
  int largest = -1;  // the node that has most of it, where one has
  const auto weigh = [&](const char* what, std::int64_t Limits::* field, std::int64_t found, std::int64_t of_largest) {
    try {
      check_limit(limits, field, found, what);
    } catch (const Error& e) {
      if (of_largest < found / 2 || largest < 0) throw;
      throw e.at(place_of(graph.node(largest)));
    }
  };
  Size most;
  for (const int i : order) {
    const Size size = census.of_node(graph.node(i), 0);
    if (size.nodes > most.nodes || size.values > most.values || size.attribute_bytes > most.attribute_bytes ||
        size.name_bytes > most.name_bytes) {
      most = size;
      largest = i;
    }
    whole += size;
  }
  weigh("nodes once functions are expanded", &Limits::nodes, whole.nodes, most.nodes);
  weigh("values of nodes once functions are expanded", &Limits::values, whole.values, most.values);
  weigh("bytes of attributes and strings once functions are expanded", &Limits::attribute_bytes, whole.attribute_bytes,
        most.attribute_bytes);
  weigh("bytes of a name, with the functions around it,", &Limits::name_bytes, whole.name_bytes, most.name_bytes);
}

}  // namespace monza
