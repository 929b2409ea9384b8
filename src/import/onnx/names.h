// The names of a model that strangers wrote, made fit to be shown.
#pragma once

#include <set>
#include <string>

#include "onnx.pb.h"

namespace monza {

/// Makes every name of the model printable (base/printable.h): of nodes, values, operators, domains, dimensions,
/// attributes, functions and metadata. They are in messages, plans, drawings and engines from then on, and are handed
/// to C as strings. Names that are printable, which those of exporters are, stay as they are; equal ones stay equal.
/// Gives the places that the model names for external data, without any of tensors that it holds itself.
std::set<std::string> make_names_printable(onnx::ModelProto& model);

}  // namespace monza
