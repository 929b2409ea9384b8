#include "plan/kernel_steps.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ir/op.h"
#include "kernel/ports.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// The shape with the bounds of extents that the node reports: its own output operands carry these, readers the
/// registers.
ir::SymShape bounded(const ir::Node& node, ir::SymShape shape) {
  for (ir::Expr& e : shape)
    e = ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
      if (atom.kind != ir::AtomKind::extent ||
          std::find(node.outputs.begin(), node.outputs.end(), atom.value) == node.outputs.end())
        return std::nullopt;
      return atom.args[0];
    });
  return shape;
}

}  // namespace

void KernelSteps::plan(ir::Node& node) {
  const Candidate chosen = choose(node);
  KernelNode k{node, chosen.device, *chosen.kernel, decisions_.assigned_to(node)};
  s_.candidates.ask(k.question, node, k.kernel);
  k.uniform = uniform_form(k);
  take_packed_inputs(k);
  take_inputs(k);
  ir::InferContext again(s_.graph, node);
  node.op->infer(again);
  k.extents = again.extent_count();
  place_outputs(k);
  const Step step = step_of(k);
  s_.builder.add_step(s_.steps, step);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) values_.set_place(node.outputs[i], k.outputs[i]);
  if (k.extents > 0) bind_reported(k, step);
}

Candidate KernelSteps::choose(const ir::Node& node) {
  Choice choice;
  Candidate best;
  if (const auto it = decisions_.assigned.find(node.id); it != decisions_.assigned.end()) {
    choice = std::move(it->second.choice);
    best = it->second.candidate;
  } else {
    best = s_.candidates.fitting(node, choice)[0];
  }
  choice.kernel = s_.candidates.name_of(node, best);
  s_.choices.push_back(std::move(choice));
  return best;
}

/// The form of uniform operands: that of the largest input that has no gaps, dense otherwise.
std::optional<Place> KernelSteps::uniform_form(const KernelNode& k) {
  std::optional<Place> form, dense;
  std::int64_t most = -1;
  for (std::size_t i = 0; i < k.node.inputs.size(); ++i) {
    const ir::ValueId v = k.node.inputs[i];
    if (v == ir::kNone || k.in(i) != Port::uniform) continue;
    const ir::SymShape shape = s_.facts.type_of(v).shape;
    if (!dense) dense = form_place(Port::dense, shape);
    if (s_.graph.value(v).constant) continue;
    const std::int64_t size = s_.builder.largest(shape).numel();
    if (size <= most) continue;
    std::optional<Place> own;
    if (k.assigned != nullptr) own = form_place(k.assigned->form, shape);
    else
      for (const Place& p : values_.places(v))
        if (!own && is_gap_free(p, shape)) own = p;
    if (!own) continue;
    form = own;
    most = size;
  }
  return form ? form : dense;
}

void KernelSteps::take_packed_inputs(KernelNode& k) {
  const ir::Node& node = k.node;
  k.inputs.resize(node.inputs.size());
  for (int p = 0; p < k.kernel.packing_count; ++p) {
    const std::size_t i = static_cast<std::size_t>(k.kernel.packings[p].input);
    if (i >= node.inputs.size() || node.inputs[i] == ir::kNone || k.in(i) != Port::packed) continue;
    const ir::Value& v = s_.graph.value(node.inputs[i]);
    const std::string weight = v.name.empty() && v.origins.empty() ? s_.facts.name_of(node) : s_.facts.name_of(v);
    k.inputs[i].storage =
        s_.builder.packed_constant(v.constant, weight, k.kernel, p, k.question.query, k.question.params, k.device);
    k.inputs[i].layout = Layout::packed;
  }
}

void KernelSteps::take_inputs(KernelNode& k) {
  for (std::size_t i = 0; i < k.node.inputs.size(); ++i) {
    const ir::ValueId v = k.node.inputs[i];
    const bool packed = k.inputs[i].storage >= 0;
    if (v == ir::kNone || packed || !reads_elements(k.node, i)) continue;
    const bool state = s_.graph.value(v).type.kind == ir::ValueKind::state;
    k.inputs[i] = state ? values_.places(v)[0] : values_.ensure(v, k.in(i), k.device, k.form_at(k.in(i)));
  }
}

