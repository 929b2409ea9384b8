// The parts of a plan under construction: storages, operands, weights and steps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "ir/graph.h"
#include "kernel/kernel.h"
#include "memory/region.h"
#include "plan/data/plan.h"
#include "plan/place.h"
#include "plan/planner.h"
#include "plan/scalars.h"
#include "plan/weights.h"

namespace monza::plan {

/// Memory that operands lie in: a block of an arena, a weight, or what the caller binds.
struct Storage {
  Base base = Base::arena;
  int index = 0;  ///< input, output, state
  int device = 0;
  int region = 0;             ///< plan region that made it
  std::int64_t bytes = 0;     ///< at the largest shape
  std::int64_t offset = 0;    ///< arena, weights
  int first = -1, last = -1;  ///< steps that touch it, in executed order; -1: none yet
  bool arrives = false;       ///< a copy from another device writes it: its readers on the host wait
};

struct TypedShape {
  DType dtype = DType::invalid;
  ir::SymShape shape;
};
/// What a value of that type is in memory: sequences and optionals are one handle.
TypedShape stored_type(const ir::Type& type);

/// Whether it is an ONNX node with a name, and no initializer or input.
inline bool is_named_node(const ir::Origin& o) {
  return o.op_type != "initializer" && o.op_type != "input" && !o.name.empty();
}

/// Everything that is not a decision. Offsets in arenas are assigned at the end, by finish().
class PlanBuilder {
 public:
  /// Options and scope must outlive it.
  PlanBuilder(const BuildOptions& options, const PlanScope& scope, WeightStore& weights, const Limits& limits = {});

  // Shapes.
  ir::Interval range(const ir::Expr& e) const;
  /// Largest, or planned-for, concrete shape. Error when an extent has no bound.
  Shape largest(const ir::SymShape& shape) const;
  bool has_bound(const ir::Expr& e) const;
  Shape typical(const ir::SymShape& shape) const;
  void set_element_range(ir::ValueId value, std::int64_t index, ir::Interval range) {
    element_ranges_[{value, index}] = range;
  }

  // Storages and operands.
  int add_arena(DType dtype, const ir::SymShape& shape, Layout layout, int device, int region);
  int add_bound(Base base, int index, const TypedShape& type, int device);
  Storage& storage(int id) { return storages_[static_cast<std::size_t>(id)]; }
  const Storage& storage(int id) const { return storages_[static_cast<std::size_t>(id)]; }
  DeviceKind kind_of(int device) const { return DeviceKind(plan.devices[static_cast<std::size_t>(device)].kind); }
  int storage_count() const { return static_cast<int>(storages_.size()); }
  /// An operand of the step that comes next; marks the storage as used then.
  int operand(const Place& place, const TypedShape& type);
  int absent_operand();
  /// The same operand once more, at the end: lists of operands are ranges.
  int repeat_operand(int operand);
  void touch(int storage, int time);
  int time() const { return time_; }

  // Weights of a device, in the store that the plans of an engine share.
  Place constant_place(const std::shared_ptr<const ir::Constant>& constant, const std::string& name, int device);
  /// The constant rearranged to other strides or a blocked layout, at build.
  Place converted_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                           const Place& form, int device);
  int packed_constant(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                      const Kernel& kernel, int packing, const KernelQuery& query, std::span<const std::byte> params,
                      int device);

  // Steps.
  int kernel_ref(const Kernel& kernel);
  Range params(std::span<const std::byte> bytes);
  /// The ONNX nodes among the origins, as Step::nodes.
  Range nodes(const ir::Model& model, const ir::OriginSet& origins);
  /// Takes the pending scalar program; returns the time at which the step runs.
  int add_step(std::vector<Step>& steps, Step step);
  /// A region of the plan, and its index. The model's own is the first.
  int begin_region();
  /// Gives the region its steps, and what of the scalar program is behind the last of them.
  void end_region(int region, const std::vector<Step>& steps);
  /// A storage for the next step only. The step carries its id in scratch_offset until finish().
  int add_scratch(std::int64_t bytes, int device, int region);

  PlanStorage plan;
  ScalarCompiler scalars;
  const BuildOptions& options;
  const PlanScope& scope;
  const int threads;  ///< threads_of, isa_of and is_reference_plan of the options
  const Isa isa;
  const bool reference_only;

  /// Assigns arena offsets and patches operands. Where the weights lie is settled by their store.
  PlanStorage finish();

 private:
  std::vector<std::byte> string_handles(const ir::Constant& constant);
  /// Bytes of the largest such value; Error when one value may not be so large.
  std::int64_t bytes_of(const TypedShape& type, Layout layout) const;
  /// The storage of a block of the store.
  int weight(int block);

  WeightStore& store_;
  Limits limits_;
  std::vector<Storage> storages_;
  std::vector<int> operand_storage_;  ///< per operand, or -1
  std::map<int, int> weights_;        ///< block of the store -> storage
  std::map<std::string, int> kernel_refs_;
  std::map<std::uint32_t, std::int32_t> node_indices_;  ///< origin of the model -> Plan::nodes
  std::map<std::string, Text> texts_;                   ///< of string constants
  std::map<std::pair<ir::ValueId, std::int64_t>, ir::Interval> element_ranges_;
  int time_ = 0;
};

}  // namespace monza::plan
