#include "passes/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>

#include "base/checked.h"
#include "base/limits.h"
#include "ir/op.h"
#include "kernel/check.h"
#include "kernel/registry.h"
#include "ops/shared/ranges.def.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza {

namespace {
class OneThread final : public Parallel {
 public:
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

/// Takes from the budget the time that its scope lasts.
class Clock {
 public:
  explicit Clock(double& seconds) : seconds_(seconds) {}
  ~Clock() { seconds_ -= std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  Clock(const Clock&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Operations of a run, of operators that do not say an element's worth for each.
std::int64_t operations(const ir::Graph& graph, const ir::Node& node, const std::vector<OperandDesc>& in,
                        const std::vector<OperandDesc>& out) {
  const auto shapes = [](const std::vector<OperandDesc>& list) {
    std::vector<Shape> shapes;
    for (const OperandDesc& d : list) shapes.push_back(d.shape);
    return shapes;
  };
  const auto of_operator = node.op->work != nullptr ? node.op->work : node.op->flops;
  double work = of_operator != nullptr ? of_operator({graph, node}, shapes(in), shapes(out)) : 0;
  for (const auto* list : {&in, &out})
    for (const OperandDesc& d : *list) work += static_cast<double>(d.shape.numel());
  return work < 9e18 ? static_cast<std::int64_t>(std::max(work, 0.0)) : std::numeric_limits<std::int64_t>::max();
}

/// The reference kernel that takes the query, or why none does.
const Kernel* choose(const char* op, const KernelQuery& query, std::string& refusals) {
  for (const Kernel* k : kernels_of(op)) {
    if (!k->reference || k->packing_count != 0) continue;
    const Refusal refusal = k->accepts != nullptr ? k->accepts(query) : nullptr;
    if (refusal == nullptr) return k;
    refusals += (refusals.empty() ? "" : "; ") + std::string(refusal);
  }
  if (refusals.empty()) refusals = "it has no reference kernel";
  return nullptr;
}
}  // namespace

ConstantPtr Evaluator::find(const ir::Graph& graph, ir::ValueId id) const {
  if (auto it = values.find(id); it != values.end()) return it->second;
  return graph.has_value(id) ? graph.value(id).constant : nullptr;
}

std::string Evaluator::run(const ir::Graph& graph, const ir::Node& node, FoldBudget& budget) {
  const ir::OpDef& op = *node.op;
  if (!node.bodies.empty()) return "it has bodies";
  if (budget.seconds <= 0) return fmt::format("no time is left for folding ({})", limit_option(&Limits::fold_seconds));
  const Clock clock(budget.seconds);
  // Types were inferred before the elements of integer tensors were known, so element atoms may be in them.
  const std::int64_t* extents = nullptr;
  auto atom_value = [&](const ir::Atom& a) -> std::int64_t {
    if (a.kind == ir::AtomKind::symbol) {
      auto it = symbols.find(a.name);
      if (it == symbols.end()) fail("the extent {} is not known", a.name);
      return it->second;
    }
    if (a.kind == ir::AtomKind::extent) {
      if (extents == nullptr || a.value != node.outputs[0]) fail("an extent depends on data");
      if (extents[a.index] < 0) fail("its kernel did not report an extent");
      return extents[a.index];
    }
    ConstantPtr c = find(graph, a.value);
    if (!c) fail("the elements of value {} are not known", a.value);
    return ir::to_ints(*c).at(static_cast<std::size_t>(a.index));
  };
  auto bound_value = [&](const ir::Atom& a) -> std::int64_t {
    return a.kind == ir::AtomKind::extent ? ir::evaluate(a.args[0], atom_value) : atom_value(a);
  };
  auto shape_of = [&](const ir::Type& type, bool bound) {
    Shape s;
    s.rank = static_cast<std::int32_t>(type.shape.size());
    for (std::size_t i = 0; i < type.shape.size(); ++i)
      s.dim[i] = bound ? ir::evaluate(type.shape[i], bound_value) : ir::evaluate(type.shape[i], atom_value);
    return s;
  };

  try {
    std::vector<OperandDesc> in(node.inputs.size()), out(node.outputs.size());
    std::vector<TensorView> in_views(node.inputs.size()), out_views(node.outputs.size());
    std::vector<ConstantPtr> held;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      in_views[i].shape.rank = -1;
      if (node.inputs[i] == ir::kNone) continue;
      ConstantPtr c = find(graph, node.inputs[i]);
      if (!c) return fmt::format("input {} is not known", i);
      if (c->dtype == DType::string) return "strings are left to the runtime";
      in[i].dtype = c->dtype;
      in[i].constant = true;
      in[i].shape = c->shape;
      in[i].data = c->bytes.data();
      in_views[i] = dense_view(const_cast<std::byte*>(c->bytes.data()), c->dtype, c->shape);
      held.push_back(std::move(c));
    }
    std::vector<std::pair<std::shared_ptr<ir::Constant>, std::span<std::byte>>> results;
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::Type& type = graph.value(node.outputs[i]).type;
      if (type.kind != ir::ValueKind::tensor || type.dtype == DType::string) return "it makes no plain tensor";
      const Shape shape = shape_of(type, true);
      bytes = checked_add(bytes, storage_bytes(type.dtype, shape), "the size of its results");
      if (bytes > budget.one_bytes)
        return fmt::format("its results take more than {} bytes ({})", budget.one_bytes,
                           limit_option(&Limits::fold_bytes));
      if (bytes > budget.all_bytes)
        return fmt::format("folded constants would take too much together ({})", limit_option(&Limits::fold_bytes));
      out[i].dtype = type.dtype;
      out[i].shape = shape;
    }
    const std::int64_t work = operations(graph, node, in, out);
    if (work > budget.operations)
      return fmt::format("it takes {} operations, more than are left for folding ({})", work,
                         limit_option(&Limits::fold_operations));
    ir::ParamsBlob params;
    if (op.params != nullptr) op.params({graph, node}, params);
    const KernelQuery query{params.bytes().data(),        in.data(), static_cast<int>(in.size()), out.data(),
                            static_cast<int>(out.size()), 1};
    std::string refusals;
    const Kernel* kernel = choose(op.name, query, refusals);
    if (kernel == nullptr) return refusals;
    const std::size_t scratch_bytes = kernel->scratch_bytes != nullptr ? kernel->scratch_bytes(query) : 0;
    if (scratch_bytes > static_cast<std::uint64_t>(budget.one_bytes))
      return fmt::format("it takes more than {} bytes of scratch memory ({})", budget.one_bytes,
                         limit_option(&Limits::fold_bytes));
    for (std::size_t i = 0; i < out.size(); ++i) {
      results.push_back(ir::allocate_constant(out[i].dtype, out[i].shape));
      out_views[i] = dense_view(results[i].second.data(), out[i].dtype, out[i].shape);
    }
    if (const Refusal r = refuse_operands(
            op.name, {query.params, in_views.data(), query.in_count, out_views.data(), query.out_count}))
      return r;
    budget.all_bytes -= bytes;
    budget.operations -= work;
    const std::unique_ptr<std::byte, void (*)(void*)> scratch(
        static_cast<std::byte*>(std::aligned_alloc(64, (scratch_bytes / 64 + 1) * 64)), std::free);
    OneThread parallel;
    std::vector<std::int64_t> slots(static_cast<std::size_t>(kMaxRank) * (node.outputs.size() + 1), -1);
    KernelContext context;
    context.params = query.params;
    context.in = in_views.data();
    context.in_count = query.in_count;
    context.out = out_views.data();
    context.out_count = query.out_count;
    context.scratch = scratch.get();
    context.parallel = &parallel;
    context.extents = slots.data();
    const Status status = kernel->run(context);
    if (!status) return status.message();
    extents = slots.data();
    for (std::size_t i = 0; i < results.size(); ++i) {
      // A kernel that reports extents leaves its elements dense under them.
      auto& [constant, room] = results[i];
      const Shape shape = shape_of(graph.value(node.outputs[i]).type, false);
      if (shape == constant->shape) {
        values[node.outputs[i]] = constant;
        continue;
      }
      const auto used = static_cast<std::size_t>(storage_bytes(constant->dtype, shape));
      if (used > room.size()) return "it reported more elements than its bound";
      values[node.outputs[i]] = ir::make_constant(constant->dtype, shape, constant->bytes.first(used));
    }
    return "";
  } catch (const Error& e) {
    return e.fact();
  }
}

std::vector<ConstantPtr> run_reference(const ir::Graph& given, const std::vector<ConstantPtr>& inputs) {
  Evaluator evaluator;
  if (inputs.size() != given.inputs().size())
    fail("{} inputs are expected, {} given", given.inputs().size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ir::Type& type = given.value(given.inputs()[i]).type;
    if (inputs[i]->dtype != type.dtype || inputs[i]->shape.rank != static_cast<int>(type.rank()))
      fail("input {} does not have the type {}", i, ir::to_string(type));
    evaluator.values[given.inputs()[i]] = inputs[i];
    for (std::size_t a = 0; a < type.rank(); ++a) {
      const auto terms = type.shape[a].terms();
      if (terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1 &&
          terms[0].atoms[0]->kind == ir::AtomKind::symbol)
        evaluator.symbols[terms[0].atoms[0]->name] = inputs[i]->shape[static_cast<int>(a)];
    }
  }
  std::map<std::string, ir::Interval> ranges;
  for (const auto& [symbol, extent] : evaluator.symbols) ranges[symbol] = {extent, extent};
  const std::unique_ptr<ir::Graph> own = ops::inferred_for(given, ranges);
  const ir::Graph& graph = own ? *own : given;
  for (ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    FoldBudget budget{std::int64_t{1} << 32, std::int64_t{1} << 32, std::numeric_limits<std::int64_t>::max()};
    const std::string reason = evaluator.run(graph, node, budget);
    if (!reason.empty()) throw Error(reason).at(ir::describe(graph, node));
  }
  std::vector<ConstantPtr> outputs;
  for (const auto& o : graph.outputs()) {
    auto it = evaluator.values.find(o.value);
    outputs.push_back(it != evaluator.values.end() ? it->second : graph.value(o.value).constant);
  }
  return outputs;
}

}  // namespace monza
