// The values inside an engine, from the graph that it carries.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/variants.h"
#include "monza/engine.h"

namespace monza {

/// Plans the engine's own graph once more, kernels not timed, and runs it on the inputs, by name. The result has what
/// it computes of the model's tensors of those names: of those that it keeps in 8 bits, the floats that the integers
/// stand for, with their range. A tensor that a fusion took away is left out. Throws Error when the engine has no graph
/// (built with --strip), and when the run fails.
std::vector<NamedValue> values_of_engine(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                                         const std::vector<std::string>& names, const Limits& limits = {});

}  // namespace monza
