// Normalisations: types, shapes, parameters.
#include "ops/norm/norm.params.h"

#include <algorithm>
#include <string_view>

#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

bool floating(DType t) { return t == DType::f32 || t == DType::f64 || t == DType::f16 || t == DType::bf16; }

void require_floating(ir::InferContext& c) {
  for (int i = 0; i < c.input_count(); ++i)
    if (c.has_input(i) && !floating(c.dtype(i)))
      c.fail("input {} has element type {}, not a float", i, dtype_name(c.dtype(i)));
}

/// Error unless input i is a vector with one element per channel of input 0.
void require_channels(ir::InferContext& c, int i, const char* what) {
  const ir::SymShape& s = c.shape(i);
  if (s.size() != 1) c.fail("{} has shape {}, not one axis", what, ir::to_string(s));
  const Expr& channels = c.shape(0)[1];
  if (s[0].is_constant() && channels.is_constant() && !(s[0] == channels))
    c.fail("{} has {} elements, the input {} channels", what, ir::to_string(s[0]), ir::to_string(channels));
}

std::int64_t normal_axis(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) fail("axis {} lies outside [-{}, {})", axis, r, r);
  return axis < 0 ? axis + r : axis;
}

void infer_batch_norm(ir::InferContext& c) {
  require_floating(c);
  if (c.shape(0).size() < 2) c.fail("the input has rank {}; batch and channel axes are needed", c.shape(0).size());
  static constexpr const char* kNames[] = {"", "scale", "bias", "mean", "variance"};
  for (int i = 1; i < 5; ++i) require_channels(c, i, kNames[i]);
  if (c.output_count() > 1 && c.attrs().i("training_mode") == 0)
    c.fail("running statistics are asked for outside of training");
  c.set_output(0, c.dtype(0), c.shape(0));
  c.set_output(1, c.dtype(3), c.shape(3));
  c.set_output(2, c.dtype(4), c.shape(4));
}

void batch_norm_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  BatchNormParams p;
  p.epsilon = static_cast<float>(n.attrs().f("epsilon"));
  p.momentum = static_cast<float>(n.attrs().f("momentum"));
  p.training = n.attrs().i("training_mode") != 0;
  blob.set(p);
}

bool is_rms(const ir::Node& n) { return std::string_view(n.op->name) == "RMSNormalization"; }

void infer_layer_norm(ir::InferContext& c) {
  require_floating(c);
  const ir::SymShape& x = c.shape(0);
  if (x.empty()) c.fail("the input is a scalar");
  const auto axis = static_cast<std::size_t>(normal_axis(c.attrs().i("axis"), x.size()));
  for (int i = 1; i < c.input_count(); ++i) {
    if (!c.has_input(i)) continue;
    const ir::SymShape& s = c.shape(i);
    bool fits = s.size() <= x.size();
    for (std::size_t a = 0; fits && a < s.size(); ++a) {
      const Expr &have = s[s.size() - 1 - a], &want = x[x.size() - 1 - a];
      fits = have == Expr(1) || have == want || !have.is_constant() || !want.is_constant();
    }
    if (!fits)
      c.fail("{} {} does not broadcast to the input {}", i == 1 ? "scale" : "bias", ir::to_string(s), ir::to_string(x));
  }
  // RMSNormalization's result has the scale's type.
  c.set_output(0, is_rms(c.node()) && c.has_input(1) ? c.dtype(1) : c.dtype(0), x);
  ir::SymShape rows(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  rows.resize(x.size(), Expr(1));
  const DType stash = c.attrs().s("stash_type") == "bf16" ? DType::bf16 : DType::f32;
  c.set_output(1, stash, rows);
  c.set_output(2, stash, rows);
}

void layer_norm_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  LayerNormParams p;
  p.axis = static_cast<std::int32_t>(normal_axis(n.attrs().i("axis"), n.input(0).rank()));
  p.epsilon = static_cast<float>(n.attrs().f("epsilon"));
  p.rms = is_rms(n.node);
  blob.set(p);
}

/// Of GroupNormalization and InstanceNormalization, for which 0 stands: one per channel.
std::int64_t groups_of(const ir::Node& n) {
  return std::string_view(n.op->name) == "GroupNormalization" ? attrs_of(n).i("num_groups") : 0;
}

void infer_group_norm(ir::InferContext& c) {
  require_floating(c);
  const ir::SymShape& x = c.shape(0);
  if (x.size() < 2) c.fail("the input has rank {}; batch and channel axes are needed", x.size());
  require_channels(c, 1, "scale");
  require_channels(c, 2, "bias");
  const std::int64_t groups = groups_of(c.node());
  if (groups < 0 || groups > 1 << 24) c.fail("num_groups is {}", groups);
  if (const auto channels = x[1].try_constant(); channels && groups > 0 && *channels % groups != 0)
    c.fail("{} channels do not divide into {} groups", *channels, groups);
  c.set_output(0, c.dtype(0), x);
}

