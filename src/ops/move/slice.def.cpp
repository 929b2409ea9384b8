// Slice, Pad, CenterCropPad: parts of a tensor, and a tensor as a part of a larger one.
#include <limits>

#include "ops/move/move.params.h"
#include "ops/shared/shapes.def.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// An index as ONNX's Slice reads it: negative counts from the end, then clamped to [low, high].
Expr clamped(const Expr& index, const Expr& extent, const Expr& low, const Expr& high) {
  // "To the end" is written as the largest or smallest integer: keep it out of the arithmetic.
  constexpr std::int64_t kFar = std::int64_t{1} << 40;
  Expr i = index;
  if (auto v = index.try_constant()) {
    if (*v >= kFar) return high;
    if (*v <= -kFar) return low;
    i = *v < 0 ? index + extent : index;
  } else {
    i = index + negative(index) * extent;
  }
  return smaller(larger(i, low), high);
}

/// What a slice takes of each axis: first index, step, extent. `dynamic`: axes or steps are only known at run time.
struct SlicePlan {
  std::vector<Expr> start, extent;
  std::vector<std::int64_t> step;
  bool dynamic = false;
};

struct SliceInputs {
  std::vector<Expr> starts, ends;
  std::optional<std::vector<Expr>> axes, steps;
};

SlicePlan plan_slice(const ir::SymShape& x, const SliceInputs& in) {
  const std::size_t count = in.starts.size();
  if (in.ends.size() != count) fail("{} starts, {} ends", count, in.ends.size());
  if (in.axes && in.axes->size() != count) fail("{} starts, {} axes", count, in.axes->size());
  if (in.steps && in.steps->size() != count) fail("{} starts, {} steps", count, in.steps->size());
  if (count > x.size()) fail("{} axes are sliced of rank {}", count, x.size());
  SlicePlan plan;
  plan.start.assign(x.size(), 0);
  plan.extent = x;
  plan.step.assign(x.size(), 1);
  std::vector<std::int64_t> axes(count), steps(count, 1);
  for (std::size_t i = 0; i < count; ++i) axes[i] = static_cast<std::int64_t>(i);
  if (in.axes) {
    if (auto known = all_constant(*in.axes)) axes = *known;
    else plan.dynamic = true;
  }
  if (in.steps) {
    if (auto known = all_constant(*in.steps)) steps = *known;
    else plan.dynamic = true;
  }
  if (plan.dynamic) return plan;
  const auto normal = axes_of(axes, x.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t a = normal[i];
    const Expr& extent = x[a];
    constexpr std::int64_t kMost = std::int64_t{1} << 40;
    std::int64_t step = steps[i];
    if (step == 0) fail("the step of axis {} is 0", a);
    step = step > kMost ? kMost : step < -kMost ? -kMost : step;
    Expr length;
    if (step > 0) {
      plan.start[a] = clamped(in.starts[i], extent, 0, extent);
      length = clamped(in.ends[i], extent, 0, extent) - plan.start[a];
    } else {
      plan.start[a] = clamped(in.starts[i], extent, 0, extent - Expr(1));
      length = clamped(in.ends[i], extent, -1, extent - Expr(1)) - plan.start[a];
    }
    plan.step[a] = step;
    plan.extent[a] = larger(0, ir::ceil_div(length, step));
  }
  return plan;
}

SliceInputs slice_inputs(const ir::InferContext& c) {
  SliceInputs in{numbers(c, "starts", 1), numbers(c, "ends", 2), {}, {}};
  if (c.attrs().has("axes") || c.has_input(3)) in.axes = numbers(c, "axes", 3);
  if (c.attrs().has("steps") || c.has_input(4)) in.steps = numbers(c, "steps", 4);
  return in;
}

