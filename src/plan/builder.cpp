#include "plan/builder.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernel/registry.h"
#include "kernel/value_pool.h"
#include "plan/offsets.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// No single value may be larger: beyond it a size is a mistake in the model or its profile.
constexpr std::int64_t kLargestValue = std::int64_t(1) << 40;

struct Serial final : Parallel {
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

}  // namespace

TypedShape stored_type(const ir::Type& type) {
  if (type.kind == ir::ValueKind::tensor || type.kind == ir::ValueKind::state) return {type.dtype, type.shape};
  return {DType::handle, {}};
}

std::int64_t constant_bytes(const ir::Constant& constant) { return storage_bytes(constant.dtype, constant.shape); }

PlanBuilder::PlanBuilder(const PlannerOptions& o) : scalars(plan), options(o) {}

ir::Interval PlanBuilder::range(const ir::Expr& e) const {
  return ir::range(e, [&](const ir::Atom& atom) -> ir::Interval {
    if (atom.kind == ir::AtomKind::symbol) {
      const auto it = options.symbols.find(atom.name);
      if (it == options.symbols.end()) fail("dimension '{}' has no range", atom.name);
      return {it->second.min, it->second.max};
    }
    const auto it = element_ranges_.find({atom.value, atom.index});
    return it != element_ranges_.end() ? it->second : ir::Interval{0, kLargestValue};
  });
}

bool PlanBuilder::has_bound(const ir::Expr& e) const { return range(e).high < kLargestValue; }

Shape PlanBuilder::largest(const ir::SymShape& shape) const {
  Shape s;
  s.rank = int(shape.size());
  for (int i = 0; i < s.rank; ++i) {
    const ir::Interval r = range(shape[std::size_t(i)]);
    if (r.high >= kLargestValue)
      fail_hint("fix the inputs that decide it (their values, as with --shape-values NAME=...), or give their ranges",
                "a value of shape {} has no bound: {} can be anything", ir::to_string(shape),
                ir::to_string(shape[std::size_t(i)]));
    s[i] = std::max<std::int64_t>(0, r.high);
  }
  return s;
}

Shape PlanBuilder::typical(const ir::SymShape& shape) const {
  Shape s;
  s.rank = int(shape.size());
  for (int i = 0; i < s.rank; ++i) {
    const ir::Expr& e = shape[std::size_t(i)];
    // Extents that kernels report are planned at their bounds; symbols at their usual value.
    const ir::Interval r = ir::range(e, [&](const ir::Atom& atom) -> ir::Interval {
      if (atom.kind == ir::AtomKind::symbol)
        if (const auto it = options.symbols.find(atom.name); it != options.symbols.end())
          return {it->second.opt, it->second.opt};
      return range(ir::atom_expr(std::make_shared<const ir::Atom>(atom)));
    });
    s[i] = std::max<std::int64_t>(0, r.high);
  }
  return s;
}

int PlanBuilder::add_arena(DType dtype, const ir::SymShape& shape, Layout layout, int device, int region) {
  Storage s;
  s.device = device;
  s.region = region;
  s.bytes = storage_bytes(dtype, largest(shape), layout);
  if (s.bytes > kLargestValue) fail("a value of shape {} would take {} bytes", to_string(largest(shape)), s.bytes);
  storages_.push_back(s);
  return int(storages_.size()) - 1;
}

int PlanBuilder::add_bound(Base base, int index, std::int64_t bytes, int device) {
  Storage s;
  s.base = base;
  s.index = index;
  s.device = device;
  s.bytes = bytes;
  storages_.push_back(s);
  return int(storages_.size()) - 1;
}

int PlanBuilder::add_scratch(std::int64_t bytes, int device, int region) {
  Storage s;
  s.device = device;
  s.region = region;
  s.bytes = bytes;
  s.first = s.last = time_;
  storages_.push_back(s);
  return int(storages_.size()) - 1;
}

void PlanBuilder::touch(int id, int time) {
  Storage& s = storages_[std::size_t(id)];
  s.first = s.first < 0 ? time : std::min(s.first, time);
  s.last = std::max(s.last, time);
}

int PlanBuilder::absent_operand() {
  plan.operands.emplace_back();
  plan.operands.back().is_static = 1;
  operand_storage_.push_back(-1);
  return int(plan.operands.size()) - 1;
}

int PlanBuilder::repeat_operand(int operand) {
  plan.operands.push_back(Operand(plan.operands[std::size_t(operand)]));
  operand_storage_.push_back(int(operand_storage_[std::size_t(operand)]));
  return int(plan.operands.size()) - 1;
}

