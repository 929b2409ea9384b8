// Origins tie it together: every node, value, rewrite and near miss carries the ONNX nodes it came from.
#include "engine/explain.h"

#include <algorithm>
#include <set>

#include "base/constraint.h"
#include "base/error.h"
#include "base/nearest.h"
#include "engine/integer_scales.h"
#include "engine/run/engine_impl.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

bool overlap(const ir::OriginSet& a, const ir::OriginSet& b) {
  return std::any_of(a.begin(), a.end(), [&](std::uint32_t o) { return std::binary_search(b.begin(), b.end(), o); });
}

/// Calls f(graph, node) for every node, those of bodies after the node that has them.
template <typename F>
void each_node_in(const ir::Graph& graph, F&& f) {
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    f(graph, node);
    for (const auto& body : node.bodies) each_node_in(*body, f);
  }
}
template <typename F>
void each_value_in(const ir::Graph& graph, F&& f) {
  for (const ir::ValueId id : graph.values()) f(graph, graph.value(id));
  for (const ir::NodeId id : graph.order())
    for (const auto& body : graph.node(id).bodies) each_value_in(*body, f);
}

std::string quoted(const ir::Origin& o) { return fmt::format("{} '{}'", o.op_type, o.name); }

OperandText operand_text(const plan::Plan& plan, const plan::Operand& o) {
  OperandText text;
  if (o.base == plan::Base::none) return {"-", ""};
  const auto known = [&](plan::Register r) { return plan.registers[static_cast<std::size_t>(r)]; };
  std::string shape;
  bool dense = true;
  std::int64_t expected = 1;
  for (int a = o.rank - 1; a >= 0; --a) {
    // What a register of a dynamic operand will hold is not known yet; constants lie in the registers themselves.
    shape =
        (o.is_static != 0 ? std::to_string(known(o.extent[a])) : std::string("?")) + (shape.empty() ? "" : ",") + shape;
    if (o.is_static == 0) continue;
    dense = dense && (known(o.extent[a]) == 1 || known(o.stride[a]) == expected);
    expected *= known(o.extent[a]);
  }
  text.type = fmt::format("{}[{}]", dtype_name(o.dtype), shape);
  const auto steps_by_one = [&](int axis) { return known(o.stride[axis]) == 1; };
  switch (o.layout) {
    case Layout::blocked8: text.layout = "blocked8"; break;
    case Layout::blocked16: text.layout = "blocked16"; break;
    case Layout::packed: text.layout = "packed"; break;
    case Layout::strided:
      if (o.rank == 0 || (o.is_static != 0 && dense)) text.layout = "dense";
      else if (o.rank >= 3 && steps_by_one(1)) text.layout = "channels last";
      else if (steps_by_one(o.rank - 1)) text.layout = o.is_static != 0 ? "rows" : "dense or rows";
      else text.layout = "strided";
      break;
  }
  return text;
}

StepText step_text(const Engine& engine, std::uint32_t index) {
  const plan::Plan& plan = engine.impl().image.plan;
  const plan::Step& s = plan.steps[index];
  StepText text;
  text.index = index;
  text.name = std::string(plan.text(s.name));
  text.nodes = plan.nodes_of(s);
  text.value = s.value;
  text.measured_us = static_cast<double>(s.measured_us);
  text.scratch_bytes = s.scratch_bytes;
  if (s.kind == plan::StepKind::kernel) {
    const Kernel& kernel = *engine.impl().profiles[0].program->kernels[static_cast<std::size_t>(s.kernel)];
    text.kernel = kernel.name;
    text.op = kernel.op;
  } else {
    text.op = text.kernel = work_of(plan, s);
  }
  if (const Arithmetic* a = arithmetic_of(plan, s)) {
    text.computes_in = precision_name(a->computes_in);
    text.accumulates_in = dtype_name(a->accumulates_in);
  }
  for (std::uint32_t i = 0; i < s.inputs.count; ++i)
    text.inputs.push_back(operand_text(plan, plan.operands[s.inputs.begin + i]));
  for (std::uint32_t i = 0; i < s.outputs.count; ++i)
    text.outputs.push_back(operand_text(plan, plan.operands[s.outputs.begin + i]));
  return text;
}

