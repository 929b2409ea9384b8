// Steps of kernels: which kernel, where its operands lie, and what the plan says of it. Internal to src/plan.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/concat_buffers.h"
#include "plan/place.h"
#include "plan/region_decisions.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"

namespace monza::plan {

class KernelSteps {
 public:
  /// All must outlive it.
  KernelSteps(RegionScope& scope, RegionValues& values, RegionDecisions& decisions, ConcatBuffers& buffers)
      : s_(scope), values_(values), decisions_(decisions), buffers_(buffers) {}

  /// Plans the node as one step of the kernel that was chosen for it, or of the first that takes it.
  void plan(ir::Node& node);

 private:
  /// A node on its way to be a step.
  struct KernelNode {
    ir::Node& node;
    const int device;
    const Kernel& kernel;
    const Assigned* const assigned;  ///< null in plans that are not tuned
    Question question = {};
    std::optional<Place> uniform = {};  ///< the form of its uniform operands, if it has any
    std::vector<Place> inputs = {}, outputs = {};
    int extents = 0;  ///< that the kernel reports

    Port in(std::size_t i) const { return kernel.in[static_cast<int>(i)]; }
    Port out(std::size_t i) const { return kernel.out[static_cast<int>(i)]; }
    const Place* form_at(Port port) const { return port == Port::uniform && uniform ? &*uniform : nullptr; }
    /// Whether the kernel may write its result over this input.
    bool may_write_over(std::size_t i) const {
      return i < 32 && (kernel.in_place_inputs >> i & 1u) != 0 && inputs[i].storage >= 0;
    }
  };

  Candidate choose(const ir::Node& node);
  // Operands.
  std::optional<Place> uniform_form(const KernelNode& k);
  void take_packed_inputs(KernelNode& k);
  void take_inputs(KernelNode& k);
  void place_outputs(KernelNode& k);
  Place place_reported(const KernelNode& k, ir::ValueId output);
  Place place_output(const KernelNode& k, std::size_t output);
  std::optional<Place> overwritten_input(const KernelNode& k, std::size_t output);
  Place output_form(const KernelNode& k, std::size_t output) const;
  bool takes_output(const KernelNode& k, std::size_t output, const Place& place) const;
  // The step.
  Step step_of(const KernelNode& k);
  Range list_inputs(const KernelNode& k);
  Range list_outputs(const KernelNode& k);
  void describe_work(const KernelNode& k, Step& step) const;
  void bind_reported(const KernelNode& k, const Step& step);

  RegionScope& s_;
  RegionValues& values_;
  RegionDecisions& decisions_;
  ConcatBuffers& buffers_;
};

}  // namespace monza::plan
