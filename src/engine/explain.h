// What became of one ONNX node: its fusions, kernels, candidates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/build_report.h"
#include "monza/engine.h"

namespace monza {

/// An operand of a step, in words.
struct OperandText {
  std::string type;    ///< "f32[1,64,56,56]"; extents that vary at run time print as "?"
  std::string layout;  ///< "dense", "channels last", "blocked16", "packed", "rows", "strided"
};

/// A step of the plan.
struct StepText {
  std::uint32_t index = 0;
  std::string name;                 ///< what it computes, shortened
  std::vector<std::string> nodes;   ///< the ONNX nodes it computes; none where it only rearranges a value
  std::uint32_t value = ir::kNone;  ///< of the planned graph: what it computes (the first of several), or rearranges
  std::string op;                   ///< of a kernel: its operator
  std::string computes_in;          ///< "fp32", "bf16"; "" where it only moves elements
  std::string accumulates_in;       ///< "f32", "i32"
  std::string kernel;               ///< or "If", "Loop", "Scan"
  double measured_us = 0;
  std::int64_t scratch_bytes = 0;
  std::vector<OperandText> inputs, outputs;
};

/// A node of the planned graph that computes the ONNX node, alone or with others.
struct Realisation {
  std::string op;
  Constraint constraint;                 ///< what is asked of its kernel
  std::vector<std::string> onnx_nodes;   ///< all that it computes, as "Conv 'layer1/conv'"
  std::vector<std::string> rewrites;     ///< "bias: Add into Conv", in the order made
  std::vector<std::string> scales;       ///< of an integer product, a line for each operand (integer_scales)
  const plan::Choice* choice = nullptr;  ///< null: no kernel (a view, a branch, a loop)
  std::vector<StepText> steps;           ///< none: a view of memory that another step wrote
};

struct Explanation {
  std::string name, op_type;  ///< of the ONNX node
  std::vector<Realisation> realisations;
  /// Where no node of the planned graph is left of it: constants that hold its result.
  std::vector<std::string> constants;
  std::vector<std::string> rewrites;         ///< those at the node itself, where no realisation tells them
  std::vector<const NearMiss*> near_misses;  ///< at the node, or at what computes it
  std::vector<StepText> conversions;         ///< steps that only rearrange a result of the node
};

/// Whether it is an ONNX node, and no initializer or input.
bool is_node(const ir::Origin& origin);

/// The names that `explain` takes: ONNX nodes, then tensors that nodes make. In the model's order, each once.
std::vector<std::string> explainable_names(const BuildReport& report);

/// Explains the ONNX node of that name, or the one that makes the tensor of that name. Throws Error, with the nearest
/// names, when there is none. Pointers in the result belong to `report`.
Explanation explain(const BuildReport& report, const Engine& engine, const std::string& name);

/// Steps of an engine that compute the ONNX node: all that an engine built with --strip knows of it.
std::vector<StepText> steps_of(const Engine& engine, const std::string& name);
/// Every step of an engine.
std::vector<StepText> steps_of(const Engine& engine);

}  // namespace monza
