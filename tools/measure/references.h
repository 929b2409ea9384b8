// Reference kernels in an engine: plain loops that nobody made fast, and what part of its time they take.
#pragma once

#include <string>
#include <vector>

#include "monza/engine.h"
#include "plan/data/plan.h"

namespace monza::tool {

/// Below this share of the time nothing is said of them.
inline constexpr double kReferenceNotice = 0.02;

struct ReferenceShare {
  std::vector<std::string> kernels;  ///< those that take time, each once
  double share = 0;                  ///< of the time of all steps
};

/// "pad_ref, topk_ref: 12.0 % of the time"; "" below kReferenceNotice.
std::string to_string(const ReferenceShare& share);

bool has_reference_kernels(const plan::Plan& plan);

/// Profiles runs for a tenth of a second, two at least. Throws RunError.
ReferenceShare measure_references(const Engine& engine, const std::vector<Tensor>& inputs,
                                  const ContextOptions& context);

/// From the times taken when the kernels were chosen, where they were timed: without a run.
ReferenceShare references_when_chosen(const plan::Plan& plan);
/// Reference kernels that were chosen untimed, as the only ones that fit, for steps that move kReferenceNotice of the
/// bytes of the plan or more.
std::vector<std::string> untimed_references(const plan::Plan& plan);

}  // namespace monza::tool
