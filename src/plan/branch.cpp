// Planning If: two bodies that write to the same places.
#include "plan/region_planner.h"

namespace monza::plan {

void RegionPlanner::plan_branch(ir::Node& node) {
  constexpr int device = 0;  // control flow and what its bodies give are the host's
  Step step;
  step.kind = StepKind::branch;
  identify(step, node);
  const Place condition = ensure(node.inputs[0], Port::dense, 0);

  // Results: one block for each output, written by whichever body runs.
  std::vector<Place> results(node.outputs.size());
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const TypedShape type = type_of(node.outputs[i]);
    const auto target = targets_.places.find(node.outputs[i]);
    if (target != targets_.places.end()) {
      results[i] = target->second;
    } else {
      results[i].storage = b_.add_arena(type.dtype, type.shape, Layout::strided, device, region_);
      results[i].stride = dense_strides(type.shape);
    }
  }
  // Extents that differ between the bodies: each body's program leaves them in these registers.
  std::map<std::int64_t, std::pair<std::size_t, std::size_t>> merged;  // extent slot -> output, axis
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const ir::SymShape& shape = graph_.value(node.outputs[i]).type.shape;
    for (std::size_t a = 0; a < shape.size(); ++a)
      if (!shape[a].is_constant() && shape[a].terms().size() == 1 && shape[a].terms()[0].atoms.size() == 1) {
        const ir::Atom& atom = *shape[a].terms()[0].atoms[0];
        if (atom.kind == ir::AtomKind::extent && atom.value == node.outputs[i]) merged[atom.index] = {i, a};
      }
  }
  std::map<std::int64_t, Register> merged_registers;
  for (const auto& [slot, at] : merged) merged_registers[slot] = b_.scalars.fresh();

  step.inputs = {static_cast<std::uint32_t>(b_.operand(condition, type_of(node.inputs[0]))), 1};
  step.program = b_.scalars.flush();  // before the bodies' own programs
  std::vector<std::int32_t> regions;
  for (const auto& body : node.bodies) {
    const int region = static_cast<int>(b_.plan.regions.size());
    b_.plan.regions.emplace_back();
    regions.push_back(region);
    b_.scalars.push_scope();
    RegionPlanner inner(b_, *body, region, choices_);
    for (std::size_t k = 0; k < body->inputs().size(); ++k) capture(inner, body->inputs()[k], node.inputs[k + 1]);
    std::vector<Place> outputs = results;
    for (std::size_t i = 0; i < outputs.size(); ++i)
      outputs[i].stride = dense_strides(stored_type(body->value(body->outputs()[i].value).type).shape);
    inner.run(outputs);
    inner.await_all();
    for (const auto& [slot, at] : merged) {
      const ir::SymShape& shape = body->value(body->outputs()[at.first].value).type.shape;
      ScalarInstruction move;
      move.op = ScalarOp::add;
      move.dst = merged_registers[slot];
      move.a = b_.scalars.compile(shape[at.second]);
      move.b = b_.scalars.constant(0);
      b_.scalars.emit(move);
    }
    Region& r = b_.plan.regions[static_cast<std::size_t>(region)];
    r.program = b_.scalars.flush();
    r.steps = {static_cast<std::uint32_t>(b_.plan.steps.size()), static_cast<std::uint32_t>(inner.steps().size())};
    b_.plan.steps.insert(b_.plan.steps.end(), inner.steps().begin(), inner.steps().end());
    b_.scalars.pop_scope();
  }
  step.regions = {static_cast<std::uint32_t>(b_.plan.region_refs.size()), static_cast<std::uint32_t>(regions.size())};
  b_.plan.region_refs.insert(b_.plan.region_refs.end(), regions.begin(), regions.end());
  for (const auto& [slot, at] : merged)
    b_.scalars.bind(graph_.value(node.outputs[at.first]).type.shape[at.second], merged_registers[slot]);
  const Range program = step.program;
  // Results are named by the readers' operands; what the bodies captured lives until here.
  for (std::size_t k = 1; k < node.inputs.size(); ++k)
    if (node.inputs[k] != ir::kNone)
      for (const Place& p : forms(node.inputs[k]))
        if (b_.storage(p.storage).base == Base::arena) b_.touch(p.storage, b_.time());
  for (const Place& p : results)
    if (b_.storage(p.storage).base == Base::arena) b_.touch(p.storage, b_.time());
  b_.add_step(steps_, step);
  steps_.back().program = program;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) set_form(node.outputs[i], results[i]);
}

}  // namespace monza::plan