void KernelSteps::place_outputs(KernelNode& k) {
  k.outputs.resize(k.node.outputs.size());
  for (std::size_t i = 0; i < k.node.outputs.size(); ++i) {
    const ir::ValueId v = k.node.outputs[i];
    const bool state = s_.graph.value(v).type.kind == ir::ValueKind::state;
    k.outputs[i] = state           ? k.inputs[0]  // the one that the node grew, under a new name
                   : k.extents > 0 ? place_reported(k, v)
                                   : place_output(k, i);
  }
}

/// Written densely for extents not known yet: straight to a model output when there is one, else to a block of its own.
Place KernelSteps::place_reported(const KernelNode& k, ir::ValueId output) {
  const Place* target = decisions_.targets.place_of(output);
  if (target != nullptr && s_.device_of(*target) == k.device) return *target;
  return s_.dense_memory(s_.facts.type_of(output), k.device);
}

bool KernelSteps::takes_output(const KernelNode& k, std::size_t output, const Place& place) const {
  if (s_.device_of(place) != k.device) return false;
  const ir::SymShape shape = s_.facts.type_of(k.node.outputs[output]).shape;
  const Port port = k.out(output);
  if (port != Port::uniform) return satisfies(port, place, shape);
  return is_gap_free(place, shape) && (!k.uniform || same_form(place, *k.uniform, shape));
}

/// Where the result goes: where it is wanted, else over an input that nobody reads again, else to memory of its own.
Place KernelSteps::place_output(const KernelNode& k, std::size_t output) {
  const ir::ValueId v = k.node.outputs[output];
  if (const Place* target = decisions_.targets.place_of(v)) {
    if (takes_output(k, output, *target)) return *target;
  } else {
    if (const auto part = buffers_.part(v, k.out(output)); part && takes_output(k, output, *part)) return *part;
    if (const auto input = overwritten_input(k, output)) return *input;
  }
  const TypedShape type = s_.facts.type_of(v);
  Place place = output_form(k, output);
  place.storage = s_.builder.add_arena(type.dtype, type.shape, place.layout, k.device, s_.region);
  return place;
}

std::optional<Place> KernelSteps::overwritten_input(const KernelNode& k, std::size_t output) {
  if (output != 0) return std::nullopt;
  const TypedShape type = s_.facts.type_of(k.node.outputs[output]);
  for (std::size_t i = 0; i < k.inputs.size(); ++i) {
    if (!k.may_write_over(i)) continue;
    const Place& input = k.inputs[i];
    const TypedShape in = s_.facts.type_of(k.node.inputs[i]);
    if (in.dtype != type.dtype || !(in.shape == type.shape) || !takes_output(k, output, input) ||
        repeats_elements(input, in.shape))
      continue;
    // The chosen order counts for more than the memory.
    if (k.out(output) == Port::strided && k.assigned != nullptr &&
        form_of(input, type.shape) != form_of(form_place(k.assigned->form, type.shape), type.shape))
      continue;
    if (input.storage == values_.places(k.node.inputs[i])[0].storage &&
        values_.may_overwrite(k.node, static_cast<int>(i)))
      return input;
  }
  return std::nullopt;
}

/// How a result lies in memory of its own.
Place KernelSteps::output_form(const KernelNode& k, std::size_t output) const {
  const ir::SymShape shape = s_.facts.type_of(k.node.outputs[output]).shape;
  const Port port = k.out(output);
  if (const Place* uniform = k.form_at(port)) return {.layout = uniform->layout, .stride = uniform->stride};
  if (port != Port::strided) return form_place(port, shape);
  if (output == 0 && k.assigned != nullptr) return {.stride = form_place(k.assigned->form, shape).stride};
  // Elementwise work keeps the order of its operand: writing another one would gather element by element.
  for (std::size_t i = 0; i < k.inputs.size() && shape.size() >= 3; ++i) {
    if (!k.may_write_over(i)) continue;
    if (!(s_.facts.type_of(k.node.inputs[i]).shape == shape) || is_dense(k.inputs[i], shape)) continue;
    return form_place(is_channels_last(k.inputs[i], shape) ? Port::channels_last : Port::dense, shape);
  }
  return form_place(Port::dense, shape);
}

