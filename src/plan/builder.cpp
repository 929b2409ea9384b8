#include "plan/builder.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/limits.h"
#include "kernel/value_pool.h"
#include "plan/offsets.h"
#include "plan/options.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// Stands for the bound of what nothing bounds.
constexpr std::int64_t kLargestValue = static_cast<std::int64_t>(1) << 40;

}  // namespace

TypedShape stored_type(const ir::Type& type) {
  if (type.kind == ir::ValueKind::tensor || type.kind == ir::ValueKind::state) return {type.dtype, type.shape};
  return {DType::handle, {}};
}

PlanBuilder::PlanBuilder(const BuildOptions& o, const PlanScope& s, WeightStore& weights, const Limits& limits)
    : scalars(plan),
      options(o),
      scope(s),
      threads(threads_of(o)),
      isa(isa_of(o)),
      reference_only(is_reference_plan(o)),
      store_(weights),
      limits_(limits) {}

ir::Interval PlanBuilder::range(const ir::Expr& e) const {
  return ir::range(e, [&](const ir::Atom& atom) -> ir::Interval {
    if (atom.kind == ir::AtomKind::symbol) {
      const auto it = scope.profile.find(atom.name);
      if (it == scope.profile.end()) fail("dimension '{}' has no range", atom.name);
      return {it->second.min, it->second.max};
    }
    const auto it = element_ranges_.find({atom.value, atom.index});
    return it != element_ranges_.end() ? it->second : ir::Interval{0, kLargestValue};
  });
}

bool PlanBuilder::has_bound(const ir::Expr& e) const { return range(e).high < kLargestValue; }

namespace {
/// Extents that depend on data can be formulas of many lines.
std::string beginning(std::string text) { return text.size() > 100 ? text.substr(0, 97) + "..." : text; }
}  // namespace

Shape PlanBuilder::largest(const ir::SymShape& shape) const {
  Shape s;
  s.rank = static_cast<int>(shape.size());
  for (int i = 0; i < s.rank; ++i) {
    const ir::Interval r = range(shape[static_cast<std::size_t>(i)]);
    // Planning asks for shapes all the time, so what would be said of them is written only where it is.
    if (shape[static_cast<std::size_t>(i)].is_constant() && r.high > limits_.value_bytes)
      check_limit(limits_, &Limits::value_bytes, r.high,
                  fmt::format("bytes, or more, of a value of shape {}", beginning(ir::to_string(shape))));
    if (r.high >= kLargestValue)
      fail_hint(
          "fix the inputs that decide it: --input NAME=FILE gives their elements, as does BuildOptions::shape_values",
          "a value of shape {} has no bound: {} can be anything", beginning(ir::to_string(shape)),
          beginning(ir::to_string(shape[static_cast<std::size_t>(i)])));
    s[i] = std::max<std::int64_t>(0, r.high);
  }
  return s;
}