/// Slice(x, starts?, ends?, axes?, steps?) {starts?, ends?, axes?, steps?}.
void infer_slice(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  const SlicePlan plan = plan_slice(x, slice_inputs(c));
  if (plan.dynamic) {
    ir::SymShape out;
    for (const Expr& extent : x) out.push_back(c.new_extent(0, extent));
    c.set_output(0, c.dtype(0), std::move(out));
    return;
  }
  c.set_output(0, c.dtype(0), plan.extent);
  const auto in = static_shape(x), out = static_shape(plan.extent), start = all_constant(plan.start);
  const auto content = c.known_content(0);
  if (!in || !out || !start || !content) return;
  std::vector<Expr> part;
  for_each_index(*out, [&](const std::vector<std::int64_t>& at) {
    std::int64_t linear = 0;
    for (std::size_t i = 0; i < at.size(); ++i) linear = linear * (*in)[i] + (*start)[i] + at[i] * plan.step[i];
    part.push_back((*content)[static_cast<std::size_t>(linear)]);
  });
  c.set_content(0, std::move(part));
}

std::optional<SlicePlan> slice_of(const ir::NodeView& n) {
  const auto starts = numbers(n, "starts", 1), ends = numbers(n, "ends", 2);
  if (!starts || !ends) return std::nullopt;
  SliceInputs in{*starts, *ends, {}, {}};
  if (n.attrs().has("axes") || n.has_input(3)) {
    in.axes = numbers(n, "axes", 3);
    if (!in.axes) return std::nullopt;
  }
  if (n.attrs().has("steps") || n.has_input(4)) {
    in.steps = numbers(n, "steps", 4);
    if (!in.steps) return std::nullopt;
  }
  return plan_slice(n.input(0).shape, in);
}

void params_slice(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SliceParams p;
  const auto starts = constant_numbers(n, "starts", 1);
  const bool has_axes = n.attrs().has("axes") || n.has_input(3), has_steps = n.attrs().has("steps") || n.has_input(4);
  const auto axes = constant_numbers(n, "axes", 3), steps = constant_numbers(n, "steps", 4);
  const auto plan = slice_of(n);
  p.reports = plan && plan->dynamic;
  const std::size_t rank = n.input(0).rank();
  if (starts && (axes || !has_axes) && (steps || !has_steps)) {
    p.count = static_cast<std::int64_t>(starts->size());
    for (std::size_t i = 0; i < starts->size(); ++i) {
      p.axis[i] = static_cast<std::int64_t>(axes ? axis_of((*axes)[i], rank) : i);
      p.start[i] = (*starts)[i];
      p.step[i] = steps ? (*steps)[i] : 1;
    }
  } else {
    // Some come from attributes and some from inputs: what is known is written here, the kernel reads the rest.
    p.count = -1;
    for (std::size_t i = 0; i < static_cast<std::size_t>(kMaxRank); ++i) {
      p.axis[i] = axes && i < axes->size() ? (*axes)[i] : static_cast<std::int64_t>(i);
      p.start[i] = starts && i < starts->size() ? (*starts)[i] : 0;
      p.step[i] = steps && i < steps->size() ? (*steps)[i] : 1;
    }
  }
  blob.set(p);
}

void alias_slice(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const auto plan = slice_of(n);
  if (!plan || plan->dynamic) return;
  ir::Alias view{.start = plan->start};
  for (std::size_t i = 0; i < plan->step.size(); ++i) view.axes.push_back({static_cast<int>(i), plan->step[i]});
  list.push_back(std::move(view));
}

PadParams::Mode pad_mode(const ir::AttrReader& attrs) {
  const std::string mode = attrs.s("mode");
  if (mode == "constant") return PadParams::Mode::constant;
  if (mode == "reflect") return PadParams::Mode::reflect;
  if (mode == "edge") return PadParams::Mode::edge;
  if (mode == "wrap") return PadParams::Mode::wrap;
  fail("mode \"{}\" is not known", mode);
}