void group_norm_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  GroupNormParams p;
  p.groups = static_cast<std::int32_t>(groups_of(n.node));
  p.epsilon = static_cast<float>(n.attrs().f("epsilon"));
  blob.set(p);
}

void infer_lrn(ir::InferContext& c) {
  require_floating(c);
  if (c.shape(0).size() < 2) c.fail("the input has rank {}; batch and channel axes are needed", c.shape(0).size());
  if (const std::int64_t size = c.attrs().i("size"); size < 1 || size > 1 << 24) c.fail("size is {}", size);
  c.set_output(0, c.dtype(0), c.shape(0));
}

void lrn_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  LrnParams p;
  p.size = static_cast<std::int32_t>(n.attrs().i("size"));
  p.alpha = static_cast<float>(n.attrs().f("alpha"));
  p.beta = static_cast<float>(n.attrs().f("beta"));
  p.bias = static_cast<float>(n.attrs().f("bias"));
  blob.set(p);
}

void infer_lp_norm(ir::InferContext& c) {
  require_floating(c);
  normal_axis(c.attrs().i("axis"), c.shape(0).size());
  if (const std::int64_t p = c.attrs().i("p"); p != 1 && p != 2) c.fail("p is {}, not 1 or 2", p);
  c.set_output(0, c.dtype(0), c.shape(0));
}

void lp_norm_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  LpNormParams p;
  p.axis = static_cast<std::int32_t>(normal_axis(n.attrs().i("axis"), n.input(0).rank()));
  p.p = static_cast<std::int32_t>(n.attrs().i("p"));
  blob.set(p);
}

template <int PerElement>
double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return PerElement * static_cast<double>(in[0].numel());
}

double lrn_work(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>&) {
  const std::int64_t window = std::min(n.attrs().i("size"), in[0].rank > 1 ? in[0][1] : 1);
  return static_cast<double>(in[0].numel()) * static_cast<double>(std::max<std::int64_t>(window, 1));
}

constexpr ir::AttrDef kBatchNormAttrs[] = {{"epsilon", 1e-5}, {"momentum", 0.9}, {"training_mode", 0}};
constexpr ir::AttrDef kLayerNormAttrs[] = {{"axis", -1}, {"epsilon", 1e-5}, {"stash_type", "f32"}};
constexpr ir::AttrDef kGroupNormAttrs[] = {ir::required("num_groups", ir::AttrKind::integer), {"epsilon", 1e-5}};
constexpr ir::AttrDef kInstanceNormAttrs[] = {{"epsilon", 1e-5}};
constexpr ir::AttrDef kLrnAttrs[] = {
    ir::required("size", ir::AttrKind::integer), {"alpha", 1e-4f}, {"beta", 0.75}, {"bias", 1.0}};
constexpr ir::AttrDef kLpNormAttrs[] = {{"axis", -1}, {"p", 2}};

constexpr ir::OpDef kOps[] = {
    {.name = "BatchNormalization",
     .attrs = kBatchNormAttrs,
     .min_inputs = 5,
     .max_inputs = 5,
     .max_outputs = 3,
     .infer = infer_batch_norm,
     .params = batch_norm_params,
     .flops = flops<2>},
    {.name = "LayerNormalization",
     .attrs = kLayerNormAttrs,
     .min_inputs = 1,
     .max_inputs = 3,
     .max_outputs = 3,
     .infer = infer_layer_norm,
     .params = layer_norm_params,
     .flops = flops<7>},
    {.name = "RMSNormalization",
     .attrs = kLayerNormAttrs,
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_layer_norm,
     .params = layer_norm_params,
     .flops = flops<4>},
    {.name = "GroupNormalization",
     .attrs = kGroupNormAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_group_norm,
     .params = group_norm_params,
     .flops = flops<7>},
    {.name = "InstanceNormalization",
     .attrs = kInstanceNormAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_group_norm,
     .params = group_norm_params,
     .flops = flops<7>},
    {.name = "LRN", .attrs = kLrnAttrs, .infer = infer_lrn, .params = lrn_params, .flops = flops<10>, .work = lrn_work},
    {.name = "LpNormalization",
     .attrs = kLpNormAttrs,
     .infer = infer_lp_norm,
     .params = lp_norm_params,
     .flops = flops<3>},
};

}  // namespace

extern const ir::OpList norm_ops{kOps};

}  // namespace monza::ops
