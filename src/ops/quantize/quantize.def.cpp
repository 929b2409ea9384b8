// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, DequantizeBlocks, DequantizeRows: attributes, shapes,
// parameters.
#include "ir/op.h"
#include "ops/quantize/quantize.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

bool is_plain_float(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }
bool is_quantized(DType t) {
  switch (t) {
    case DType::i8:
    case DType::u8:
    case DType::i16:
    case DType::u16:
    case DType::i4:
    case DType::u4:
    case DType::i2:
    case DType::u2:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f4e2m1: return true;
    default: return false;
  }
}

DType dtype_attr(const ir::AttrReader& attrs, const char* name) {
  const std::string text = attrs.s(name);
  if (text.empty()) return DType::invalid;
  const DType type = parse_dtype(text);
  if (type == DType::invalid) fail("{} \"{}\" is not a type", name, text);
  return type;
}

/// The axis, counted from the front; 0 where it plays no role.
std::int64_t axis_of(const ir::AttrReader& attrs, std::size_t rank) {
  std::int64_t axis = attrs.i("axis");
  if (axis < 0) axis += static_cast<std::int64_t>(rank);
  return axis;
}

/// Checks that scale (input 1) and zero point (input 2) fit x.
void check_granularity(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &scale = c.shape(1);
  const std::int64_t axis = axis_of(c.attrs(), x.size()), block = c.attrs().i("block_size");
  const bool single = ir::product(scale) == ir::Expr(1);
  if (block < 0 || block > (1 << 30)) c.fail("block_size {} is out of range", block);
  if (block > 0) {
    if (scale.size() != x.size()) c.fail("blocked scales have rank {}, the input {}", scale.size(), x.size());
    if (axis < 0 || axis >= static_cast<std::int64_t>(x.size()))
      c.fail("axis {} is out of range for rank {}", axis, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const ir::Expr want = static_cast<std::int64_t>(i) == axis ? ir::ceil_div(x[i], block) : x[i];
      if (want.is_constant() && scale[i].is_constant() && !(want == scale[i]))
        c.fail("blocked scales have {} elements on axis {}, the input needs {}", ir::to_string(scale[i]), i,
               ir::to_string(want));
    }
  } else if (!single) {
    if (scale.size() != 1)
      c.fail("scale has shape {}; one element, or one an index of the axis, is needed", ir::to_string(scale));
    if (axis < 0 || axis >= static_cast<std::int64_t>(x.size()))
      c.fail("axis {} is out of range for rank {}", axis, x.size());
    const ir::Expr& extent = x[static_cast<std::size_t>(axis)];
    if (extent.is_constant() && scale[0].is_constant() && !(extent == scale[0]))
      c.fail("{} scales for {} indices of axis {}", ir::to_string(scale[0]), ir::to_string(extent), axis);
  }
  if (c.has_input(2)) {
    const ir::Expr have = ir::product(c.shape(2)), want = ir::product(scale);
    if (have.is_constant() && want.is_constant() && !(have == want))
      c.fail("{} zero points for {} scales", ir::to_string(have), ir::to_string(want));
  }
}

void infer_quantize(ir::InferContext& c) {
  const DType x = c.dtype(0), scale = c.dtype(1);
  if (!is_plain_float(x) && x != DType::i32) c.fail("element type {} is not one QuantizeLinear takes", dtype_name(x));
  if (!is_plain_float(scale) && scale != DType::i32 && scale != DType::f8e8m0)
    c.fail("scale has element type {}", dtype_name(scale));
  check_granularity(c);
  const DType asked = dtype_attr(c.attrs(), "output_type");
  DType out = asked;
  if (c.has_input(2)) {
    out = c.dtype(2);
    if (asked != DType::invalid && asked != out)
      c.fail("output_dtype is {}, the zero point's type {}", dtype_name(asked), dtype_name(out));
  }
  if (out == DType::invalid) out = DType::u8;
  if (!is_quantized(out)) c.fail("output type {} is not a quantised type", dtype_name(out));
  const DType precision = dtype_attr(c.attrs(), "precision");
  if (precision != DType::invalid && !is_plain_float(precision))
    c.fail("precision {} is not f32, f16 or bf16", dtype_name(precision));
  c.set_output(0, out, c.shape(0));
}

