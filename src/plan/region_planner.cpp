#include "plan/region_planner.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "kernel/check.h"
#include "kernel/nothing.h"
#include "kernel/ports.h"
#include "kernel/registry.h"
#include "plan/layouts.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plan {

RegionPlanner::RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, RegionPlanner* parent,
                             std::vector<Choice>& choices)
    : b_(builder), graph_(graph), region_(region), parent_(parent), choices_(choices) {}

TypedShape RegionPlanner::type_of(ir::ValueId value) const { return stored_type(graph_.value(value).type); }

std::string RegionPlanner::name_of(const ir::Node& node) const {
  std::string name;
  constexpr int kMostNamed = 32;
  int named = 0;
  for (const std::uint32_t o : node.origins) {
    const ir::Origin& origin = graph_.model().origins[o];
    if (!is_named_node(origin)) continue;
    if (++named > kMostNamed) {
      name += " + ...";
      break;
    }
    name += (name.empty() ? "" : " + ") + origin.name;
  }
  return name.empty() ? std::string(node.op->name) : name;
}

void RegionPlanner::identify(Step& step, const ir::Node& node) {
  step.name = b_.plan.intern(name_of(node));
  step.nodes = b_.nodes(graph_.model(), node.origins);
  step.value = node.outputs.empty() ? kNoValue : node.outputs[0];
}

void RegionPlanner::identify(Step& step, ir::ValueId value, std::string_view name) {
  step.name = b_.plan.intern(name);
  step.value = value;
}

const RegionPlanner::Aliases& RegionPlanner::aliases_of(const ir::Node& node) const {
  const auto [it, added] = aliases_.try_emplace(node.id);
  if (!added) return it->second;
  std::vector<ir::Alias>& list = it->second.list;
  if (node.op->aliases != nullptr) node.op->aliases({graph_, node}, list);
  it->second.view = list.size() == node.outputs.size() && std::all_of(list.begin(), list.end(), [](const ir::Alias& a) {
                      return a.kind != ir::Alias::Kind::placement;
                    });
  return it->second;
}

bool RegionPlanner::is_concat(const ir::Node& node) {
  const auto& list = aliases(node);
  return !list.empty() && list[0].kind == ir::Alias::Kind::placement && list.size() == node.inputs.size() &&
         dtype_bits(graph_.value(node.outputs[0]).type.dtype) >= 8;
}

const std::vector<Place>& RegionPlanner::forms(ir::ValueId value, int device) {
  auto& list = forms_[value];
  const ir::Value& v = graph_.value(value);
  if (list.empty() && !v.constant) fail("value %{} is read before it is planned", value);
  if (v.constant && !lies_on(value, device)) list.push_back(b_.constant_place(v.constant, name_of(v), device));
  return list;
}

void RegionPlanner::add_form(ir::ValueId value, const Place& place) {
  forms_[value].push_back(place);
  holders_[place.storage].push_back(value);
}

void RegionPlanner::set_form(ir::ValueId value, const Place& place) {
  forms_[value].clear();
  add_form(value, place);
}

void RegionPlanner::load_elements(ir::ValueId value) {
  const auto it = elements_.find(value);
  if (it == elements_.end()) return;
  const Place place = on_device(value, 0);
  if (b_.storage(place.storage).arrives) await(place, type_of(value), value);
  const int operand = b_.operand(place, type_of(value));
  const auto given = graph_.model().element_values.find(value);
  for (const std::int64_t index : it->second) {
    const ir::Expr atom = ir::Expr::element(value, index);
    if (b_.scalars.knows(atom)) continue;
    ScalarInstruction load;
    load.op = ScalarOp::load_element;
    load.dst = b_.scalars.fresh();
    load.a = operand;
    load.b = std::int32_t(index);
    b_.scalars.emit(load);
    b_.scalars.bind(atom, load.dst);
    if (given == graph_.model().element_values.end()) continue;
    Check check;
    check.low = check.high = given->second.at(std::size_t(index));
    check.what = b_.plan.intern(
        fmt::format("element {} of input '{}', to which this engine is specialised", index, graph_.value(value).name));
    ScalarInstruction test;
    test.op = ScalarOp::check_range;
    test.a = load.dst;
    test.b = std::int32_t(b_.plan.checks.size());
    b_.plan.checks.push_back(check);
    b_.scalars.emit(test);
  }
}

