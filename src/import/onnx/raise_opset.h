// Models of an older opset, said in a newer one.
#pragma once

#include "onnx.pb.h"

namespace monza {

/// Changes the nodes of ONNX's own domain, in bodies too, to what they are in opset `least` (at most 13), where the
/// model imports an older one; the versions of each operator are those of ONNX's changelog. Local functions have opsets
/// of their own and stay. Throws Error when the model's opset is below 11, or a node cannot be said in the newer one.
void raise_opset(onnx::ModelProto& model, int least);

}  // namespace monza
