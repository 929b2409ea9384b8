// What an engine file holds, in memory: mapped from a file, or just built.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/cpu.h"
#include "memory/region.h"
#include "monza/engine.h"
#include "plan/data/plan.h"

namespace monza::engine_file {

/// Facts about an engine that are not in its plan.
struct Info {
  Isa isa = Isa::none;  ///< what the CPU must have: the union of what the plan's kernels need
  Precision precision = Precision::fp32;
  Device device = Device::cpu;
  std::map<std::string, std::string> metadata;  ///< the model's and the builder's
};

/// A plan with its weights and everything that belongs to them. Immutable; the spans live as long as `owner`.
struct Image {
  plan::Plan plan;
  std::span<const std::byte> weights;     ///< page-aligned; WeightBlock offsets count from its begin
  std::string_view graph;                 ///< the graph's text; empty when stripped
  std::span<const std::byte> graph_data;  ///< constants that only the graph's text refers to
  Info info;
  std::shared_ptr<const void> owner;
};

/// What a build hands over. `weights` has at least plan.weights_bytes bytes.
struct Parts {
  plan::PlanStorage plan;
  Region weights;
  std::string graph;
  Region graph_data;
  Info info;
};
/// Takes the parts and sets the checksums of weight blocks and Info::isa. Throws Error when the plan is not sound
/// (verify_plan): a planner's mistake never reaches the runtime.
Image make_image(Parts parts);

/// Writes the file beside `path` and renames it. Throws Error.
void write_engine(const std::string& path, const Image& image);

/// Maps and checks an engine file: header, sections, plan; weight blocks too with `verify`. Throws Error that
/// says what is wrong and how to rebuild.
Image read_engine(const std::string& path, const LoadOptions& options);

/// True if the file begins as an engine file does.
bool is_engine_file(const std::string& path);

}  // namespace monza::engine_file
