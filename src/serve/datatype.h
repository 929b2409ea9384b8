// The names that KServe v2 has for element types.
#pragma once

#include <string_view>

#include "monza/dtype.h"

namespace monza::serve {

/// "FP32", "INT64", "BOOL", ...; "" for a type that the protocol has no name for.
std::string_view datatype_name(DType type);
/// The same as configurations call it: "TYPE_FP32", ..., and "TYPE_STRING" of BYTES.
std::string_view config_type_name(DType type);
/// The inverse of datatype_name; DType::invalid for a name that is none. "BYTES" is DType::string.
DType parse_datatype(std::string_view name);

}  // namespace monza::serve
