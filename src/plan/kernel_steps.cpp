// Steps of kernels: where their operands lie, and what the plan says of them.
#include <algorithm>
#include <optional>

#include "kernel/ports.h"
#include "plan/region_planner.h"
#include "tensor/storage.h"

namespace monza::plan {

/// A node that becomes a step.
struct RegionPlanner::KernelNode {
  ir::Node& node;
  const int device;
  const Kernel& kernel;
  const std::string name;
  Question question;
  std::optional<Place> uniform;  ///< the form of its uniform operands, if it has any
  std::vector<Place> inputs, outputs;
  int extents = 0;  ///< that the kernel reports
};

bool RegionPlanner::may_overwrite(const ir::Node& node, int input) {
  const ir::ValueId v = node.inputs[static_cast<std::size_t>(input)];
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

Candidate RegionPlanner::choose(const ir::Node& node) {
  Choice choice;
  Candidate best;
  if (const auto it = assigned_.find(node.id); it != assigned_.end()) {
    choice = std::move(it->second.choice);
    best = it->second.candidate;
  } else {
    best = candidates_.fitting(node, choice)[0];
  }
  choice.kernel = candidates_.name_of(node, best);
  choices_.push_back(std::move(choice));
  return best;
}

Place RegionPlanner::output_place(ir::Node& node, int output, const Kernel& kernel, int device, const Place* uniform,
                                  const std::vector<Place>& inputs) {
  const ir::ValueId v = node.outputs[static_cast<std::size_t>(output)];
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
  if (const auto it = targets_.places.find(v); it != targets_.places.end() && fits(it->second)) return it->second;
  if (!targets_.places.contains(v))
    if (auto part = part_place(v, port); part && fits(*part)) return *part;
  if (output == 0 && !targets_.places.contains(v)) {
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
      if (inputs[i].storage == forms(node.inputs[i])[0].storage && may_overwrite(node, static_cast<int>(i)))
        return inputs[i];
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

/// The form of uniform operands: that of the largest input that has no gaps, dense otherwise.
std::optional<Place> RegionPlanner::uniform_form(const ir::Node& node, const Kernel& kernel) {
  std::optional<Place> uniform;
  std::int64_t uniform_size = -1;
  const auto assigned = assigned_.find(node.id);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == ir::kNone || kernel.in[static_cast<int>(i)] != Port::uniform ||
        graph_.value(node.inputs[i]).constant)
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
      if (node.inputs[i] != ir::kNone && kernel.in[static_cast<int>(i)] == Port::uniform) {
        uniform.emplace();
        uniform->stride = dense_strides(type_of(node.inputs[i]).shape);
        break;
      }
  return uniform;
}

void RegionPlanner::take_inputs(KernelNode& k) {
  const ir::Node& node = k.node;
  const Kernel& kernel = k.kernel;
  k.inputs.resize(node.inputs.size());
  std::vector<bool> packed(node.inputs.size(), false);
  for (int p = 0; p < kernel.packing_count; ++p) {
    const std::size_t i = static_cast<std::size_t>(kernel.packings[p].input);
    if (i >= node.inputs.size() || node.inputs[i] == ir::kNone || kernel.in[static_cast<int>(i)] != Port::packed)
      continue;
    const ir::Value& v = graph_.value(node.inputs[i]);
    const std::string weight = v.name.empty() && v.origins.empty() ? k.name : name_of(v);
    k.inputs[i].storage =
        b_.packed_constant(v.constant, weight, kernel, p, k.question.query, k.question.params, k.device);
    k.inputs[i].layout = Layout::packed;
    packed[i] = true;
  }
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    if (v == ir::kNone || packed[i] || (i < 32 && (node.op->shape_inputs >> i & 1u) != 0)) continue;
    if (graph_.value(v).type.kind == ir::ValueKind::state) k.inputs[i] = forms(v)[0];
    else
      k.inputs[i] = ensure(v, kernel.in[static_cast<int>(i)], k.device,
                           kernel.in[static_cast<int>(i)] == Port::uniform ? &*k.uniform : nullptr);
  }
}

void RegionPlanner::place_outputs(KernelNode& k) {
  const ir::Node& node = k.node;
  k.outputs.resize(node.outputs.size());
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (graph_.value(node.outputs[i]).type.kind == ir::ValueKind::state) {
      k.outputs[i] = k.inputs[0];  // the one that the node grew, under a new name
      continue;
    }
    if (k.extents > 0) {
      // Written densely for extents not known yet: straight to a model output when there is one, else to a block of its
      // own.
      const auto it = targets_.places.find(node.outputs[i]);
      if (it != targets_.places.end() && device_of(it->second) == k.device) {
        k.outputs[i] = it->second;
      } else {
        const TypedShape type = type_of(node.outputs[i]);
        k.outputs[i].storage = b_.add_arena(type.dtype, type.shape, Layout::strided, k.device, region_);
        k.outputs[i].stride = dense_strides(type.shape);
      }
      continue;
    }
    k.outputs[i] =
        output_place(k.node, static_cast<int>(i), k.kernel, k.device, k.uniform ? &*k.uniform : nullptr, k.inputs);
  }
}

/// The shape with the bounds of extents that the node reports: its own output operands carry these, readers the
/// registers.
ir::SymShape RegionPlanner::bounded(const ir::Node& node, ir::SymShape shape) {
  for (ir::Expr& e : shape)
    e = ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
      if (atom.kind != ir::AtomKind::extent ||
          std::find(node.outputs.begin(), node.outputs.end(), atom.value) == node.outputs.end())
        return std::nullopt;
      return atom.args[0];
    });
  return shape;
}

