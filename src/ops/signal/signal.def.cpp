// DFT, STFT, MelWeightMatrix.
#include "ops/signal/signal.params.h"

#include <algorithm>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

void require_complex_or_real(const ir::InferContext& c, const ir::SymShape& x) {
  if (!is_float(c.dtype(0))) c.fail("element type {} is not a floating point type", dtype_name(c.dtype(0)));
  const auto parts = x.back().try_constant();
  if (!parts || (*parts != 1 && *parts != 2))
    c.fail("the last extent is {}, not 1 (real) or 2 (complex)", ir::to_string(x.back()));
}

std::size_t dft_axis(const std::optional<std::vector<Expr>>& given, std::int64_t attribute, std::size_t rank) {
  std::int64_t axis = attribute;
  if (given) {
    if (given->size() != 1) fail("axis has {} elements, not 1", given->size());
    const auto known = (*given)[0].try_constant();
    if (!known) throw Error("the axis of a DFT must be known at build", "give its value: --input NAME=FILE");
    axis = *known;
  }
  const std::size_t a = axis_of(axis, rank);
  if (a + 1 == rank) fail("the last axis holds the complex parts and cannot be transformed");
  return a;
}

/// DFT(x, length?, axis?) {length?, axis, inverse, onesided}.
void infer_dft(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  if (x.size() < 2) c.fail("input has rank {}; at least 2 is needed", x.size());
  require_complex_or_real(c, x);
  std::optional<std::vector<Expr>> given;
  if (c.has_input(2)) given = c.content(2);
  const std::size_t axis = dft_axis(given, c.attrs().i("axis"), x.size());
  const bool inverse = c.attrs().i("inverse") != 0, onesided = c.attrs().i("onesided") != 0;
  Expr length = inverse && onesided ? Expr(2) * (x[axis] - Expr(1)) : x[axis];
  if (c.attrs().has("length") || c.has_input(1)) length = one_number(c, "length", 1);
  ir::SymShape out = x;
  out[axis] = onesided && !inverse ? ir::floor_div(length, 2) + Expr(1) : length;
  out.back() = inverse && onesided ? 1 : 2;
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_dft(const ir::NodeView& n, ir::ParamsBlob& blob) {
  DftParams p;
  std::optional<std::vector<Expr>> given;
  if (n.has_input(2)) given = numbers(n, 2);
  p.axis = static_cast<std::int64_t>(dft_axis(given, n.attrs().i("axis"), n.input(0).rank()));
  p.inverse = n.attrs().i("inverse") != 0;
  p.onesided = n.attrs().i("onesided") != 0;
  if (n.attrs().has("length") || n.has_input(1)) {
    const auto length = constant_numbers(n, "length", 1);
    p.length = length ? length->at(0) : -2;  // -2: read while running
  }
  blob.set(p);
}

/// STFT(signal, step?, window?, length?) {step?, length?, onesided}.
void infer_stft(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  if (x.size() != 3) c.fail("signal has rank {}, not 3", x.size());
  require_complex_or_real(c, x);
  const Expr step = one_number(c, "step", 1);
  if (auto v = step.try_constant(); v && *v < 1) c.fail("the step is {}", *v);
  if (c.has_input(2) && (c.shape(2).size() != 1 || c.dtype(2) != c.dtype(0)))
    c.fail("the window must be a list of the signal's element type");
  Expr length = c.has_input(2) ? c.shape(2)[0] : x[1];
  if (c.attrs().has("length") || c.has_input(3)) length = one_number(c, "length", 3);
  if (c.has_input(2)) require_equal(c.shape(2)[0], length, "the window and a frame differ in length");
  const auto known = length.try_constant(), whole = x[1].try_constant();
  if (!known)
    fail_hint("give it with --input NAME=FILE, or the window's extent with --shape NAME=...",
              "the length of a frame must be known at build");
  if (whole && *known > *whole) c.fail("a frame of {} is longer than the signal of {}", *known, *whole);
  const bool onesided = c.attrs().i("onesided") != 0;
  c.set_output(
      0, c.dtype(0),
      {x[0], ir::floor_div(x[1] - length, step) + Expr(1), onesided ? ir::floor_div(length, 2) + Expr(1) : length, 2});
}

void params_stft(const ir::NodeView& n, ir::ParamsBlob& blob) {
  StftParams p;
  const auto step = constant_numbers(n, "step", 1);
  if (step) p.step = step->at(0);
  if (n.attrs().has("length") || n.has_input(3)) {
    const auto length = constant_numbers(n, "length", 3);
    p.length = length ? length->at(0) : 0;
  } else {
    p.length = (n.has_input(2) ? n.input(2).shape[0] : n.input(0).shape[1]).constant();
  }
  if (p.length < 1) fail("the length of a frame is {}", p.length);
  blob.set(p);
}

/// MelWeightMatrix(bins?, length?, rate, low, high) {bins?, length?, dtype}: [length / 2 + 1, bins].
void infer_mel(ir::InferContext& c) {
  const Expr bins = one_number(c, "bins", 0), length = one_number(c, "length", 1);
  const DType type = parse_dtype(c.attrs().s("dtype"));
  if (!is_float(type) && !is_integer(type)) c.fail("element type {} is not supported", dtype_name(type));
  c.set_output(0, type, {ir::floor_div(length, 2) + Expr(1), bins});
}

/// Of the plain sum over a whole axis, whichever it is.
double flops_dft(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  std::int64_t longest = 1;
  for (const Shape& s : {in[0], out[0]})
    for (int a = 0; a < s.rank; ++a) longest = std::max(longest, s[a]);
  return 4 * static_cast<double>(out[0].numel()) * static_cast<double>(longest);
}

double flops_stft(const ir::NodeView& n, const std::vector<Shape>&, const std::vector<Shape>& out) {
  const double frame = static_cast<double>(out[0][2]) * (n.attrs().i("onesided") != 0 ? 2 : 1);
  return 4 * static_cast<double>(out[0].numel()) * frame;
}

constexpr ir::AttrDef kDftAttrs[] = {{"length", ir::AttrKind::ints}, {"axis", -2}, {"inverse", 0}, {"onesided", 0}};
constexpr ir::AttrDef kStftAttrs[] = {{"step", ir::AttrKind::ints}, {"length", ir::AttrKind::ints}, {"onesided", 1}};
constexpr ir::AttrDef kMelAttrs[] = {{"bins", ir::AttrKind::ints}, {"length", ir::AttrKind::ints}, {"dtype", "f32"}};

constexpr ir::OpDef kOps[] = {
    {.name = "DFT", .attrs = kDftAttrs, .max_inputs = 3, .infer = infer_dft, .params = params_dft, .flops = flops_dft},
    {.name = "STFT",
     .attrs = kStftAttrs,
     .max_inputs = 4,
     .infer = infer_stft,
     .params = params_stft,
     .flops = flops_stft,
     .shape_inputs = 8},
    {.name = "MelWeightMatrix", .attrs = kMelAttrs, .min_inputs = 5, .max_inputs = 5, .infer = infer_mel},
};

}  // namespace

extern const ir::OpList signal_ops{kOps};

}  // namespace monza::ops