Range KernelSteps::list_inputs(const KernelNode& k) {
  const Range range{static_cast<std::uint32_t>(s_.builder.plan.operands.size()),
                    static_cast<std::uint32_t>(k.inputs.size())};
  for (std::size_t i = 0; i < k.inputs.size(); ++i) {
    if (k.inputs[i].storage < 0) s_.builder.absent_operand();
    else s_.builder.operand(k.inputs[i], s_.facts.type_of(k.node.inputs[i]));
  }
  return range;
}

Range KernelSteps::list_outputs(const KernelNode& k) {
  const Range range{static_cast<std::uint32_t>(s_.builder.plan.operands.size()),
                    static_cast<std::uint32_t>(k.outputs.size())};
  for (std::size_t i = 0; i < k.outputs.size(); ++i) {
    TypedShape type = s_.facts.type_of(k.node.outputs[i]);
    Place place = k.outputs[i];
    if (k.extents > 0) {
      type.shape = bounded(k.node, type.shape);
      place.stride = dense_strides(type.shape);
    }
    s_.builder.operand(place, type);
  }
  return range;
}

Step KernelSteps::step_of(const KernelNode& k) {
  PlanBuilder& b = s_.builder;
  Step step;
  step.device = static_cast<std::uint8_t>(k.device);
  step.kernel = b.kernel_ref(k.kernel);
  step.params = b.params(k.question.params);
  s_.identify(step, k.node);
  step.inputs = list_inputs(k);
  step.outputs = list_outputs(k);
  if (k.extents > 0) {
    step.extents = {static_cast<std::uint32_t>(b.plan.registers.size()), static_cast<std::uint32_t>(k.extents)};
    for (int e = 0; e < k.extents; ++e) b.scalars.fresh();
  }
  if (k.kernel.scratch_bytes != nullptr)
    if (const std::int64_t bytes = static_cast<std::int64_t>(k.kernel.scratch_bytes(k.question.query)); bytes > 0) {
      step.scratch_offset = b.add_scratch(bytes, k.device, s_.region);
      step.scratch_bytes = bytes;
    }
  describe_work(k, step);
  return step;
}

/// What the step moves and computes in a usual run, and how long its kernel took when it was timed.
void KernelSteps::describe_work(const KernelNode& k, Step& step) const {
  const ir::Node& node = k.node;
  std::vector<Shape> in_shapes, out_shapes;
  double bytes = 0;
  const auto add = [&](ir::ValueId v, std::vector<Shape>& shapes) {
    shapes.push_back(v == ir::kNone ? Shape() : s_.builder.typical(s_.facts.type_of(v).shape));
    if (v != ir::kNone) bytes += static_cast<double>(storage_bytes(s_.facts.type_of(v).dtype, shapes.back()));
  };
  for (const ir::ValueId v : node.inputs) add(v, in_shapes);
  for (const ir::ValueId v : node.outputs) add(v, out_shapes);
  step.bytes = static_cast<float>(bytes);
  if (node.op->flops != nullptr)
    step.flops = static_cast<float>(node.op->flops({s_.graph, node}, in_shapes, out_shapes));
  const Choice& choice = s_.choices.back();
  for (const auto& [name, us] : choice.timed)
    if (name == choice.kernel) step.measured_us = static_cast<float>(us);
}

/// Says in which registers the extents are that the step reports.
void KernelSteps::bind_reported(const KernelNode& k, const Step& step) {
  const std::vector<ir::ValueId>& outputs = k.node.outputs;
  // Atoms carry their bounds, so they are found in the shapes themselves.
  for (const ir::ValueId v : outputs)
    for (const ir::Expr& e : s_.graph.value(v).type.shape)
      for (const auto& term : e.is_constant() ? std::vector<ir::Expr::Term>{} : e.terms())
        for (const auto& atom : term.atoms)
          if (atom->kind == ir::AtomKind::extent &&
              std::find(outputs.begin(), outputs.end(), atom->value) != outputs.end())
            s_.builder.scalars.bind(ir::atom_expr(atom), Register(step.extents.begin) + Register(atom->index));
}

}  // namespace monza::plan
