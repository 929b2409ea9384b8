#include <map>

#include "plan/control_flow.h"
#include "plan/region_planner.h"

namespace monza::plan {
namespace {

/// An If on its way to be a step.
class BranchPlan {
 public:
  BranchPlan(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node)
      : s_(scope), b_(scope.builder), values_(values), targets_(targets), node_(node) {}
  void plan();

 private:
  /// An extent of a result that differs between the bodies: each body's program leaves it in the register.
  struct MergedExtent {
    std::size_t output = 0, axis = 0;
    Register reg = kNoRegister;
  };
  void place_results();
  void find_merged();
  int plan_body(ir::Graph& body);
  void keep_until_now(const Place& place);

  RegionScope& s_;
  PlanBuilder& b_;
  RegionValues& values_;
  const Targets& targets_;
  ir::Node& node_;
  std::vector<Place> results_;
  std::map<std::int64_t, MergedExtent> merged_;  ///< by their slot
};

/// One block for each output, on the host, written by whichever body runs.
void BranchPlan::place_results() {
  for (const ir::ValueId v : node_.outputs) {
    const Place* target = targets_.place_of(v);
    results_.push_back(target != nullptr ? *target : s_.dense_memory(s_.facts.type_of(v), 0));
  }
}

void BranchPlan::find_merged() {
  for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
    const ir::SymShape& shape = s_.graph.value(node_.outputs[i]).type.shape;
    for (std::size_t a = 0; a < shape.size(); ++a)
      if (!shape[a].is_constant() && shape[a].terms().size() == 1 && shape[a].terms()[0].atoms.size() == 1) {
        const ir::Atom& atom = *shape[a].terms()[0].atoms[0];
        if (atom.kind == ir::AtomKind::extent && atom.value == node_.outputs[i]) merged_[atom.index] = {i, a};
      }
  }
  for (auto& [slot, extent] : merged_) extent.reg = b_.scalars.fresh();
}

/// Returns the body's region.
int BranchPlan::plan_body(ir::Graph& body) {
  const int region = b_.begin_region();
  b_.scalars.push_scope();
  RegionPlanner inner(b_, body, region, s_.choices);
  for (std::size_t k = 0; k < body.inputs().size(); ++k)
    for (const Place& p : values_.one_a_device(node_.inputs[k + 1])) inner.bind(body.inputs()[k], p);
  std::vector<Place> outputs = results_;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    outputs[i].stride = dense_strides(stored_type(body.value(body.outputs()[i].value).type).shape);
  inner.run(outputs);
  for (const auto& [slot, extent] : merged_) {
    const ir::SymShape& shape = body.value(body.outputs()[extent.output].value).type.shape;
    ScalarInstruction move;
    move.op = ScalarOp::add;
    move.dst = extent.reg;
    move.a = b_.scalars.compile(shape[extent.axis]);
    move.b = b_.scalars.constant(0);
    b_.scalars.emit(move);
  }
  inner.end();
  b_.scalars.pop_scope();
  return region;
}

void BranchPlan::keep_until_now(const Place& place) {
  if (b_.storage(place.storage).base == Base::arena) b_.touch(place.storage, b_.time());
}

void BranchPlan::plan() {
  Step step;
  step.kind = StepKind::branch;
  s_.identify(step, node_);
  const Place condition = values_.ensure(node_.inputs[0], Port::dense, 0);
  place_results();
  find_merged();
  step.inputs = {static_cast<std::uint32_t>(b_.operand(condition, s_.facts.type_of(node_.inputs[0]))), 1};
  const Range program = b_.scalars.flush();  // before the bodies' own programs
  std::vector<std::int32_t> regions;
  for (const auto& body : node_.bodies) regions.push_back(plan_body(*body));
  step.regions = {static_cast<std::uint32_t>(b_.plan.region_refs.size()), static_cast<std::uint32_t>(regions.size())};
  b_.plan.region_refs.insert(b_.plan.region_refs.end(), regions.begin(), regions.end());
  for (const auto& [slot, extent] : merged_)
    b_.scalars.bind(s_.graph.value(node_.outputs[extent.output]).type.shape[extent.axis], extent.reg);
  // Results are named by the readers' operands; what the bodies captured lives until here.
  for (std::size_t k = 1; k < node_.inputs.size(); ++k)
    if (node_.inputs[k] != ir::kNone)
      for (const Place& p : values_.places(node_.inputs[k])) keep_until_now(p);
  for (const Place& p : results_) keep_until_now(p);
  b_.add_step(s_.steps, step);
  s_.steps.back().program = program;
  for (std::size_t i = 0; i < node_.outputs.size(); ++i) values_.set_place(node_.outputs[i], results_[i]);
}

}  // namespace

void plan_branch(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node) {
  BranchPlan(scope, values, targets, node).plan();
}

}  // namespace monza::plan