int PlanBuilder::operand(const Place& place, const TypedShape& type) {
  Storage& s = storages_[std::size_t(place.storage)];
  Operand o;
  o.base = s.base;
  o.dtype = type.dtype;
  o.layout = place.layout;
  o.device = std::uint8_t(s.device);
  o.index = s.index;
  o.rank = std::uint8_t(type.shape.size());
  o.byte_bound = s.bytes;
  o.is_static = 1;
  bool backwards = false;
  for (std::size_t i = 0; i < type.shape.size(); ++i) {
    o.extent[i] = scalars.compile(type.shape[i]);
    o.is_static &= type.shape[i].is_constant() ? 1 : 0;
    if (place.layout == Layout::packed) {
      o.stride[i] = scalars.constant(0);  // has no meaning, but must be a constant
      continue;
    }
    o.stride[i] = scalars.compile(place.stride[i]);
    o.is_static &= place.stride[i].is_constant() ? 1 : 0;
    backwards |= range(place.stride[i]).low < 0;
  }
  const auto offset = place.offset.try_constant();
  if (offset && !backwards) {
    const std::int64_t bits = std::max(dtype_bits(type.dtype), 1);
    o.byte_offset = *offset * bits / 8;
    o.byte_bound = std::max<std::int64_t>(0, s.bytes - o.byte_offset);
  } else {
    o.element_offset = scalars.compile(place.offset);
    o.is_static &= offset ? 1 : 0;
  }
  if (s.base == Base::arena) touch(place.storage, time_);
  plan.operands.push_back(o);
  operand_storage_.push_back(place.storage);
  return int(plan.operands.size()) - 1;
}

int PlanBuilder::add_weight(const std::string& name, std::int64_t bytes, int kernel, int packing,
                            std::vector<std::byte> owned, std::shared_ptr<const ir::Constant> borrowed) {
  plan.weights_bytes = (plan.weights_bytes + 63) & ~std::int64_t(63);
  WeightBlock block;
  block.name = plan.intern(name);
  block.offset = plan.weights_bytes;
  block.bytes = bytes;
  block.kernel = kernel;
  block.packing = packing;
  plan.weight_blocks.push_back(block);
  weights_.push_back({plan.weights_bytes, std::move(owned), std::move(borrowed)});
  plan.weights_bytes += bytes;
  const int id = add_bound(Base::weights, 0, bytes, 0);
  storages_[std::size_t(id)].offset = block.offset;
  return id;
}

/// The text of string constants lies among the plan's own; what is stored as their elements points there.
std::vector<std::byte> PlanBuilder::string_handles(const ir::Constant& constant) {
  std::vector<Handle> handles;
  for (const std::string& s : constant.strings) {
    const auto [it, added] = texts_.try_emplace(s);
    if (added) {
      if (plan.strings.size() + s.size() > std::numeric_limits<std::uint32_t>::max())
        fail("the model's strings take more than 4 GiB");
      it->second = plan.intern(s);
    }
    handles.push_back({it->second.begin, it->second.length});
  }
  const auto bytes = std::as_bytes(std::span(handles));
  return {bytes.begin(), bytes.end()};
}

Place PlanBuilder::constant_place(const std::shared_ptr<const ir::Constant>& constant, const std::string& name) {
  auto [it, added] = constants_.try_emplace(constant.get(), -1);
  if (added) {
    if (constant->dtype == DType::string)
      it->second = add_weight(name, constant_bytes(*constant), -1, 0, string_handles(*constant), nullptr);
    else it->second = add_weight(name, constant_bytes(*constant), -1, 0, {}, constant);
  }
  Place place;
  place.storage = it->second;
  ir::SymShape shape;
  for (int i = 0; i < constant->shape.rank; ++i) shape.emplace_back(constant->shape[i]);
  place.stride = dense_strides(shape);
  return place;
}

