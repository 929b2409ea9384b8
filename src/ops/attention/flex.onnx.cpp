// ONNX FlexAttention: attention whose scores and probabilities pass through graphs that the model gives.
#include <cmath>

#include "import/api.h"
#include "ops/shared/bodies.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// scores or probabilities [B, H, L, S] through the graph in attribute `name`, if the node has it.
ir::ValueId modified(OnnxNode& n, const char* name, ir::ValueId x) {
  if (!n.has_attr(name)) return x;
  std::vector<ir::ValueId> inputs{x}, captures;
  const auto body = n.graph(name, captures, {n.type(x)});
  if (body->inputs().size() != 1 + captures.size() || body->outputs().size() != 1)
    fail("{} has {} inputs and {} outputs, not one of each", name, body->inputs().size() - captures.size(),
         body->outputs().size());
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  return inline_body(n.target(), *body, inputs)[0];
}

std::int64_t known_heads(const ir::Type& type, const char* what) {
  if (type.rank() != 4) fail("{} is {}, not of rank 4", what, ir::to_string(type));
  const auto heads = type.shape[1].try_constant();
  if (!heads || *heads < 1)
    fail("{} has {} heads; their number must be known at build", what, ir::to_string(type.shape[1]));
  return *heads;
}

/// Q [B, H, L, D], K [B, G, S, D], V [B, G, S, E]; each of the G key heads serves H / G query heads.
void import_flex_attention(OnnxNode& n) {
  const ir::ValueId q = n.input(0), k = n.input(1), v = n.input(2);
  const std::int64_t heads = known_heads(n.type(q), "Q"), groups = known_heads(n.type(k), "K");
  if (heads % groups != 0) fail("{} query heads do not share {} key heads evenly", heads, groups);
  const auto depth = n.type(q).shape[3].try_constant();
  if (!depth || *depth < 1) fail("the head size {} must be known at build", ir::to_string(n.type(q).shape[3]));
  const double scale = n.has_attr("scale") ? n.f("scale", 0) : 1 / std::sqrt(static_cast<double>(*depth));
  n.ignore("softmax_precision");  // the softmax is never computed in less than f32
  if (!n.has_attr("score_mod") && !n.has_attr("prob_mod") && scale != 0) {
    n.bind(0, n.add1("Attention", {q, k, v}, {{"scale", scale}}));
    return;
  }
  const DType type = n.type(q).dtype, wide = type == DType::f64 ? DType::f64 : DType::f32;
  const auto cast = [&](ir::ValueId x, DType to) {
    return n.type(x).dtype == to ? x : n.add1("Cast", {x}, {{"to", std::string(dtype_name(to))}});
  };
  const auto reshape = [&](ir::ValueId x, std::int64_t axis_1) {
    if (heads == groups) return x;  // heads of one group are rows of one product
    return n.add1("Reshape", {x, n.constant_value(ir::constant_i64({0, axis_1, -1, 0}))});
  };
  const ir::ValueId keys = n.add1("Transpose", {cast(k, wide)}, {{"perm", std::vector<std::int64_t>{0, 1, 3, 2}}});
  ir::ValueId scores = reshape(n.add1("MatMul", {reshape(cast(q, wide), groups), keys}), heads);
  scores = n.add1("Mul", {scores, n.constant_value(ir::constant_scalar(wide, scale))});
  scores = modified(n, "score_mod", scores);
  const ir::ValueId probabilities = modified(n, "prob_mod", n.add1("Softmax", {scores}, {{"axis", std::int64_t{3}}}));
  n.bind(0, cast(reshape(n.add1("MatMul", {reshape(probabilities, groups), cast(v, wide)}), heads), type));
}

constexpr OnnxImporter kFlexImporters[] = {
    {.op_type = "FlexAttention", .domain = "ai.onnx.preview", .import = import_flex_attention},
};

}  // namespace

extern const OnnxImporters flex_onnx{kFlexImporters};

}  // namespace monza::ops