const Kernel& RegionPlanner::copy_kernel(Layout from, Layout to, const TypedShape& type, int device) const {
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
  query.threads = b_.options.threads;
  const auto found = candidates("Copy", DeviceKind(b_.plan.devices[std::size_t(device)].kind), b_.options.isa, query);
  if (found.empty()) fail("no kernel copies {} of shape {}", dtype_name(type.dtype), to_string(in.shape));
  return b_.options.reference_only ? *found.back() : *found.front();
}

Step& RegionPlanner::copy(const Place& from, const Place& to, const TypedShape& type) {
  Step step;
  const int in = b_.operand(from, type), out = b_.operand(to, type);
  step.inputs = {std::uint32_t(in), 1};
  step.outputs = {std::uint32_t(out), 1};
  step.device = std::uint8_t(device_of(to));
  step.kernel = b_.kernel_ref(copy_kernel(from.layout, to.layout, type, device_of(to)));
  step.bytes = 2.f * float(storage_bytes(type.dtype, b_.largest(type.shape)));
  b_.add_step(steps_, step);
  return steps_.back();
}

Place RegionPlanner::ensure(ir::ValueId value, Port port, int device, const Place* uniform) {
  const TypedShape type = type_of(value);
  const auto fits = [&](const Place& p) {
    if (device_of(p) != device) return false;
    return uniform != nullptr ? same_form(p, *uniform, type.shape) : satisfies(port, p, type.shape);
  };
  for (const Place& p : forms(value, device))
    if (fits(p)) return p;
  if (const Place p = on_device(value, device); fits(p)) return p;

  Place to;
  to.layout = uniform ? uniform->layout : layout_of(port);
  if (uniform != nullptr) to.stride = uniform->stride;
  else if (port == Port::channels_last) to.stride = channels_last_strides(type.shape);
  else if (to.layout != Layout::strided) to.stride = blocked_strides(type.shape, block_of(to.layout));
  else to.stride = dense_strides(type.shape);

  const ir::Value& v = graph_.value(value);
  if (v.constant) {
    to = b_.converted_constant(v.constant, v.name, to, device);
  } else {
    to.storage = b_.add_arena(type.dtype, type.shape, to.layout, device, region_);
    identify(copy(on_device(value, device), to, type), value, "convert " + name_of(v));
  }
  add_form(value, to);
  return to;
}

bool RegionPlanner::may_overwrite(const ir::Node& node, int input) {
  const ir::ValueId v = node.inputs[std::size_t(input)];
  if (uses_[v] != 1) return false;
  const Place place = forms(v)[0];
  const Storage& s = b_.storage(place.storage);
  if (s.base != Base::arena || s.region != region_) return false;
  std::vector<ir::ValueId>& holders = holders_[place.storage];
  std::erase_if(holders, [&](ir::ValueId other) { return uses_[other] <= 0; });
  return std::none_of(holders.begin(), holders.end(), [&](ir::ValueId other) {
    const std::vector<Place>& places = forms_[other];
    return other != v &&
           std::any_of(places.begin(), places.end(), [&](const Place& p) { return p.storage == place.storage; });
  });
}

void RegionPlanner::ask(Question& q, const ir::Node& node, const Kernel& kernel) {
  const ir::NodeView view{graph_, node};
  q.in.assign(node.inputs.size(), {});
  q.out.assign(node.outputs.size(), {});
  const auto describe = [&](OperandDesc& d, ir::ValueId id, Port port) {
    const ir::Value& v = graph_.value(id);
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
    if (node.inputs[i] != ir::kNone) describe(q.in[i], node.inputs[i], kernel.in[int(i)]);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) describe(q.out[i], node.outputs[i], kernel.out[int(i)]);
  if (q.params.empty() && node.op->params != nullptr) {
    ir::ParamsBlob blob;
    node.op->params(view, blob);
    q.params = blob.bytes();
  }
  q.query.params = q.params.data();
  q.query.params_hash = hash64(q.params);
  q.query.in = q.in.data();
  q.query.in_count = int(q.in.size());
  q.query.out = q.out.data();
  q.query.out_count = int(q.out.size());
  q.query.threads = b_.options.threads;
}