/// Begins and ends of every axis.
std::pair<std::vector<Expr>, std::vector<Expr>> pads_by_axis(const std::vector<Expr>& pads,
                                                             const std::optional<std::vector<Expr>>& axes,
                                                             std::size_t rank) {
  const std::size_t count = axes ? axes->size() : rank;
  if (pads.size() != 2 * count) fail("{} pads for {} axes", pads.size(), count);
  std::vector<Expr> begin(rank, 0), end(rank, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const Expr given = axes ? (*axes)[i] : Expr(static_cast<std::int64_t>(i));
    const Expr axis = given + negative(given) * Expr(static_cast<std::int64_t>(rank));
    for (std::size_t k = 0; k < rank; ++k) {
      const Expr here = equals(axis, static_cast<std::int64_t>(k));
      begin[k] = begin[k] + here * pads[i];
      end[k] = end[k] + here * pads[count + i];
    }
  }
  return {std::move(begin), std::move(end)};
}

/// Pad(x, pads?, value?, axes?) {pads?, axes?, mode}: pads are begins, then ends, of the axes.
void infer_pad(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  pad_mode(c.attrs());
  std::optional<std::vector<Expr>> axes;
  if (c.attrs().has("axes") || c.has_input(3)) axes = numbers(c, "axes", 3);
  if (axes)
    if (auto known = all_constant(*axes)) axes_of(*known, x.size());
  const auto [begin, end] = pads_by_axis(numbers(c, "pads", 1), axes, x.size());
  ir::SymShape out;
  for (std::size_t i = 0; i < x.size(); ++i) out.push_back(x[i] + begin[i] + end[i]);
  if (c.has_input(2) && c.dtype(2) != c.dtype(0)) c.fail("the padding value has another element type than the input");
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_pad(const ir::NodeView& n, ir::ParamsBlob& blob) {
  PadParams p;
  p.mode = pad_mode(n.attrs());
  const auto pads = numbers(n, "pads", 1);
  std::optional<std::vector<Expr>> axes;
  const bool has_axes = n.attrs().has("axes") || n.has_input(3);
  if (has_axes) axes = numbers(n, "axes", 3);
  if (pads && (axes || !has_axes)) {
    if (const auto begin = all_constant(pads_by_axis(*pads, axes, n.input(0).rank()).first)) {
      p.known = 1;
      for (std::size_t i = 0; i < begin->size(); ++i) p.begin[i] = (*begin)[i];
    }
  }
  blob.set(p);
}

/// CenterCropPad(x, shape?) {shape?, axes?}.
void infer_center_crop_pad(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<Expr> target = numbers(c, "shape", 1);
  ir::SymShape out = x;
  std::vector<std::size_t> axes;
  if (c.attrs().has("axes")) {
    axes = axes_of(c.attrs().ints("axes"), x.size());
  } else {
    for (std::size_t i = 0; i < x.size(); ++i) axes.push_back(i);
  }
  if (target.size() != axes.size()) c.fail("{} extents for {} axes", target.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) out[axes[i]] = target[i];
  c.set_output(0, c.dtype(0), std::move(out));
}

constexpr ir::AttrDef kSliceAttrs[] = {{"starts", ir::AttrKind::ints},
                                       {"ends", ir::AttrKind::ints},
                                       {"axes", ir::AttrKind::ints},
                                       {"steps", ir::AttrKind::ints}};
constexpr ir::AttrDef kPadAttrs[] = {{"pads", ir::AttrKind::ints}, {"axes", ir::AttrKind::ints}, {"mode", "constant"}};
constexpr ir::AttrDef kCenterCropPadAttrs[] = {{"shape", ir::AttrKind::ints}, {"axes", ir::AttrKind::ints}};

constexpr ir::OpDef kSliceOps[] = {
    {.name = "Slice",
     .attrs = kSliceAttrs,
     .max_inputs = 5,
     .infer = infer_slice,
     .params = params_slice,
     .aliases = alias_slice,
     .shape_inputs = 0},
    {.name = "Pad", .attrs = kPadAttrs, .max_inputs = 4, .infer = infer_pad, .params = params_pad},
    {.name = "CenterCropPad",
     .attrs = kCenterCropPadAttrs,
     .max_inputs = 2,
     .infer = infer_center_crop_pad,
     .shape_inputs = 2},
};

}  // namespace

extern const ir::OpList slice_ops{kSliceOps};

}  // namespace monza::ops