void RegionPlanner::describe_work(const KernelNode& k, Step& step) {
  const ir::Node& node = k.node;
  std::vector<Shape> in_shapes, out_shapes;
  double bytes = 0;
  for (const ir::ValueId v : node.inputs) {
    in_shapes.push_back(v == ir::kNone ? Shape() : b_.typical(type_of(v).shape));
    if (v != ir::kNone) bytes += static_cast<double>(storage_bytes(type_of(v).dtype, in_shapes.back()));
  }
  for (const ir::ValueId v : node.outputs) {
    out_shapes.push_back(b_.typical(type_of(v).shape));
    bytes += static_cast<double>(storage_bytes(type_of(v).dtype, out_shapes.back()));
  }
  step.bytes = static_cast<float>(bytes);
  if (node.op->flops != nullptr) step.flops = static_cast<float>(node.op->flops({graph_, node}, in_shapes, out_shapes));
  if (!choices_.empty())
    for (const auto& [name, us] : choices_.back().timed)
      if (name == choices_.back().kernel) step.measured_us = static_cast<float>(us);
}

Step RegionPlanner::kernel_step(const KernelNode& k) {
  const ir::Node& node = k.node;
  Step step;
  step.device = static_cast<std::uint8_t>(k.device);
  step.kernel = b_.kernel_ref(k.kernel);
  step.params = b_.params(k.question.params);
  identify(step, node);
  step.inputs = {static_cast<std::uint32_t>(b_.plan.operands.size()), static_cast<std::uint32_t>(node.inputs.size())};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (k.inputs[i].storage < 0) b_.absent_operand();
    else b_.operand(k.inputs[i], type_of(node.inputs[i]));
  }
  step.outputs = {static_cast<std::uint32_t>(b_.plan.operands.size()), static_cast<std::uint32_t>(node.outputs.size())};
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    TypedShape type = type_of(node.outputs[i]);
    if (k.extents > 0) {
      type.shape = bounded(node, type.shape);
      Place place = k.outputs[i];
      place.stride = dense_strides(type.shape);
      b_.operand(place, type);
    } else {
      b_.operand(k.outputs[i], type);
    }
  }
  if (k.extents > 0) {
    step.extents = {static_cast<std::uint32_t>(b_.plan.registers.size()), static_cast<std::uint32_t>(k.extents)};
    for (int e = 0; e < k.extents; ++e) b_.scalars.fresh();
  }
  if (k.kernel.scratch_bytes != nullptr)
    if (const std::int64_t bytes = static_cast<std::int64_t>(k.kernel.scratch_bytes(k.question.query)); bytes > 0) {
      step.scratch_offset = b_.add_scratch(bytes, k.device, region_);
      step.scratch_bytes = bytes;
    }
  describe_work(k, step);
  return step;
}

void RegionPlanner::bind_reported(const ir::Node& node, const Step& step) {
  // Atoms carry their bounds, so they are found in the shapes themselves.
  for (const ir::ValueId v : node.outputs)
    for (const ir::Expr& e : graph_.value(v).type.shape)
      for (const auto& term : e.is_constant() ? std::vector<ir::Expr::Term>{} : e.terms())
        for (const auto& atom : term.atoms)
          if (atom->kind == ir::AtomKind::extent &&
              std::find(node.outputs.begin(), node.outputs.end(), atom->value) != node.outputs.end())
            b_.scalars.bind(ir::atom_expr(atom), Register(step.extents.begin) + Register(atom->index));
}

void RegionPlanner::plan_kernel(ir::Node& node) {
  const Candidate chosen = choose(node);
  KernelNode k{node, chosen.device, *chosen.kernel, name_of(node), {}, {}, {}, {}};
  candidates_.ask(k.question, node, k.kernel);
  k.uniform = uniform_form(node, k.kernel);
  take_inputs(k);
  ir::InferContext again(graph_, node);
  node.op->infer(again);
  k.extents = again.extent_count();
  place_outputs(k);
  const Step step = kernel_step(k);
  b_.add_step(steps_, step);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) set_form(node.outputs[i], k.outputs[i]);
  if (k.extents > 0) bind_reported(node, step);
}

}  // namespace monza::plan