Refusal RegionPlanner::refuse_least(const Question& q, const ir::Node& node, const Kernel& kernel) const {
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
    const ir::SymShape shape = stored_type(graph_.value(id).type).shape;
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

bool RegionPlanner::lie_alike(const ir::Node& node, const Kernel& kernel) const {
  // Equal bounds, which is all that the kernel is asked about, are not equal extents.
  const ir::SymShape* first = nullptr;
  const auto fits = [&](ir::ValueId v, Port port) {
    if (v == ir::kNone || port != Port::uniform) return true;
    const ir::SymShape& shape = graph_.value(v).type.shape;
    if (first == nullptr) first = &shape;
    return shape == *first;
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (!fits(node.inputs[i], kernel.in[int(i)])) return false;
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    if (!fits(node.outputs[i], kernel.out[int(i)])) return false;
  return true;
}

std::vector<const Kernel*> RegionPlanner::fitting(const ir::Node& node, int device, Choice& choice) {
  const auto kind = DeviceKind(b_.plan.devices[std::size_t(device)].kind);
  choice.id = node.id;
  choice.node = name_of(node);
  choice.op = node.op->name;
  std::vector<const Kernel*> fits;
  Question q;
  const auto consider = [&](const Kernel* k) {
    std::string reason;
    const bool on_device = k->device == kind || (k->reference && kind == DeviceKind::reference);
    if (!on_device) return;
    if (b_.options.reference_only && !k->reference) reason = "the plan is a reference plan";
    else if (!covers(b_.options.isa, k->needs)) reason = "needs " + isa_name(k->needs);
    else if (b_.options.batch_invariant && !k->batch_invariant) reason = "its rows depend on the batch";
    if (reason.empty()) {
      ask(q, node, *k);
      for (std::size_t i = 0; i < q.in.size(); ++i)
        if (k->in[int(i)] == Port::packed && q.in[i].present() && !q.in[i].constant)
          reason = fmt::format("needs input {} to be constant", i);
      if (reason.empty() && !k->reference && gives_nothing(q.query.out, q.query.out_count))
        reason = "it has nothing to compute";
      if (reason.empty() && k->accepts != nullptr)
        if (const Refusal r = k->accepts(q.query)) reason = r;
      if (reason.empty() && k->accepts != nullptr)
        if (const Refusal r = refuse_least(q, node, *k)) reason = fmt::format("{} at the least extents", r);
      if (reason.empty() && !lie_alike(node, *k)) reason = "the extents of its operands may differ in a run";
    }
    if (reason.empty()) {
      fits.push_back(k);
      choice.accepted.emplace_back(k->name);
    } else {
      choice.refused.emplace_back(k->name, reason);
    }
  };
  for (const Kernel* k : b_.options.first_kernels)
    if (std::string_view(k->op) == node.op->name) consider(k);
  for (const Kernel* k : kernels_of(node.op->name)) consider(k);
  if (fits.empty()) {
    std::string list;
    for (const auto& [name, reason] : choice.refused) list += fmt::format("\n  {}: {}", name, reason);
    throw Error(list.empty() ? fmt::format("there is no kernel for {}", node.op->name)
                             : fmt::format("no kernel takes this {}:{}", node.op->name, list),
                "this combination of types and attributes is not supported; change it in the model")
        .at(ir::describe(graph_, node));
  }
  refuse_unfit(q, node);
  return fits;
}

/// Throws when the operands cannot fit each other, which inference leaves to the operator's rule: before a kernel is
/// timed on them.
void RegionPlanner::refuse_unfit(const Question& q, const ir::Node& node) {
  const auto views = [](const std::vector<OperandDesc>& operands) {
    std::vector<TensorView> list;
    for (const OperandDesc& d : operands) list.push_back(dense_view(nullptr, d.dtype, d.shape));
    return list;
  };
  for (const auto* operands : {&q.in, &q.out})
    for (const OperandDesc& d : *operands)
      if (d.dynamic) return;  // the runtime asks whenever a shape changes
  const std::vector<TensorView> in = views(q.in), out = views(q.out);
  const Refusal r =
      refuse_operands(node.op->name, {q.params.data(), in.data(), int(in.size()), out.data(), int(out.size())});
  if (r == nullptr) return;
  std::string types;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone)
      types += fmt::format("\n  input {}: {}", i, to_string(graph_.value(node.inputs[i]).type));
  throw Error(r + types).at(ir::describe(graph_, node));
}

const Kernel* RegionPlanner::choose(ir::Node& node, int device) {
  if (const auto it = assigned_.find(node.id); it != assigned_.end()) {
    choices_.push_back(std::move(it->second.choice));
    choices_.back().kernel = it->second.kernel->name;
    return it->second.kernel;
  }
  Choice choice;
  const Kernel* best = fitting(node, device, choice)[0];
  choice.kernel = best->name;
  choices_.push_back(std::move(choice));
  return best;
}

Place RegionPlanner::output_place(ir::Node& node, int output, const Kernel& kernel, int device, const Place* uniform,
                                  const std::vector<Place>& inputs) {
  const ir::ValueId v = node.outputs[std::size_t(output)];
  const TypedShape type = type_of(v);
  const Port port = kernel.out[output];
  const auto assigned = assigned_.find(node.id);
  const auto fits = [&](const Place& p) {
    if (device_of(p) != device) return false;
    if (port == Port::uniform)
      return uniform != nullptr ? same_form(p, *uniform, type.shape) && is_gap_free(p, type.shape)
                                : is_gap_free(p, type.shape);
    return satisfies(port, p, type.shape);
  };
  if (const auto it = targets_.find(v); it != targets_.end() && fits(it->second)) return it->second;
  if (!targets_.contains(v))
    if (auto part = part_place(v, port); part && fits(*part)) return *part;
  if (output == 0 && !targets_.contains(v)) {
    for (std::size_t i = 0; i < inputs.size() && i < 32; ++i) {
      if ((kernel.in_place_inputs >> i & 1u) == 0 || inputs[i].storage < 0) continue;
      const TypedShape in = type_of(node.inputs[i]);
      if (in.dtype != type.dtype || !(in.shape == type.shape) || !fits(inputs[i]) ||
          repeats_elements(inputs[i], in.shape))
        continue;
      // The chosen order counts for more than the memory.
      if (port == Port::strided && assigned != assigned_.end() &&
          form_of(inputs[i], type.shape) != form_of(form_place(assigned->second.form, type.shape), type.shape))
        continue;
      if (inputs[i].storage == forms(node.inputs[i])[0].storage && may_overwrite(node, int(i))) return inputs[i];
    }
  }
  Place place;
  place.layout = layout_of(port);
  if (port == Port::uniform && uniform != nullptr) {
    place.layout = uniform->layout;
    place.stride = uniform->stride;
  } else if (port == Port::channels_last) {
    place.stride = channels_last_strides(type.shape);
  } else if (place.layout != Layout::strided) {
    place.stride = blocked_strides(type.shape, block_of(place.layout));
  } else if (port == Port::strided && output == 0 && assigned != assigned_.end()) {
    place.stride = form_place(assigned->second.form, type.shape).stride;
  } else {
    place.stride = dense_strides(type.shape);
    // Elementwise work keeps the order of its operand: writing another one would gather element by element.
    for (std::size_t i = 0; port == Port::strided && i < inputs.size() && i < 32; ++i) {
      if ((kernel.in_place_inputs >> i & 1u) == 0 || inputs[i].storage < 0 || type.shape.size() < 3) continue;
      if (!(type_of(node.inputs[i]).shape == type.shape) || is_dense(inputs[i], type.shape)) continue;
      if (is_channels_last(inputs[i], type.shape)) place.stride = channels_last_strides(type.shape);
      break;
    }
  }
  place.storage = b_.add_arena(type.dtype, type.shape, place.layout, device, region_);
  return place;
}

void RegionPlanner::plan_kernel(ir::Node& node) {
  const int device = device_of(node);
  const Kernel& kernel = *choose(node, device);
  Question q;
  ask(q, node, kernel);
  const std::string name = name_of(node);

  // The form of uniform operands: that of the largest input that has no gaps, dense otherwise.
  std::optional<Place> uniform;
  std::int64_t uniform_size = -1;
  const auto assigned = assigned_.find(node.id);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == ir::kNone || kernel.in[int(i)] != Port::uniform || graph_.value(node.inputs[i]).constant)
      continue;
    const TypedShape type = type_of(node.inputs[i]);
    const std::int64_t size = b_.largest(type.shape).numel();
    if (size <= uniform_size) continue;
    if (assigned != assigned_.end()) {
      uniform = form_place(assigned->second.form, type.shape);
      uniform_size = size;
      continue;
    }
    for (const Place& p : forms(node.inputs[i]))
      if (is_gap_free(p, type.shape)) {
        uniform = p;
        uniform_size = size;
        break;
      }
  }
  if (!uniform)
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != ir::kNone && kernel.in[int(i)] == Port::uniform) {
        uniform.emplace();
        uniform->stride = dense_strides(type_of(node.inputs[i]).shape);
        break;
      }

  std::vector<Place> inputs(node.inputs.size());
  std::vector<bool> packed(node.inputs.size(), false);
  for (int p = 0; p < kernel.packing_count; ++p) {
    const std::size_t i = std::size_t(kernel.packings[p].input);
    if (i >= node.inputs.size() || node.inputs[i] == ir::kNone || kernel.in[int(i)] != Port::packed) continue;
    const ir::Value& v = graph_.value(node.inputs[i]);
    const std::string weight = v.name.empty() && v.origins.empty() ? name : name_of(v);
    inputs[i].storage = b_.packed_constant(v.constant, weight, kernel, p, q.query, q.params, device);
    inputs[i].layout = Layout::packed;
    packed[i] = true;
  }
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    if (v == ir::kNone || packed[i] || (i < 32 && (node.op->shape_inputs >> i & 1u) != 0)) continue;
    if (graph_.value(v).type.kind == ir::ValueKind::state) inputs[i] = forms(v)[0];
    else inputs[i] = ensure(v, kernel.in[int(i)], device, kernel.in[int(i)] == Port::uniform ? &*uniform : nullptr);
  }

  // Extents that the kernel reports: its own output operands carry their bounds, readers the registers.
  ir::InferContext again(graph_, node);
  node.op->infer(again);
  const int extents = again.extent_count();
  const auto bounded = [&](ir::SymShape shape) {
    if (extents > 0)
      for (ir::Expr& e : shape)
        e = ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
          if (atom.kind != ir::AtomKind::extent ||
              std::find(node.outputs.begin(), node.outputs.end(), atom.value) == node.outputs.end())
            return std::nullopt;
          return atom.args[0];
        });
    return shape;
  };

  std::vector<Place> outputs(node.outputs.size());
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (graph_.value(node.outputs[i]).type.kind == ir::ValueKind::state) {
      outputs[i] = inputs[0];  // the one that the node grew, under a new name
      continue;
    }
    if (extents > 0) {
      // Written densely for extents not known yet: straight to a model output when there is one, else to a block of its
      // own.
      const auto it = targets_.find(node.outputs[i]);
      if (it != targets_.end() && device_of(it->second) == device) {
        outputs[i] = it->second;
      } else {
        const TypedShape type = type_of(node.outputs[i]);
        outputs[i].storage = b_.add_arena(type.dtype, type.shape, Layout::strided, device, region_);
        outputs[i].stride = dense_strides(type.shape);
      }
      continue;
    }
    outputs[i] = output_place(node, int(i), kernel, device, uniform ? &*uniform : nullptr, inputs);
  }

  Step step;
  step.device = std::uint8_t(device);
  step.kernel = b_.kernel_ref(kernel);
  step.params = b_.params(q.params);
  identify(step, node);
  step.inputs = {std::uint32_t(b_.plan.operands.size()), std::uint32_t(node.inputs.size())};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (inputs[i].storage < 0) b_.absent_operand();
    else b_.operand(inputs[i], type_of(node.inputs[i]));
  }
  step.outputs = {std::uint32_t(b_.plan.operands.size()), std::uint32_t(node.outputs.size())};
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    TypedShape type = type_of(node.outputs[i]);
    if (extents > 0) {
      type.shape = bounded(type.shape);
      Place place = outputs[i];
      place.stride = dense_strides(type.shape);
      b_.operand(place, type);
    } else {
      b_.operand(outputs[i], type);
    }
  }
  if (extents > 0) {
    step.extents = {std::uint32_t(b_.plan.registers.size()), std::uint32_t(extents)};
    for (int k = 0; k < extents; ++k) b_.scalars.fresh();
  }
  if (kernel.scratch_bytes != nullptr)
    if (const std::int64_t bytes = std::int64_t(kernel.scratch_bytes(q.query)); bytes > 0) {
      step.scratch_offset = b_.add_scratch(bytes, device, region_);
      step.scratch_bytes = bytes;
    }
  std::vector<Shape> in_shapes, out_shapes;
  double bytes = 0;
  for (const ir::ValueId v : node.inputs) {
    in_shapes.push_back(v == ir::kNone ? Shape() : b_.typical(type_of(v).shape));
    if (v != ir::kNone) bytes += double(storage_bytes(type_of(v).dtype, in_shapes.back()));
  }
  for (const ir::ValueId v : node.outputs) {
    out_shapes.push_back(b_.typical(type_of(v).shape));
    bytes += double(storage_bytes(type_of(v).dtype, out_shapes.back()));
  }
  step.bytes = float(bytes);
  if (node.op->flops != nullptr) step.flops = float(node.op->flops({graph_, node}, in_shapes, out_shapes));
  if (!choices_.empty())
    for (const auto& [k, us] : choices_.back().timed)
      if (k == kernel.name) step.measured_us = float(us);
  b_.add_step(steps_, step);

  for (std::size_t i = 0; i < node.outputs.size(); ++i) set_form(node.outputs[i], outputs[i]);
  if (extents > 0) {
    // Atoms carry their bounds, so they are found in the shapes themselves.
    for (const ir::ValueId v : node.outputs)
      for (const ir::Expr& e : graph_.value(v).type.shape)
        for (const auto& term : e.is_constant() ? std::vector<ir::Expr::Term>{} : e.terms())
          for (const auto& atom : term.atoms)
            if (atom->kind == ir::AtomKind::extent &&
                std::find(node.outputs.begin(), node.outputs.end(), atom->value) != node.outputs.end())
              b_.scalars.bind(ir::atom_expr(atom), Register(step.extents.begin) + Register(atom->index));
  }
}