Place PlanBuilder::converted_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                                      const Place& form) {
  std::string key = std::to_string(int(form.layout));
  for (const ir::Expr& s : form.stride) key += "," + ir::to_string(s);
  auto [it, added] = derived_.try_emplace({constant.get(), "form", key}, -1);
  if (added) {
    const std::int64_t bytes = storage_bytes(constant->dtype, constant->shape, form.layout);
    std::vector<std::byte> data(std::size_t(std::max<std::int64_t>(bytes, 1)));
    const std::vector<std::byte> handles = string_handles(*constant);
    const std::byte* elements = constant->dtype == DType::string ? handles.data() : constant->bytes.data();
    const TensorView in = dense_view(const_cast<std::byte*>(elements), constant->dtype, constant->shape);
    TensorView out = in;
    out.data = data.data();
    out.layout = form.layout;
    for (int i = 0; i < constant->shape.rank; ++i) out.stride[i] = form.stride[std::size_t(i)].constant();
    Serial serial;
    KernelContext context;
    context.in = &in;
    context.in_count = 1;
    context.out = &out;
    context.out_count = 1;
    context.parallel = &serial;
    const Kernel* copy = find_kernel("copy_ref");
    if (const Status status = copy->run(context); !status)
      fail("cannot rearrange constant '{}': {}", name, status.message());
    it->second = add_weight(name, bytes, -1, 0, std::move(data), nullptr);
  }
  Place place = form;
  place.storage = it->second;
  place.offset = 0;
  return place;
}

int PlanBuilder::packed_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                                 const Kernel& kernel, int packing, const KernelQuery& query,
                                 std::span<const std::byte> params_bytes) {
  // What a packing looks at is the kernel's query: parameters, and the types and shapes of the operands.
  std::string key(reinterpret_cast<const char*>(params_bytes.data()), params_bytes.size());
  key += std::to_string(packing);
  for (int i = 0; i < query.in_count; ++i)
    key += ";" + to_string(query.in[i].shape) + std::to_string(int(query.in[i].dtype));
  auto [it, added] = derived_.try_emplace({constant.get(), kernel.name, key}, -1);
  if (added) {
    const Packing& p = kernel.packings[packing];
    const std::size_t bytes = p.bytes(query);
    std::vector<std::byte> data(bytes + 64);
    auto* aligned =
        reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(data.data()) + 63) & ~std::uintptr_t(63));
    p.pack(query, aligned);
    std::memmove(data.data(), aligned, bytes);
    data.resize(bytes);
    it->second = add_weight(name, std::int64_t(bytes), kernel_ref(kernel), packing, std::move(data), nullptr);
  }
  return it->second;
}

int PlanBuilder::kernel_ref(const Kernel& kernel) {
  const auto [it, added] = kernel_refs_.try_emplace(kernel.name, int(plan.kernels.size()));
  if (added) plan.kernels.push_back({plan.intern(kernel.name), kernel.version});
  return it->second;
}

Range PlanBuilder::params(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  while (plan.params.size() % 16 != 0) plan.params.push_back(std::byte{0});
  const Range range{std::uint32_t(plan.params.size()), std::uint32_t(bytes.size())};
  plan.params.insert(plan.params.end(), bytes.begin(), bytes.end());
  return range;
}

int PlanBuilder::add_step(std::vector<Step>& steps, Step step) {
  step.program = scalars.flush();
  steps.push_back(step);
  return time_++;
}

PlannedModel PlanBuilder::finish() {
  for (std::size_t device = 0; device < plan.devices.size(); ++device) {
    std::vector<Lifetime> lives;
    std::vector<int> ids;
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      const Storage& s = storages_[i];
      if (s.base != Base::arena || s.device != int(device) || s.first < 0) continue;
      lives.push_back({s.bytes, s.first, s.last, 0});
      ids.push_back(int(i));
    }
    const ArenaSize size = assign_offsets(lives);
    for (std::size_t k = 0; k < ids.size(); ++k) storages_[std::size_t(ids[k])].offset = lives[k].offset;
    plan.devices[device].arena_bytes = size.bytes;
    plan.devices[device].arena_lower_bound = size.lower_bound;
  }
  for (std::size_t i = 0; i < plan.operands.size(); ++i)
    if (const int s = operand_storage_[i]; s >= 0) plan.operands[i].byte_offset += storages_[std::size_t(s)].offset;
  for (Step& step : plan.steps)
    if (step.scratch_bytes > 0) step.scratch_offset = storages_[std::size_t(step.scratch_offset)].offset;
  PlannedModel model;
  model.weights = monza::Region(plan.weights_bytes);
  for (const Weight& w : weights_) {
    const std::byte* from = w.borrowed ? w.borrowed->bytes.data() : w.owned.data();
    const std::size_t bytes = w.borrowed ? std::size_t(constant_bytes(*w.borrowed)) : w.owned.size();
    if (bytes > 0)
      std::memcpy(model.weights.data() + w.offset, from,
                  std::min<std::size_t>(bytes, std::size_t(plan.weights_bytes - w.offset)));
  }
  plan.threads = options.threads;
  model.plan = std::move(plan);
  return model;
}

}  // namespace monza::plan
