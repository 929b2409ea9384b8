#include "engine/variants.h"

#include <algorithm>
#include <set>

#include "base/constraint.h"
#include "base/error.h"
#include "engine/explain.h"
#include "import/onnx/onnx_import.h"
#include "ir/op.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

/// Elements of an integer tensor on which extents may depend.
std::vector<std::int64_t> small_integers(const Tensor& tensor) {
  constexpr std::int64_t kMost = 64;
  std::vector<std::int64_t> values;
  if (!is_integer(tensor.dtype()) || dtype_bits(tensor.dtype()) < 8 || tensor.numel() > kMost) return values;
  const ElementAccess& access = element_access(tensor.dtype());
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values.push_back(access.load_int(tensor.ref().data, i));
  return values;
}

NamedValue named_value(const BuildReport& report, const std::string& name, Tensor value) {
  NamedValue v{name, std::move(value), "", ""};
  const ir::Graph& graph = *report.planned;
  const auto& outputs = graph.outputs();
  const auto output =
      std::find_if(outputs.begin(), outputs.end(), [&](const ir::Graph::Output& o) { return o.name == name; });
  const ir::Node* node = output == outputs.end() ? nullptr : graph.producer(output->value);
  if (node == nullptr) return v;
  v.node = ir::describe(graph, *node);
  for (const plan::Choice& c : report.choices)
    if (c.id == node->id) v.kernel = c.kernel;
  return v;
}

}  // namespace

Variant reference_of(const Variant& variant) {
  Variant reference{variant.options, nullptr};
  reference.options.optimize = false;
  reference.options.device = Device::reference;
  reference.options.precision = Precision::fp32;
  reference.options.constraints.clear();
  reference.options.tune = false;
  reference.options.isa.clear();
  return reference;
}

VariantRunner::VariantRunner(std::string model_path, std::map<std::string, Tensor> inputs, ProgressFn progress)
    : VariantRunner(std::make_shared<BuildSession>(std::move(model_path)), std::move(inputs), std::move(progress)) {}

VariantRunner::VariantRunner(std::shared_ptr<BuildSession> session, std::map<std::string, Tensor> inputs,
                             ProgressFn progress)
    : session_(std::move(session)), inputs_(std::move(inputs)), progress_(std::move(progress)) {}

VariantRunner::Result VariantRunner::run(const Variant& variant, const std::vector<std::string>& watch) {
  BuildOptions options = variant.options;
  options.progress = nullptr;
  options.strip = true;  // it is run, not kept
  for (const auto& [name, tensor] : inputs_) {
    options.shapes[name] = {tensor.shape(), tensor.shape(), tensor.shape()};
    if (auto values = small_integers(tensor); !values.empty()) options.shape_values[name] = std::move(values);
  }
  Result result;
  BuildHooks hooks;
  hooks.report = &result.report;
  hooks.pipeline = variant.pipeline;
  hooks.weights_in_place = true;
  if (!fed_) {
    fed_.emplace();
    for (const OnnxInput& i : onnx_defaults(session_->model_path(), options.limits))
      if (inputs_.contains(i.name)) fed_->push_back(i.name);
  }
  hooks.fed_initializers = *fed_;
  std::size_t own = 0;
  hooks.before_plan = [&](ir::Graph& graph) {
    own = graph.outputs().size();
    const std::set<std::string> wanted(watch.begin(), watch.end());
    for (const ir::NodeId id : graph.order())
      for (const ir::ValueId v : std::as_const(graph).node(id).outputs) {
        const ir::Value& value = std::as_const(graph).value(v);
        if (is_readable(value) && wanted.contains(value.name)) graph.add_output(value.name, v);
      }
  };
  const Engine engine = session_->build(options, hooks);
  ++builds_;

  Context context = engine.create_context({.threads = options.threads});
  for (const TensorInfo& input : engine.inputs()) {
    const auto it = inputs_.find(input.name);
    if (it == inputs_.end()) fail("nothing is given for input '{}'", input.name);
    if (const Status s = context.bind_input(input.name, it->second); !s)
      throw Error(context.describe(s)).at("input '" + input.name + "'");
  }
  if (const Status s = context.run(); !s)
    throw Error(context.describe(s)).at("a run of '" + session_->model_path() + "'");
  for (std::size_t k = 0; k < engine.outputs().size(); ++k)
    (k < own ? result.outputs : result.values)
        .push_back(named_value(result.report, engine.outputs()[k].name, Tensor::copy_of(context.output(k))));
  result.kernels = kernels_of(engine);
  return result;
}

std::vector<StepKernel> kernels_of(const Engine& engine) {
  std::vector<StepKernel> kernels;
  for (StepText& step : steps_of(engine))
    kernels.push_back({std::move(step.name), std::move(step.nodes), std::move(step.kernel)});
  return kernels;
}

bool is_quantised_op(std::string_view op) {
  return op.starts_with("Q") || op.find("Quant") != op.npos || op.find("Integer") != op.npos;
}

bool quantises(const ir::Graph& graph) {
  const auto& order = graph.order();
  return std::any_of(order.begin(), order.end(), [&](ir::NodeId id) {
    const ir::Node& node = graph.node(id);
    return is_quantised_op(node.op->name) ||
           std::any_of(node.bodies.begin(), node.bodies.end(), [](const auto& body) { return quantises(*body); });
  });
}

bool is_rounded(std::string_view computes_in) {
  return computes_in == precision_name(Precision::bf16) || computes_in == precision_name(Precision::fp16);
}

bool is_readable(const ir::Value& value) {
  return !value.name.empty() && value.type.kind == ir::ValueKind::tensor && value.type.dtype != DType::string &&
         !value.constant;
}

std::vector<std::string> value_names(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::NodeId id : graph.order())
    for (const ir::ValueId v : graph.node(id).outputs)
      if (is_readable(graph.value(v))) names.push_back(graph.value(v).name);
  return names;
}

}  // namespace monza