bool RegionPlanner::plan_views(ir::Node& node) {
  if (!is_view_node(node)) return false;
  const auto& list = aliases(node);
  for (const ir::Alias& alias : list) {
    const ir::ValueId in = node.inputs[std::size_t(alias.input)], out = node.outputs[std::size_t(alias.output)];
    const ir::SymShape &in_shape = graph_.value(in).type.shape, &out_shape = graph_.value(out).type.shape;
    const bool whole_bytes = dtype_bits(graph_.value(out).type.dtype) >= 8 || alias.kind == ir::Alias::Kind::reshape;
    if (!whole_bytes) return false;
    // Looking at what lies there takes no device's work.
    std::optional<Place> view;
    for (const Place& p : forms(in))
      if (!view) view = view_of(p, in_shape, out_shape, alias);
    if (!view) view = view_of(ensure(in, Port::dense, device_of(forms(in)[0])), in_shape, out_shape, alias);
    if (!view) return false;
    if (b_.options.copy_views) {
      Place to;
      to.stride = dense_strides(out_shape);
      const auto target = targets_.find(out);
      const int device = device_of(*view);
      if (target != targets_.end() && device_of(target->second) == device) to = target->second;
      else to.storage = b_.add_arena(graph_.value(out).type.dtype, out_shape, Layout::strided, device, region_);
      identify(copy(*view, to, type_of(out)), node);
      view = to;
    }
    set_form(out, *view);
  }
  check_views(node, list);
  return true;
}

