#include "plan/candidates.h"

#include <algorithm>

#include "base/constraint.h"
#include "base/error.h"
#include "base/hash.h"
#include "kernel/check.h"
#include "kernel/nothing.h"
#include "kernel/ports.h"
#include "kernel/registry.h"
#include "tensor/dtype.h"

namespace monza::plan {
namespace {

/// Whether the node may be computed as the kernel does. Of what only moves elements no precision is asked.
bool may_compute(const ir::Node& node, Precisions allowed, const Kernel& kernel) {
  const Precision p = kernel.arithmetic.computes_in;
  return allowed.contains(p) || (node.op->flops == nullptr && kOwnPrecisions.contains(p));
}

}  // namespace

const Kernel& Candidates::copy_kernel(Layout from, Layout to, const TypedShape& type, int device) const {
  OperandDesc in, out;
  in.dtype = out.dtype = type.dtype;
  in.shape = out.shape = b_.largest(type.shape);
  in.layout = from;
  out.layout = to;
  KernelQuery query;
  query.in = &in;
  query.in_count = 1;
  query.out = &out;
  query.out_count = 1;
  query.threads = b_.threads;
  const auto found = candidates("Copy", b_.kind_of(device), b_.isa, query);
  if (found.empty()) fail("no kernel copies {} of shape {}", dtype_name(type.dtype), to_string(in.shape));
  return b_.reference_only ? *found.back() : *found.front();
}

void Candidates::ask(Question& q, const ir::Node& node, const Kernel& kernel) const {
  const ir::NodeView view{facts_.graph(), node};
  q.in.assign(node.inputs.size(), {});
  q.out.assign(node.outputs.size(), {});
  const auto describe = [&](OperandDesc& d, ir::ValueId id, Port port) {
    const ir::Value& v = facts_.graph().value(id);
    const TypedShape type = stored_type(v.type);
    d.dtype = type.dtype;
    d.shape = b_.largest(type.shape);
    d.dynamic = !std::all_of(type.shape.begin(), type.shape.end(), [](const ir::Expr& e) { return e.is_constant(); });
    d.layout = layout_of(port);
    if (v.constant) {
      d.constant = true;
      d.data = v.constant->bytes.data();
    }
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone) describe(q.in[i], node.inputs[i], kernel.in[static_cast<int>(i)]);
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    describe(q.out[i], node.outputs[i], kernel.out[static_cast<int>(i)]);
  if (q.params.empty() && node.op->params != nullptr) {
    ir::ParamsBlob blob;
    node.op->params(view, blob);
    q.params = blob.bytes();
  }
  q.query.params = q.params.data();
  q.query.params_hash = hash64(q.params);
  q.query.in = q.in.data();
  q.query.in_count = static_cast<int>(q.in.size());
  q.query.out = q.out.data();
  q.query.out_count = static_cast<int>(q.out.size());
  q.query.threads = b_.threads;
}

Refusal Candidates::refuse_least(const Question& q, const ir::Node& node, const Kernel& kernel) const {
  std::vector<OperandDesc> in = q.in, out = q.out;
  bool any = false;
  // The extent where every input's extent is the least one; nullopt where more than those decides it.
  const auto least = [&](const ir::Expr& e) -> std::optional<std::int64_t> {
    bool known = true;
    try {
      const std::int64_t value = ir::evaluate(e, [&](const ir::Atom& atom) -> std::int64_t {
        known = known && atom.kind == ir::AtomKind::symbol;
        return known ? b_.range(ir::Expr::symbol(atom.name)).low : 1;
      });
      return known ? std::optional(std::max<std::int64_t>(1, value)) : std::nullopt;
    } catch (const Error&) {  // a division by such an extent
      return std::nullopt;
    }
  };
  const auto lower = [&](OperandDesc& d, ir::ValueId id) {
    if (id == ir::kNone || !d.dynamic) return;
    const ir::SymShape shape = stored_type(facts_.graph().value(id).type).shape;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      const auto extent = shape[a].is_constant() ? std::nullopt : least(shape[a]);
      if (!extent) continue;
      d.shape.dim[a] = *extent;
      any = true;
    }
  };
  for (std::size_t i = 0; i < in.size(); ++i) lower(in[i], node.inputs[i]);
  for (std::size_t i = 0; i < out.size(); ++i) lower(out[i], node.outputs[i]);
  if (!any) return nullptr;
  KernelQuery query = q.query;
  query.in = in.data();
  query.out = out.data();
  return kernel.accepts(query);
}

