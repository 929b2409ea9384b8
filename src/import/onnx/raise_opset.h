// Models of an older opset, said in a newer one.
#pragma once

#include <map>
#include <string>

#include "onnx.pb.h"

namespace monza {

/// Changes the nodes of ONNX's own domain, in bodies too, to what they are in opset `least` (at most 13), where the
/// model imports an older one; the versions of each operator are those of ONNX's changelog. Local functions have opsets
/// of their own and stay. `ranks` are those of values that the file does not tell; with them a node need not be said by
/// several. Throws Error when the model's opset is below 11.
void raise_opset(onnx::ModelProto& model, int least, const std::map<std::string, int>& ranks = {});

}  // namespace monza
