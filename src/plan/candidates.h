// Which kernels take a node, and why the others do not. Internal to src/plan.
#pragma once

#include <cstddef>
#include <vector>

#include "kernel/kernel.h"
#include "plan/planner.h"
#include "plan/region_facts.h"

namespace monza::plan {

/// What a kernel would be asked, with the memory that the question points into.
struct Question {
  std::vector<OperandDesc> in, out;
  std::vector<std::byte> params;
  KernelQuery query;
};

/// A kernel that takes a node, and the device that it would run on.
struct Candidate {
  const Kernel* kernel = nullptr;
  int device = 0;  ///< index into Plan::devices
};

class Candidates {
 public:
  Candidates(const PlanBuilder& builder, const RegionFacts& facts) : b_(builder), facts_(facts) {}

  void ask(Question& q, const ir::Node& node, const Kernel& kernel) const;
  /// Kernels that take the node on a device that it may run on, device by device, each list best first; the others and
  /// their reasons go to `choice`. Throws when there is none.
  std::vector<Candidate> fitting(const ir::Node& node, Choice& choice) const;
  /// What `choice` calls it: the kernel's name, with the device where the node may run on several.
  std::string name_of(const ir::Node& node, const Candidate& candidate) const;
  const Kernel& copy_kernel(Layout from, Layout to, const TypedShape& type, int device) const;

 private:
  /// What the kernel, asked about the largest extents, says of those that come about where every input's extent is the
  /// least one: a run asks it again. Extents that values decide stay the largest; 0 counts as 1.
  Refusal refuse_least(const Question& q, const ir::Node& node, const Kernel& kernel) const;
  /// Whether the node's operands at the kernel's uniform ports have the same shape in every run.
  bool lie_alike(const ir::Node& node, const Kernel& kernel) const;
  void refuse_unfit(const Question& q, const ir::Node& node) const;

  const PlanBuilder& b_;
  const RegionFacts& facts_;
};

}  // namespace monza::plan