void RegionPlanner::plan_concat(ir::Node& node) {
  const auto& list = aliases(node);
  // Without a buffer yet nothing lies in it: keep the form that the first input has.
  Port port = Port::dense;
  for (const ir::ValueId v : node.inputs) {
    if (graph_.value(v).constant) continue;
    const TypedShape type = type_of(v);
    const Place& p = forms(v)[0];
    if (type.shape.size() >= 3 && !is_dense(p, type.shape) && is_channels_last(p, type.shape))
      port = Port::channels_last;
    break;
  }
  const Place buffer = concat_buffer(node, port);
  const ir::SymShape out = type_of(node.outputs[0]).shape;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    const TypedShape type = type_of(v);
    // No kernel sees all inputs, so the extent program compares what only a run knows.
    const std::int64_t axis = node.attrs.i("axis", 0);
    for (std::size_t a = 0; a < out.size(); ++a)
      if (std::int64_t(a) != (axis < 0 ? axis + std::int64_t(out.size()) : axis))
        check_equal(type.shape[a], out[a], fmt::format("axis {} of input {} of a concatenation", a, i));
    Place part = buffer;
    const auto offset = offset_at(buffer, list[i].start);
    if (!offset) fail("input {} of a concatenation does not begin a block of its buffer", i);
    part.offset = part.offset + *offset;
    const auto& places = forms(v, device_of(buffer));
    const bool there = std::any_of(places.begin(), places.end(), [&](const Place& p) {
      return p.storage == part.storage && p.offset == part.offset && same_form(p, part, type.shape);
    });
    if (!there) identify(copy(on_device(v, device_of(buffer)), part, type), node);
  }
  set_form(node.outputs[0], buffer);
}

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
    const auto target = targets_.find(node.outputs[i]);
    if (target != targets_.end()) {
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

  step.inputs = {std::uint32_t(b_.operand(condition, type_of(node.inputs[0]))), 1};
  step.program = b_.scalars.flush();  // before the bodies' own programs
  std::vector<std::int32_t> regions;
  for (const auto& body : node.bodies) {
    const int region = int(b_.plan.regions.size());
    b_.plan.regions.emplace_back();
    regions.push_back(region);
    b_.scalars.push_scope();
    RegionPlanner inner(b_, *body, region, this, choices_);
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
    Region& r = b_.plan.regions[std::size_t(region)];
    r.program = b_.scalars.flush();
    r.steps = {std::uint32_t(b_.plan.steps.size()), std::uint32_t(inner.steps().size())};
    b_.plan.steps.insert(b_.plan.steps.end(), inner.steps().begin(), inner.steps().end());
    b_.scalars.pop_scope();
  }
  step.regions = {std::uint32_t(b_.plan.region_refs.size()), std::uint32_t(regions.size())};
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

void RegionPlanner::write_target(ir::ValueId value, bool view) {
  const auto target = targets_.find(value);
  // Memory of the arena is not free for the output's whole life: that copy waits for the end.
  if (target == targets_.end() || b_.storage(target->second.storage).base != Base::output) return;
  const TypedShape type = type_of(value);
  auto& places = forms_[value];
  if (std::any_of(places.begin(), places.end(), [&](const Place& p) {
        return p.storage == target->second.storage && p.offset == target->second.offset && is_dense(p, type.shape);
      }))
    return;
  const auto output =
      std::find_if(graph_.outputs().begin(), graph_.outputs().end(), [&](const auto& o) { return o.value == value; });
  deliver(value, target->second,
          output != graph_.outputs().end() ? "output " + output->name : graph_.value(value).name);
  // Later readers of a view keep nothing alive but the output; of a result in another order, they read it as it is.
  add_form(value, target->second);
  if (view) std::rotate(places.begin(), places.end() - 1, places.end());
}

void RegionPlanner::plan_node(ir::Node& node) {
  if (std::string_view(node.op->name) == "If") plan_branch(node);
  else if (std::string_view(node.op->name) == "Loop") plan_loop(node, false);
  else if (std::string_view(node.op->name) == "Scan") plan_loop(node, true);
  else if (is_concat(node)) plan_concat(node);
  else if (!plan_views(node)) plan_kernel(node);
  const bool view = is_view_node(node);
  for (const ir::ValueId v : node.outputs) write_target(v, view);
  for (const ir::ValueId v : node.outputs) load_elements(v);
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone && (i >= 32 || (node.op->shape_inputs >> i & 1u) == 0)) --uses_[node.inputs[i]];
}

void RegionPlanner::run(const std::vector<Place>& outputs) {
  find_needed();
  find_targets(outputs);
  find_concats();
  if (b_.options.tactics != nullptr && !b_.options.copy_views) choose_layouts(*this);
  for (const ir::ValueId v : graph_.inputs()) load_elements(v);
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph_.order())) {
    if (!needed_.contains(id)) continue;
    ir::Node& node = graph_.node(id);
    try {
      plan_node(node);
    } catch (const Error& e) {
      if (!e.where().empty()) throw;
      throw e.at(ir::describe(graph_, node));
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ir::ValueId v = graph_.outputs()[i].value;
    const TypedShape type = type_of(v);
    const auto& places = forms(v);
    const bool there = std::any_of(places.begin(), places.end(), [&](const Place& p) {
      return p.storage == outputs[i].storage && p.offset == outputs[i].offset && is_dense(p, type.shape);
    });
    if (!there) deliver(v, outputs[i], "output " + graph_.outputs()[i].name);
  }
}

}  // namespace monza::plan
