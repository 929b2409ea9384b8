// MaxPool, AveragePool, LpPool (global or with windows), MaxUnpool, RoiAlign, MaxRoiPool.
#include "ops/pool/pool.params.h"

#include <algorithm>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

constexpr ir::AttrDef kWindowAttrs[] = {{"kernel_shape", ir::AttrKind::ints},
                                        {"strides", ir::Each{1}},
                                        {"dilations", ir::Each{1}},
                                        {"pads", ir::Each{0}}};  // begins, then ends
constexpr ir::AttrDef kPoolAttrs[] = {{"auto_pad", "given"}, {"global", 0}, {"ceil_mode", 0}};

struct Spatial {
  std::vector<std::int64_t> kernel, strides, dilations, pads;
};

Spatial spatial_of(const ir::AttrReader& attrs, std::size_t axes) {
  Spatial s{attrs.ints("kernel_shape"), attrs.ints("strides", axes), attrs.ints("dilations", axes),
            attrs.ints("pads", 2 * axes)};
  if (s.kernel.size() != axes || s.strides.size() != axes || s.dilations.size() != axes || s.pads.size() != 2 * axes)
    fail("kernel_shape, strides, dilations and pads have {}, {}, {} and {} entries for {} spatial axes",
         s.kernel.size(), s.strides.size(), s.dilations.size(), s.pads.size(), axes);
  constexpr std::int64_t kMost = 1 << 24;
  for (const auto* list : {&s.kernel, &s.strides, &s.dilations})
    for (std::int64_t v : *list)
      if (v < 1 || v > kMost) fail("kernel extent, stride or dilation {} is out of range", v);
  for (std::int64_t v : s.pads)
    if (v < 0 || v > kMost) fail("pad {} is out of range", v);
  return s;
}

PoolParams::Padding padding_of(const ir::AttrReader& attrs) {
  const std::string text = attrs.s("auto_pad");
  if (text == "same_upper") return PoolParams::Padding::same_upper;
  if (text == "same_lower") return PoolParams::Padding::same_lower;
  if (text != "given") fail("auto_pad \"{}\" is not known", text);
  return PoolParams::Padding::given;
}

std::size_t spatial_axes(const ir::SymShape& x) {
  if (x.size() < 3 || x.size() > 5)
    fail("input has rank {}; 1 to 3 spatial axes after batch and channel are supported", x.size());
  return x.size() - 2;
}

ir::SymShape pooled_shape(const ir::AttrReader& attrs, const ir::SymShape& x) {
  const std::size_t axes = spatial_axes(x);
  ir::SymShape out{x[0], x[1]};
  if (attrs.i("global") != 0) {
    out.resize(x.size(), 1);
    return out;
  }
  const Spatial s = spatial_of(attrs, axes);
  const bool given = padding_of(attrs) == PoolParams::Padding::given, ceil = attrs.i("ceil_mode") != 0;
  for (std::size_t i = 0; i < axes; ++i) {
    const Expr& in = x[i + 2];
    if (!given) {
      out.push_back(ir::ceil_div(in, s.strides[i]));
      continue;
    }
    const Expr room = in + Expr(s.pads[i] + s.pads[i + axes] - (s.kernel[i] - 1) * s.dilations[i] - 1);
    // Rounded up, a last window that would begin in the padding at the end is left out.
    const Expr windows =
        (ceil ? smaller(ir::ceil_div(room, s.strides[i]), ir::floor_div(in + Expr(s.pads[i] - 1), s.strides[i]))
              : ir::floor_div(room, s.strides[i])) +
        Expr(1);
    // A window that is longer than the padded input by less than a stride gives an extent of 0.
    if (auto v = windows.try_constant(); v && *v < 0)
      fail("the window reaches over {} elements of spatial axis {}, the padded input has {}",
           (s.kernel[i] - 1) * s.dilations[i] + 1, i, ir::to_string(in + Expr(s.pads[i] + s.pads[i + axes])));
    out.push_back(windows);
  }
  return out;
}

void infer_max_pool(ir::InferContext& c) {
  const DType type = c.dtype(0);
  if (!is_float(type) && !is_integer(type)) c.fail("element type {} is not supported", dtype_name(type));
  const ir::SymShape out = pooled_shape(c.attrs(), c.shape(0));
  c.set_output(0, type, out);
  c.set_output(1, DType::i64, out);
}

void infer_float_pool(ir::InferContext& c) {
  if (!is_float(c.dtype(0))) c.fail("element type {} is not a floating point type", dtype_name(c.dtype(0)));
  c.set_output(0, c.dtype(0), pooled_shape(c.attrs(), c.shape(0)));
}