void infer_dequantize(ir::InferContext& c) {
  const DType x = c.dtype(0), scale = c.dtype(1);
  if (!is_quantized(x) && x != DType::i32) c.fail("element type {} is not one DequantizeLinear takes", dtype_name(x));
  if (!is_plain_float(scale) && scale != DType::f8e8m0) c.fail("scale has element type {}", dtype_name(scale));
  if (c.has_input(2) && c.dtype(2) != x)
    c.fail("input has type {}, its zero point {}", dtype_name(x), dtype_name(c.dtype(2)));
  check_granularity(c);
  DType out = dtype_attr(c.attrs(), "output_type");
  if (out == DType::invalid) out = scale == DType::f8e8m0 ? DType::f32 : scale;
  if (!is_plain_float(out)) c.fail("output type {} is not a floating point type", dtype_name(out));
  c.set_output(0, out, c.shape(0));
}

QuantizeParams params_of(const ir::NodeView& n) {
  QuantizeParams p;
  const std::int64_t axis = axis_of(n.attrs(), n.input(0).rank());
  p.block_size = static_cast<std::int32_t>(n.attrs().i("block_size"));
  const bool single = p.block_size == 0 && ir::product(n.input(1).shape) == ir::Expr(1);
  p.axis = single ? 0 : static_cast<std::int32_t>(axis);
  return p;
}

void params_quantize(const ir::NodeView& n, ir::ParamsBlob& blob) {
  QuantizeParams p = params_of(n);
  p.saturate = n.attrs().i("saturate") != 0;
  p.precision = static_cast<std::int32_t>(dtype_attr(n.attrs(), "precision"));
  blob.set(p);
}

void params_dequantize(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(params_of(n)); }

void infer_dynamic(ir::InferContext& c) {
  if (c.dtype(0) != DType::f32)
    c.fail("element type {} is not one DynamicQuantizeLinear takes", dtype_name(c.dtype(0)));
  c.set_output(0, DType::u8, c.shape(0));
  c.set_output(1, DType::f32, {});
  c.set_output(2, DType::u8, {});
}

/// DequantizeBlocks(x): the elements of a block encoding (q4_0, ...) as floats of `output_type`.
void infer_blocks(ir::InferContext& c) {
  if (!is_block_encoding(c.dtype(0))) c.fail("element type {} is stored in no blocks", dtype_name(c.dtype(0)));
  if (c.shape(0).empty()) c.fail("the input is a scalar, and blocks lie along the last axis");
  const DType out = dtype_attr(c.attrs(), "output_type");
  if (!is_plain_float(out)) c.fail("output type {} is not a floating point type", dtype_name(out));
  c.set_output(0, out, c.shape(0));
}

/// DequantizeRows(x [rows, K], indices [n]): rows of a block encoding as f32 [n, K]. What Gather is to other tables.
void infer_rows(ir::InferContext& c) {
  if (!is_block_encoding(c.dtype(0))) c.fail("element type {} is stored in no blocks", dtype_name(c.dtype(0)));
  if (c.shape(0).size() != 2 || c.shape(1).size() != 1)
    c.fail("a table of rank {} and indices of rank {}; 2 and 1 are wanted", c.shape(0).size(), c.shape(1).size());
  if (c.dtype(1) != DType::i64) c.fail("indices have element type {}, not i64", dtype_name(c.dtype(1)));
  c.set_output(0, DType::f32, {c.shape(1)[0], c.shape(0)[1]});
}

double one_an_element(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel());
}

constexpr ir::AttrDef kDequantizeAttrs[] = {{"axis", 1}, {"block_size", 0}, {"output_type", ""}};
constexpr ir::AttrDef kBlocksAttrs[] = {{"output_type", "f32"}};
constexpr ir::AttrDef kQuantizeOnlyAttrs[] = {{"saturate", 1}, {"precision", ""}};
constexpr auto kQuantizeAttrs = ir::joined(kDequantizeAttrs, kQuantizeOnlyAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "QuantizeLinear",
     .attrs = kQuantizeAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_quantize,
     .params = params_quantize,
     .flops = one_an_element},
    // Not folded: a dequantised weight is four times its size, and the integer kernels want the weight itself.
    {.name = "DequantizeLinear",
     .attrs = kDequantizeAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_dequantize,
     .params = params_dequantize,
     .flops = one_an_element},
    {.name = "DynamicQuantizeLinear",
     .min_inputs = 1,
     .max_inputs = 1,
     .min_outputs = 3,
     .max_outputs = 3,
     .infer = infer_dynamic,
     .flops = one_an_element},
    // Not folded: the blocks are what is to be stored.
    {.name = "DequantizeRows",
     .min_inputs = 2,
     .max_inputs = 2,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_rows,
     .flops = one_an_element},
    {.name = "DequantizeBlocks",
     .attrs = kBlocksAttrs,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_blocks,
     .flops = one_an_element},
};

}  // namespace

extern const ir::OpList quantize_ops{kOps};

}  // namespace monza::ops
