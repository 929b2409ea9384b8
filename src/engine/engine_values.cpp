#include "engine/engine_values.h"

#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "engine/build_record.h"
#include "engine/compile.h"
#include "engine/run/engine_impl.h"
#include "ir/op.h"
#include "passes/pattern.h"
#include "quant/integer_names.h"
#include "quant/quantizer.h"
#include "tensor/element.h"

namespace monza {
namespace {

struct Scale {
  std::size_t scale, zero;  ///< positions of a node's inputs
};

/// Where a node says what its 8-bit result stands for.
std::optional<Scale> scale_of_result(const ir::Node& n) {
  const std::string_view op = n.op->name;
  if (op == "QuantizeLinear") return Scale{1, 2};
  if (op == "QConv" || op == "QMatMul" || op == "QAdd") return Scale{6, 7};
  if (op == "QGlobalAveragePool") return Scale{3, 4};
  return std::nullopt;
}

/// What the integers of `v` stand for. What only moves them keeps their scale.
std::optional<quant::Affine> affine_of(const ir::Graph& graph, ir::ValueId v) {
  const ir::Node* node = graph.producer(v);
  while (node != nullptr && !scale_of_result(*node)) {
    if (node->inputs.empty()) return std::nullopt;
    node = graph.producer(node->inputs[0]);
  }
  if (node == nullptr) return std::nullopt;
  const Scale at = *scale_of_result(*node);
  if (node->inputs.size() <= at.zero) return std::nullopt;
  const auto scale = scalar_value(graph, node->inputs[at.scale]), zero = scalar_value(graph, node->inputs[at.zero]);
  if (!scale || !zero) return std::nullopt;
  return quant::Affine{static_cast<float>(*scale), static_cast<int>(*zero)};
}

Tensor floats_of(const TensorRef& integers, const quant::Affine& affine) {
  Tensor result(DType::f32, integers.shape);
  const ElementAccess& access = element_access(integers.dtype);
  for (std::int64_t i = 0; i < result.numel(); ++i)
    result.as<float>()[i] = static_cast<float>(access.load_int(integers.data, i) - affine.zero_point) * affine.scale;
  return result;
}

/// A value that becomes an output.
struct Watched {
  std::string name, node;
  std::optional<quant::Affine> affine;  ///< of one in 8 bits
};

/// Adds the values of these names to the outputs.
std::vector<Watched> watch(ir::Graph& graph, const std::set<std::string_view>& names) {
  std::vector<Watched> watched;
  const auto& order = graph.order();
  for (const ir::NodeId id : std::vector<ir::NodeId>(order.begin(), order.end())) {
    const ir::Node& node = std::as_const(graph).node(id);
    for (const ir::ValueId v : std::vector<ir::ValueId>(node.outputs.begin(), node.outputs.end())) {
      const ir::Value& value = std::as_const(graph).value(v);
      const std::string_view floats = quant::floats_name(value.name);
      const std::string name(floats.empty() ? std::string_view(value.name) : floats);
      if (!names.contains(name) || !is_readable(value)) continue;
      const auto affine = floats.empty() ? std::nullopt : affine_of(graph, v);
      if (!floats.empty() && !affine) continue;
      watched.push_back({name, ir::describe(graph, std::as_const(graph).node(id)), affine});
      graph.add_output(value.name, v);
    }
  }
  return watched;
}

}  // namespace

std::vector<NamedValue> values_of_engine(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                                         const std::vector<std::string>& names, const Limits& limits) {
  const engine_file::Image& image = engine.impl().image;
  BuildReport report = read_record(image, limits);
  ir::Graph& graph = *report.planned;
  const std::size_t own = graph.outputs().size();
  const std::vector<Watched> watched = watch(graph, {names.begin(), names.end()});
  BuildOptions options;
  options.tune = false;
  options.strip = true;
  options.limits = limits;
  options.threads = engine.stats().threads;
  options.isa = engine.stats().isa;
  const Engine shown =
      make_engine(compile(graph, options_to_replan(image, std::move(options)), image.info.profiles, report), {});
  Context context = shown.create_context({.threads = engine.stats().threads});
  for (const TensorInfo& input : shown.inputs())
    if (const Status s = context.bind_input(input.name, inputs.at(input.name)); !s)
      throw Error(context.describe(s)).at("input '" + input.name + "'");
  if (const Status s = context.run(); !s) throw Error(context.describe(s)).at("a run that shows the engine's values");
  std::vector<NamedValue> values;
  for (std::size_t k = 0; k < watched.size(); ++k) {
    const TensorRef got = context.output(own + k);
    const Watched& w = watched[k];
    NamedValue value{w.name, w.affine ? floats_of(got, *w.affine) : Tensor::copy_of(got), w.node, ""};
    if (w.affine) value.integers = quant::range_of(*w.affine);
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace monza