PoolParams pool_params_of(const ir::NodeView& n) {
  PoolParams p;
  const std::size_t axes = spatial_axes(n.input(0).shape);
  p.spatial = static_cast<std::int32_t>(axes);
  p.global = n.attrs().i("global") != 0;
  if (!p.global) {
    const Spatial s = spatial_of(n.attrs(), axes);
    for (std::size_t i = 0; i < axes; ++i) {
      p.kernel[i] = static_cast<std::int32_t>(s.kernel[i]);
      p.stride[i] = static_cast<std::int32_t>(s.strides[i]);
      p.dilation[i] = static_cast<std::int32_t>(s.dilations[i]);
      p.pad_begin[i] = static_cast<std::int32_t>(s.pads[i]);
      p.pad_end[i] = static_cast<std::int32_t>(s.pads[i + axes]);
    }
    p.padding = padding_of(n.attrs());
  }
  return p;
}

void params_max_pool(const ir::NodeView& n, ir::ParamsBlob& blob) {
  PoolParams p = pool_params_of(n);
  p.column_major = n.attrs().i("storage_order") != 0;
  blob.set(p);
}

void params_average_pool(const ir::NodeView& n, ir::ParamsBlob& blob) {
  PoolParams p = pool_params_of(n);
  p.count_include_pad = n.attrs().i("count_include_pad") != 0;
  blob.set(p);
}

void params_lp_pool(const ir::NodeView& n, ir::ParamsBlob& blob) {
  PoolParams p = pool_params_of(n);
  p.p = static_cast<std::int32_t>(n.attrs().i("p"));
  if (p.p < 1) fail("the norm p is {}", p.p);
  blob.set(p);
}

double flops_pool(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  if (n.attrs().i("global") != 0) return static_cast<double>(in[0].numel());
  double window = 1;
  for (std::int64_t k : n.attrs().ints("kernel_shape")) window *= static_cast<double>(k);
  return window * static_cast<double>(out[0].numel());
}

/// The windows of an unpooling, which are not dilated.
Spatial unpool_windows(const ir::AttrReader& attrs, std::size_t axes) {
  return spatial_of({kWindowAttrs, attrs.given()}, axes);
}

/// Extents of the tensor that was pooled.
ir::SymShape unpooled_shape(const ir::AttrReader& attrs, const ir::SymShape& x) {
  const std::size_t axes = spatial_axes(x);
  const Spatial s = unpool_windows(attrs, axes);
  ir::SymShape out{x[0], x[1]};
  for (std::size_t i = 0; i < axes; ++i)
    out.push_back((x[i + 2] - Expr(1)) * Expr(s.strides[i]) + Expr(s.kernel[i] - s.pads[i] - s.pads[i + axes]));
  return out;
}