bool Candidates::lie_alike(const ir::Node& node, const Kernel& kernel) const {
  // Equal bounds, which is all that the kernel is asked about, are not equal extents.
  const ir::SymShape* first = nullptr;
  const auto fits = [&](ir::ValueId v, Port port) {
    if (v == ir::kNone || port != Port::uniform) return true;
    const ir::SymShape& shape = facts_.graph().value(v).type.shape;
    if (first == nullptr) first = &shape;
    return shape == *first;
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (!fits(node.inputs[i], kernel.in[static_cast<int>(i)])) return false;
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    if (!fits(node.outputs[i], kernel.out[static_cast<int>(i)])) return false;
  return true;
}

std::string Candidates::name_of(const ir::Node& node, const Candidate& candidate) const {
  const std::vector<int> devices = facts_.devices_of(node);
  if (devices.size() == 1 && candidate.device == devices[0]) return candidate.kernel->name;
  return fmt::format("{} on {}", candidate.kernel->name, device_name(b_.kind_of(candidate.device)));
}

std::vector<Candidate> Candidates::fitting(const ir::Node& node, Choice& choice) const {
  choice.id = node.id;
  choice.node = facts_.name_of(node);
  choice.op = node.op->name;
  std::vector<Candidate> fits;
  Question q;
  const Precisions allowed = allowed_precisions(node.constraint);
  const auto consider = [&](const Kernel* k, int device) {
    std::string reason;
    const DeviceKind kind = b_.kind_of(device);
    const bool on_device = k->device == kind || (k->reference && kind == DeviceKind::reference);
    if (!on_device) return;
    if (b_.reference_only && !k->reference) reason = "the plan is a reference plan";
    else if (!covers(b_.isa, k->needs)) reason = "needs " + isa_name(k->needs);
    else if (!b_.reference_only && !may_compute(node, allowed, *k))
      reason =
          fmt::format("computes in {}; allowed is {}", precision_name(k->arithmetic.computes_in), to_string(allowed));
    else if (b_.options.batch_invariant && !k->batch_invariant) reason = "its rows depend on the batch";
    if (reason.empty()) {
      ask(q, node, *k);
      for (std::size_t i = 0; i < q.in.size(); ++i)
        if (k->in[static_cast<int>(i)] == Port::packed && q.in[i].present() && !q.in[i].constant)
          reason = fmt::format("needs input {} to be constant", i);
      if (reason.empty() && !k->reference && gives_nothing(q.query.out, q.query.out_count))
        reason = "it has nothing to compute";
      if (reason.empty() && k->accepts != nullptr)
        if (const Refusal r = k->accepts(q.query)) reason = r;
      if (reason.empty() && k->accepts != nullptr)
        if (const Refusal r = refuse_least(q, node, *k)) reason = fmt::format("{} at the least extents", r);
      if (reason.empty() && !lie_alike(node, *k)) reason = "the extents of its operands may differ in a run";
    }
    const Candidate candidate{k, device};
    if (reason.empty()) {
      fits.push_back(candidate);
      choice.accepted.push_back(name_of(node, candidate));
    } else {
      choice.refused.emplace_back(name_of(node, candidate), reason);
    }
  };
  const auto consider_on = [&](int device) {
    for (const Kernel* k : b_.scope.first_kernels)
      if (std::string_view(k->op) == node.op->name) consider(k, device);
    for (const Kernel* k : kernels_of(node.op->name)) consider(k, device);
  };
  for (const int device : facts_.devices_of(node)) consider_on(device);
  if (fits.empty() && b_.options.allow_cpu_nodes && node.constraint.devices.empty()) consider_on(0);
  if (fits.empty()) {
    std::string list;
    for (const auto& [name, reason] : choice.refused) list += fmt::format("\n  {}: {}", name, reason);
    const Devices asked = node.constraint.devices;
    const std::string where = !asked.empty() ? fmt::format(" on device '{}'", to_string(asked))
                              : b_.options.device == DeviceKind::cpu
                                  ? ""
                                  : fmt::format(" on device '{}'", device_name(b_.options.device));
    throw Error(list.empty() ? fmt::format("there is no kernel for {}{}", node.op->name, where)
                             : fmt::format("no kernel takes this {}:{}", node.op->name, list),
                !where.empty() ? "let it run on the CPU: --allow-cpu-nodes, or --constrain NODE=cpu for this one"
                : node.constraint.precisions.empty()
                    ? "this combination of types and attributes is not supported; change it in the model"
                    : "let it compute in fp32, too: --constrain NODE=fp32," + to_string(node.constraint.precisions))
        .at(ir::describe(facts_.graph(), node));
  }
  refuse_unfit(q, node);
  return fits;
}

/// Throws when the operands cannot fit each other, which inference leaves to the operator's rule: before a kernel is
/// timed on them.
void Candidates::refuse_unfit(const Question& q, const ir::Node& node) const {
  const auto views = [](const std::vector<OperandDesc>& operands) {
    std::vector<TensorView> list;
    for (const OperandDesc& d : operands) list.push_back(dense_view(nullptr, d.dtype, d.shape));
    return list;
  };
  for (const auto* operands : {&q.in, &q.out})
    for (const OperandDesc& d : *operands)
      if (d.dynamic) return;  // the runtime asks whenever a shape changes
  const std::vector<TensorView> in = views(q.in), out = views(q.out);
  const Refusal r = refuse_operands(node.op->name, {q.params.data(), in.data(), static_cast<int>(in.size()), out.data(),
                                                    static_cast<int>(out.size())});
  if (r == nullptr) return;
  std::string types;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone)
      types += fmt::format("\n  input {}: {}", i, to_string(facts_.graph().value(node.inputs[i]).type));
  throw Error(r + types).at(ir::describe(facts_.graph(), node));
}

}  // namespace monza::plan
