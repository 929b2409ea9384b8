// What the importers of com.microsoft's attention say in ONNX's own operators.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {

using Ints = std::vector<std::int64_t>;

inline ir::ValueId scalar_of(OnnxNode& n, ir::ValueId like, double value) {
  return n.constant_value(ir::constant_scalar(n.type(like).dtype, value));
}
inline ir::ValueId i64s(OnnxNode& n, Ints values) { return n.constant_value(ir::constant_i64(std::move(values))); }
inline ir::ValueId cast(OnnxNode& n, ir::ValueId x, DType to) {
  return n.type(x).dtype == to ? x : n.add1("Cast", {x}, {{"to", std::string(dtype_name(to))}});
}
/// Extent `axis` of x, a scalar i64.
inline ir::ValueId extent(OnnxNode& n, ir::ValueId x, std::int64_t axis) {
  return n.add1("Squeeze", {n.add1("Shape", {x}, {{"start", axis}, {"end", axis + 1}})}, {{"axes", Ints{0}}});
}
inline ir::ValueId unsqueezed(OnnxNode& n, ir::ValueId x, Ints axes) {
  return n.add1("Unsqueeze", {x}, {{"axes", axes}});
}
inline ir::ValueId reshaped(OnnxNode& n, ir::ValueId x, Ints shape) {
  return n.add1("Reshape", {x}, {{"shape", shape}});
}
inline ir::ValueId transposed(OnnxNode& n, ir::ValueId x) {
  return n.add1("Transpose", {x}, {{"perm", Ints{0, 2, 1, 3}}});
}
inline std::vector<ir::ValueId> split(OnnxNode& n, ir::ValueId x, std::int64_t axis, Ints sizes) {
  const int parts = static_cast<int>(sizes.size());
  return n.add("Split", {x}, {{"axis", axis}, {"split", std::move(sizes)}}, parts);
}
/// Element `i` of axis 0 or 3 of a stack of `count`.
inline std::vector<ir::ValueId> unstacked(OnnxNode& n, ir::ValueId x, std::int64_t axis, std::size_t count) {
  std::vector<ir::ValueId> parts = split(n, x, axis, Ints(count, 1));
  for (ir::ValueId& part : parts) part = n.add1("Squeeze", {part}, {{"axes", Ints{axis}}});
  return parts;
}
inline std::int64_t known_extent(OnnxNode& n, ir::ValueId x, std::size_t axis, const char* what) {
  const auto extent = n.type(x).shape[axis].try_constant();
  if (!extent) fail_hint("give the input's shape with --shape", "{} must be known when the model is built", what);
  return *extent;
}

inline std::int64_t num_heads(OnnxNode& n) {
  const std::int64_t heads = n.i("num_heads", 0);
  if (heads < 1) fail("num_heads is {}", heads);
  return heads;
}

inline void refuse(OnnxNode& n, const char* attribute) {
  if (n.i(attribute, 0) != 0) fail("{} is not supported", attribute);
}

}  // namespace monza::ops
