// How large a model becomes when its functions are expanded, counted before anything is.
#pragma once

#include <vector>

#include "monza/limits.h"
#include "onnx.pb.h"

namespace monza {

/// Error naming the node, the number and the option when the nodes `order` of the main graph, with all their bodies and
/// functions, are over a limit. Takes time in the size of the file, whatever it expands to.
void check_size(const onnx::ModelProto& model, const std::vector<int>& order, const Limits& limits);

/// The key under which a function is found by the nodes that call it.
std::string function_key(const std::string& domain, const std::string& name, const std::string& overload);

}  // namespace monza