/// The origins of that name: of an ONNX node, else those of the node that makes a tensor of that name.
ir::OriginSet origins_named(const BuildReport& report, const std::string& name) {
  ir::OriginSet found;
  const auto& origins = report.planned->model().origins;
  for (std::uint32_t o = 0; o < origins.size(); ++o)
    if (is_node(origins[o]) && origins[o].name == name) found.push_back(o);
  if (!found.empty()) return found;
  const auto tensor =
      std::find_if(report.tensors.begin(), report.tensors.end(), [&](const NamedTensor& t) { return t.name == name; });
  return tensor != report.tensors.end() ? tensor->origins : found;
}

}  // namespace

bool is_node(const ir::Origin& o) { return o.op_type != "initializer" && o.op_type != "input"; }

std::vector<std::string> explainable_names(const BuildReport& report) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && seen.insert(name).second) names.push_back(name);
  };
  for (const ir::Origin& o : report.planned->model().origins)
    if (is_node(o)) add(o.name);
  for (const NamedTensor& t : report.tensors) add(t.name);
  return names;
}

std::vector<StepText> steps_of(const Engine& engine) {
  std::vector<StepText> list;
  const auto count = static_cast<std::uint32_t>(engine.impl().image.plan.steps.size());
  for (std::uint32_t i = 0; i < count; ++i) list.push_back(step_text(engine, i));
  return list;
}

std::vector<StepText> steps_of(const Engine& engine, const std::string& name) {
  std::vector<StepText> list = steps_of(engine);
  std::erase_if(list, [&](const StepText& s) { return std::ranges::find(s.nodes, name) == s.nodes.end(); });
  return list;
}

Explanation explain(const BuildReport& report, const Engine& engine, const std::string& name) {
  const ir::OriginSet wanted = origins_named(report, name);
  if (wanted.empty()) {
    const std::string near = one_of(nearest_names(name, explainable_names(report)));
    fail_hint(!near.empty()                ? near
              : report.imported == nullptr ? "`monza inspect ENGINE --graph` lists the nodes"
                                           : "`monza inspect MODEL --imported` lists the nodes",
              "the model has no node and no tensor '{}'", name);
  }
  const auto& origins = report.planned->model().origins;
  Explanation e;
  e.name = origins[wanted[0]].name;
  e.op_type = origins[wanted[0]].op_type;

  const std::vector<StepText> steps = steps_of(engine);
  each_node_in(*report.planned, [&](const ir::Graph& graph, const ir::Node& node) {
    if (!overlap(wanted, node.origins)) return;
    Realisation r;
    r.op = node.op->name;
    r.constraint = node.constraint;
    r.scales = integer_scales(graph, node, report.seen);
    for (const std::uint32_t o : node.origins)
      if (is_node(origins[o])) r.onnx_nodes.push_back(quoted(origins[o]));
    for (const Rewrite& w : report.passes.rewrites)
      if (overlap(w.origins, node.origins)) r.rewrites.push_back(fmt::format("{}: {} at {}", w.pass, w.what, w.node));
    for (const plan::Choice& c : report.choices)
      if (c.id == node.id) r.choice = &c;
    for (const StepText& s : steps)
      if (std::ranges::find(node.outputs, s.value) != node.outputs.end())
        (s.nodes.empty() ? e.conversions : r.steps).push_back(s);
    e.realisations.push_back(std::move(r));
  });
  if (e.realisations.empty()) {
    each_value_in(*report.planned, [&](const ir::Graph&, const ir::Value& value) {
      if (value.constant && overlap(wanted, value.origins))
        e.constants.push_back(fmt::format("{} {}", value.name.empty() ? "a constant" : "'" + value.name + "'",
                                          ir::to_string(value.type)));
    });
    for (const Rewrite& w : report.passes.rewrites)
      if (overlap(w.origins, wanted)) e.rewrites.push_back(fmt::format("{}: {} at {}", w.pass, w.what, w.node));
  }
  for (const NearMiss& m : report.passes.near_misses)
    if (overlap(m.origins, wanted)) e.near_misses.push_back(&m);
  return e;
}

}  // namespace monza