Shape PlanBuilder::typical(const ir::SymShape& shape) const {
  Shape s;
  s.rank = static_cast<int>(shape.size());
  for (int i = 0; i < s.rank; ++i) {
    const ir::Expr& e = shape[static_cast<std::size_t>(i)];
    // Extents that kernels report are planned at their bounds; symbols at their usual value.
    const ir::Interval r = ir::range(e, [&](const ir::Atom& atom) -> ir::Interval {
      if (atom.kind == ir::AtomKind::symbol)
        if (const auto it = scope.profile.find(atom.name); it != scope.profile.end())
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
  s.bytes = bytes_of({dtype, shape}, layout);
  storages_.push_back(s);
  return static_cast<int>(storages_.size()) - 1;
}

std::int64_t PlanBuilder::bytes_of(const TypedShape& type, Layout layout) const {
  const std::int64_t bytes = storage_bytes(type.dtype, largest(type.shape), layout);
  if (bytes > limits_.value_bytes)
    check_limit(limits_, &Limits::value_bytes, bytes,
                fmt::format("bytes of a value of shape {}", to_string(largest(type.shape))));
  return bytes;
}

int PlanBuilder::add_bound(Base base, int index, const TypedShape& type, int device) {
  Storage s;
  s.base = base;
  s.index = index;
  s.device = device;
  s.bytes = bytes_of(type, Layout::strided);
  storages_.push_back(s);
  return static_cast<int>(storages_.size()) - 1;
}

int PlanBuilder::add_scratch(std::int64_t bytes, int device, int region) {
  Storage s;
  s.device = device;
  s.region = region;
  s.bytes = bytes;
  s.first = s.last = time_;
  storages_.push_back(s);
  return static_cast<int>(storages_.size()) - 1;
}

void PlanBuilder::touch(int id, int time) {
  Storage& s = storages_[static_cast<std::size_t>(id)];
  s.first = s.first < 0 ? time : std::min(s.first, time);
  s.last = std::max(s.last, time);
}

int PlanBuilder::absent_operand() {
  plan.operands.emplace_back();
  plan.operands.back().is_static = 1;
  operand_storage_.push_back(-1);
  return static_cast<int>(plan.operands.size()) - 1;
}

int PlanBuilder::repeat_operand(int operand) {
  plan.operands.push_back(Operand(plan.operands[static_cast<std::size_t>(operand)]));
  operand_storage_.push_back(static_cast<int>(operand_storage_[static_cast<std::size_t>(operand)]));
  return static_cast<int>(plan.operands.size()) - 1;
}

int PlanBuilder::operand(const Place& place, const TypedShape& type) {
  Storage& s = storages_[static_cast<std::size_t>(place.storage)];
  Operand o;
  o.base = s.base;
  o.dtype = type.dtype;
  o.layout = place.layout;
  o.device = static_cast<std::uint8_t>(s.device);
  o.index = s.index;
  o.rank = static_cast<std::uint8_t>(type.shape.size());
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
  // A view of nothing may begin anywhere, also behind the last byte of what it looks at.
  const bool empty = std::any_of(type.shape.begin(), type.shape.end(), [](const ir::Expr& e) { return e == 0; });
  const auto offset = empty ? std::optional<std::int64_t>(0) : place.offset.try_constant();
  if (offset && (empty || !backwards)) {
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
  return static_cast<int>(plan.operands.size()) - 1;
}

int PlanBuilder::weight(int id) {
  auto [it, added] = weights_.try_emplace(id, -1);
  if (!added) return it->second;
  const WeightStore::Block& from = store_.blocks()[static_cast<std::size_t>(id)];
  WeightBlock block;
  block.name = plan.intern(from.name);
  block.offset = from.offset;
  block.bytes = from.bytes;
  block.checksum = from.sum;
  block.kernel = from.kernel ? kernel_ref(*from.kernel) : -1;
  block.packing = static_cast<std::int16_t>(from.packing);
  block.device = static_cast<std::uint8_t>(from.device);
  plan.weight_blocks.push_back(block);
  Storage s;
  s.base = Base::weights;
  s.device = from.device;
  s.bytes = from.bytes;
  s.offset = from.offset;
  storages_.push_back(s);
  return it->second = static_cast<int>(storages_.size()) - 1;
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

Place PlanBuilder::constant_place(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                                  int device) {
  Place place;
  // Strings lie on the host, as does the pool of those that a run makes.
  place.storage = weight(constant->dtype == DType::string ? store_.raw(name, string_handles(*constant))
                                                          : store_.plain(constant, name, device));
  ir::SymShape shape;
  for (int i = 0; i < constant->shape.rank; ++i) shape.emplace_back(constant->shape[i]);
  place.stride = dense_strides(shape);
  return place;
}

Place PlanBuilder::converted_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                                      const Place& form, int device) {
  Place place = form;
  const std::vector<std::byte> handles = string_handles(*constant);
  place.storage = weight(constant->dtype == DType::string ? store_.rearranged_raw(*constant, handles, name, form)
                                                          : store_.rearranged(constant, name, form, device));
  place.offset = 0;
  return place;
}

int PlanBuilder::packed_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                                 const Kernel& kernel, int packing, const KernelQuery& query,
                                 std::span<const std::byte> params_bytes, int device) {
  return weight(store_.packed(constant, name, kernel, packing, query, params_bytes, device));
}

int PlanBuilder::kernel_ref(const Kernel& kernel) {
  const auto [it, added] = kernel_refs_.try_emplace(kernel.name, static_cast<int>(plan.kernels.size()));
  if (added) plan.kernels.push_back({plan.intern(kernel.name), kernel.version});
  return it->second;
}

Range PlanBuilder::params(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  while (plan.params.size() % 16 != 0) plan.params.push_back(std::byte{0});
  const Range range{static_cast<std::uint32_t>(plan.params.size()), static_cast<std::uint32_t>(bytes.size())};
  plan.params.insert(plan.params.end(), bytes.begin(), bytes.end());
  return range;
}

Range PlanBuilder::nodes(const ir::Model& model, const ir::OriginSet& origins) {
  Range range{static_cast<std::uint32_t>(plan.node_refs.size()), 0};
  for (const std::uint32_t o : origins) {
    const ir::Origin& origin = model.origins[o];
    if (!is_named_node(origin)) continue;
    const auto [it, added] = node_indices_.try_emplace(o, static_cast<std::int32_t>(plan.nodes.size()));
    if (added) plan.nodes.push_back(plan.intern(origin.name));
    plan.node_refs.push_back(it->second);
    ++range.count;
  }
  return range;
}

int PlanBuilder::add_step(std::vector<Step>& steps, Step step) {
  step.program = scalars.flush();
  steps.push_back(step);
  return time_++;
}

int PlanBuilder::begin_region() {
  plan.regions.emplace_back();
  return static_cast<int>(plan.regions.size()) - 1;
}

void PlanBuilder::end_region(int region, const std::vector<Step>& steps) {
  Region& r = plan.regions[static_cast<std::size_t>(region)];
  r.program = scalars.flush();
  r.steps = {static_cast<std::uint32_t>(plan.steps.size()), static_cast<std::uint32_t>(steps.size())};
  plan.steps.insert(plan.steps.end(), steps.begin(), steps.end());
}

PlanStorage PlanBuilder::finish() {
  for (std::size_t device = 0; device < plan.devices.size(); ++device) {
    std::vector<Lifetime> lives;
    std::vector<int> ids;
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      const Storage& s = storages_[i];
      if (s.base != Base::arena || s.device != static_cast<int>(device) || s.first < 0) continue;
      lives.push_back({s.bytes, s.first, s.last, 0});
      ids.push_back(static_cast<int>(i));
    }
    const ArenaSize size = assign_offsets(lives);
    for (std::size_t k = 0; k < ids.size(); ++k) storages_[static_cast<std::size_t>(ids[k])].offset = lives[k].offset;
    plan.devices[device].arena_bytes = size.bytes;
    plan.devices[device].arena_lower_bound = size.lower_bound;
  }
  for (std::size_t i = 0; i < plan.operands.size(); ++i)
    if (const int s = operand_storage_[i]; s >= 0)
      plan.operands[i].byte_offset += storages_[static_cast<std::size_t>(s)].offset;
  for (Step& step : plan.steps)
    if (step.scratch_bytes > 0) step.scratch_offset = storages_[static_cast<std::size_t>(step.scratch_offset)].offset;
  plan.threads = threads;
  return std::move(plan);
}

}  // namespace monza::plan