/// MaxUnpool(x, indices, output_shape?) {kernel_shape, strides, pads, output_shape?}.
void infer_max_unpool(ir::InferContext& c) {
  if (c.dtype(1) != DType::i64) c.fail("indices must be i64");
  if (c.shape(1).size() != c.shape(0).size())
    c.fail("indices have rank {}, the input {}", c.shape(1).size(), c.shape(0).size());
  ir::SymShape out = unpooled_shape(c.attrs(), c.shape(0));
  if (c.has_input(2) || c.attrs().has("output_shape")) {
    const auto given = numbers(c, "output_shape", 2);
    if (given.size() != out.size()) c.fail("output_shape has {} elements for rank {}", given.size(), out.size());
    out = given;
  }
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_max_unpool(const ir::NodeView& n, ir::ParamsBlob& blob) {
  MaxUnpoolParams p;
  const std::size_t axes = spatial_axes(n.input(0).shape);
  const Spatial s = unpool_windows(n.attrs(), axes);
  p.spatial = static_cast<std::int32_t>(axes);
  for (std::size_t i = 0; i < axes; ++i) {
    p.kernel[i] = static_cast<std::int32_t>(s.kernel[i]);
    p.stride[i] = static_cast<std::int32_t>(s.strides[i]);
    p.pad_begin[i] = static_cast<std::int32_t>(s.pads[i]);
    p.pad_end[i] = static_cast<std::int32_t>(s.pads[i + axes]);
  }
  blob.set(p);
}

void infer_roi(ir::InferContext& c, std::int64_t columns) {
  const ir::SymShape &x = c.shape(0), &rois = c.shape(1);
  if (x.size() != 4) c.fail("input has rank {}, not 4", x.size());
  if (rois.size() != 2) c.fail("rois have rank {}, not 2", rois.size());
  require_equal(rois[1], columns, "columns of rois");
  if (!is_float(c.dtype(0)) || c.dtype(1) != c.dtype(0)) c.fail("input and rois must be of one floating point type");
  const std::int64_t h = c.attrs().i("output_height"), w = c.attrs().i("output_width");
  if (h < 1 || w < 1) c.fail("the output is {} by {}", h, w);
  c.set_output(0, c.dtype(0), {rois[0], x[1], h, w});
}
void infer_roi_align(ir::InferContext& c) {
  if (c.shape(2).size() != 1 || !is_integer(c.dtype(2))) c.fail("batch indices must be a list of integers");
  infer_roi(c, 4);
}
void infer_max_roi_pool(ir::InferContext& c) { infer_roi(c, 5); }

void params_max_roi_pool(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RoiParams p;
  p.spatial_scale = static_cast<float>(n.attrs().f("spatial_scale"));
  blob.set(p);
}

void params_roi_align(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RoiParams p;
  const std::string mode = n.attrs().s("mode"), transform = n.attrs().s("coordinate_transformation_mode");
  if (mode != "avg" && mode != "max") fail("mode \"{}\" is not known", mode);
  if (transform != "half_pixel" && transform != "output_half_pixel")
    fail("coordinate_transformation_mode \"{}\" is not known", transform);
  p.max = mode == "max";
  p.half_pixel = transform == "half_pixel";
  const std::int64_t samples = n.attrs().i("sampling_ratio");
  if (samples < 0 || samples > RoiParams::kMostSamples)
    fail("sampling_ratio {} is outside of 0 to {}", samples, RoiParams::kMostSamples);
  p.sampling_ratio = static_cast<std::int32_t>(samples);
  p.spatial_scale = static_cast<float>(n.attrs().f("spatial_scale"));
  blob.set(p);
}

constexpr ir::AttrDef kMaxOnlyAttrs[] = {{"storage_order", 0}};
constexpr ir::AttrDef kAverageOnlyAttrs[] = {{"count_include_pad", 0}};
constexpr ir::AttrDef kLpOnlyAttrs[] = {{"p", 2}};
constexpr auto kMaxPoolAttrs = ir::joined(kWindowAttrs, kPoolAttrs, kMaxOnlyAttrs);
constexpr auto kAveragePoolAttrs = ir::joined(kWindowAttrs, kPoolAttrs, kAverageOnlyAttrs);
constexpr auto kLpPoolAttrs = ir::joined(kWindowAttrs, kPoolAttrs, kLpOnlyAttrs);
constexpr ir::AttrDef kMaxUnpoolAttrs[] = {{"kernel_shape", ir::AttrKind::ints},
                                           {"strides", ir::Each{1}},
                                           {"pads", ir::Each{0}},
                                           {"output_shape", ir::AttrKind::ints}};
constexpr ir::AttrDef kMaxRoiPoolAttrs[] = {{"output_height", 1}, {"output_width", 1}, {"spatial_scale", 1.0}};
constexpr ir::AttrDef kRoiAlignOnlyAttrs[] = {
    {"mode", "avg"}, {"coordinate_transformation_mode", "half_pixel"}, {"sampling_ratio", 0}};
constexpr auto kRoiAlignAttrs = ir::joined(kMaxRoiPoolAttrs, kRoiAlignOnlyAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "MaxPool",
     .attrs = kMaxPoolAttrs,
     .max_outputs = 2,
     .infer = infer_max_pool,
     .params = params_max_pool,
     .flops = flops_pool},
    {.name = "AveragePool",
     .attrs = kAveragePoolAttrs,
     .infer = infer_float_pool,
     .params = params_average_pool,
     .flops = flops_pool},
    {.name = "LpPool", .attrs = kLpPoolAttrs, .infer = infer_float_pool, .params = params_lp_pool, .flops = flops_pool},
    {.name = "MaxUnpool",
     .attrs = kMaxUnpoolAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_max_unpool,
     .params = params_max_unpool,
     .shape_inputs = 4},
    // Not folded: how much work they are depends on the boxes.
    {.name = "RoiAlign",
     .attrs = kRoiAlignAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_roi_align,
     .params = params_roi_align},
    {.name = "MaxRoiPool",
     .attrs = kMaxRoiPoolAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_max_roi_pool,
     .params = params_max_roi_pool},
};

}  // namespace

extern const ir::OpList pool_ops{kOps};

}  // namespace monza::ops
