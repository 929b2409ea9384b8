// What it costs that a value lies in one order or on one device and is wanted in another. Internal to src/plan.
#pragma once

#include <compare>
#include <vector>

#include "plan/candidates.h"
#include "plan/place.h"
#include "plan/region_facts.h"

namespace monza::plan {

/// A candidate of a node.
struct Label {
  const Kernel* kernel = nullptr;  ///< null for a concatenation
  int device = 0;
  Port form = Port::dense;  ///< of uniform operands, of strided results, of a concatenation's buffer
  double us = 0;
};

/// Where a value lies.
struct Spot {
  Place place;
  int device = 0;
};

/// Where a value is wanted, and how.
struct Target {
  int device = 0;
  Port form = Port::dense;
  friend auto operator<=>(const Target&, const Target&) = default;
};

/// The form that a port asks for when what lies there does not do; `own` for uniform operands.
Port wanted(Port port, Port own);

/// Costs are microseconds that the builder's Tactics measure. What it is made of must outlive it.
class LayoutCosts {
 public:
  LayoutCosts(const PlanBuilder& builder, const RegionFacts& facts, const Candidates& candidates)
      : b_(builder), facts_(facts), candidates_(candidates) {}

  /// Of what lies in memory: a sequence or optional is one handle, whatever its tensors are.
  const ir::SymShape& shape(ir::ValueId value) const;
  /// Whether the label's kernel reads this input as it lies.
  bool takes(const Label& label, std::size_t input, const Spot& spot, const ir::SymShape& of) const;
  /// Where and how the label's kernel wants this input.
  static Target wanted_by(const Label& label, std::size_t input) {
    return {label.device, wanted(label.kernel->in[static_cast<int>(input)], label.form)};
  }
  /// Pointwise work on any strides that writes in the order of this input, or gathers.
  bool keeps_order(const ir::Node& node, const Label& label, std::size_t input) const;
  /// Whether every input of a concatenation of channels begins a block, so that each can lie in a blocked buffer.
  bool joins_blocks(const ir::Node& node, Port form) const;
  /// What rearranging a value costs on the device where it lies.
  double conversion(ir::ValueId value, const Place& from, Port to, int device) const;
  /// What bringing a value to all of these costs: to each device once, and converted there.
  double delivery(ir::ValueId value, const Spot& from, const std::vector<Target>& to) const;
  /// What reading an input in another order than the result is written in costs.
  double gather(const ir::Node& node, const Label& label, std::size_t input, const Place& from) const;

 private:
  /// What copying the dense value from one device to another costs: by way of the host.
  double transfer(ir::ValueId value, int from, int to) const;

  const PlanBuilder& b_;
  const RegionFacts& facts_;
  const Candidates& candidates_;
};

}  // namespace monza::plan
