// ReverseSequence, Trilu, Col2Im.
#include "ops/move/move.params.h"
#include "ops/shared/shapes.def.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// ReverseSequence(x, lengths) {batch_axis, time_axis}.
void infer_reverse_sequence(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::size_t batch = axis_of(c.attrs().i("batch_axis"), x.size()),
                    time = axis_of(c.attrs().i("time_axis"), x.size());
  if (batch == time) c.fail("batch_axis and time_axis are both {}", batch);
  if (c.shape(1).size() != 1) c.fail("lengths have rank {}, not 1", c.shape(1).size());
  require_equal(c.shape(1)[0], x[batch], "lengths and batch differ");
  if (c.dtype(1) != DType::i64) c.fail("lengths must be i64");
  c.set_output(0, c.dtype(0), x);
}

void params_reverse_sequence(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ReverseSequenceParams p;
  p.batch_axis = static_cast<std::int32_t>(axis_of(n.attrs().i("batch_axis"), n.input(0).rank()));
  p.time_axis = static_cast<std::int32_t>(axis_of(n.attrs().i("time_axis"), n.input(0).rank()));
  blob.set(p);
}

/// Trilu(x, k?) {upper}.
void infer_trilu(ir::InferContext& c) {
  if (c.shape(0).size() < 2) c.fail("input has rank {}; at least 2 is needed", c.shape(0).size());
  if (c.has_input(1) && !(ir::product(c.shape(1)) == Expr(1))) c.fail("k is not a scalar");
  if (c.has_input(1) && c.dtype(1) != DType::i64) c.fail("k must be i64");
  c.set_output(0, c.dtype(0), c.shape(0));
}

void params_trilu(const ir::NodeView& n, ir::ParamsBlob& blob) {
  TriluParams p;
  p.upper = n.attrs().i("upper") != 0;
  blob.set(p);
}

/// Col2Im(x [N, C * prod(block), L], image_shape?, block_shape?) {image_shape?, block_shape?, dilations?, pads?,
/// strides?}.
void infer_col2im(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  if (x.size() != 3) c.fail("input has rank {}, not 3", x.size());
  const std::vector<Expr> image = numbers(c, "image_shape", 1), block = numbers(c, "block_shape", 2);
  if (image.size() != block.size()) c.fail("image_shape has {} axes, block_shape {}", image.size(), block.size());
  for (const char* name : {"dilations", "strides"})
    if (c.attrs().has(name) && c.attrs().ints(name).size() != image.size())
      c.fail("{} has not one entry an axis", name);
  if (c.attrs().has("pads") && c.attrs().ints("pads").size() != 2 * image.size())
    c.fail("pads has not two entries an axis");
  if (image.size() + 2 > static_cast<std::size_t>(kMaxRank)) c.fail("{} image axes are too many", image.size());
  ir::SymShape out{x[0], ir::floor_div(x[1], ir::product(block))};
  out.insert(out.end(), image.begin(), image.end());
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_col2im(const ir::NodeView& n, ir::ParamsBlob& blob) {
  Col2ImParams p;
  const std::size_t axes = n.output(0).rank() - 2;
  p.axes = static_cast<std::int64_t>(axes);
  const auto block = constant_numbers(n, "block_shape", 2);
  const auto dilations = n.attrs().ints("dilations", axes);
  const auto strides = n.attrs().ints("strides", axes);
  const auto pads = n.attrs().ints("pads", 2 * axes);
  for (std::size_t i = 0; i < axes; ++i) {
    p.block[i] = block ? (*block)[i] : -1;  // -1: read while running
    p.dilation[i] = dilations[i];
    p.stride[i] = strides[i];
    p.pad_begin[i] = pads[i];
    p.pad_end[i] = pads[i + axes];
    if (p.dilation[i] < 1 || p.stride[i] < 1 || (block && p.block[i] < 1))
      fail("block, dilation and stride must be positive");
  }
  blob.set(p);
}

constexpr ir::AttrDef kReverseSequenceAttrs[] = {{"batch_axis", 1}, {"time_axis", 0}};
constexpr ir::AttrDef kTriluAttrs[] = {{"upper", 1}};
constexpr ir::AttrDef kCol2ImAttrs[] = {{"image_shape", ir::AttrKind::ints},
                                        {"block_shape", ir::AttrKind::ints},
                                        {"dilations", ir::Each{1}},
                                        {"strides", ir::Each{1}},
                                        {"pads", ir::Each{0}}};

constexpr ir::OpDef kFoldOps[] = {
    {.name = "ReverseSequence",
     .attrs = kReverseSequenceAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_reverse_sequence,
     .params = params_reverse_sequence},
    {.name = "Trilu", .attrs = kTriluAttrs, .max_inputs = 2, .infer = infer_trilu, .params = params_trilu},
    {.name = "Col2Im",
     .attrs = kCol2ImAttrs,
     .max_inputs = 3,
     .infer = infer_col2im,
     .params = params_col2im,
     .shape_inputs = 2},
};

}  // namespace

extern const ir::OpList fold_ops{kFoldOps};

}  // namespace monza::ops
