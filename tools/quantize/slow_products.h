// Products that integers make slower.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/build_report.h"
#include "monza/engine.h"

namespace monza::tool {

/// The names of `products` that took longer in `integers` than in `floats`: steps of both that share an ONNX node are
/// compared as one.
std::set<std::string> slower_products(const std::vector<StepProfile>& floats, const std::vector<StepProfile>& integers,
                                      const std::vector<std::string>& products);

/// The products of `integers` (a QuantizationPlan's names for them) that take longer there than in `floats`, both
/// profiled on the same random inputs for about `seconds` each. Conversions count with what they are for. `report` is
/// of the build of `integers`.
std::set<std::string> slower_products(const Engine& floats, const Engine& integers, const BuildReport& report,
                                      const ContextOptions& options, double seconds);

}  // namespace monza::tool
