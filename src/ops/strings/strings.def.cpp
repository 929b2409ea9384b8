// Operators on tensors of strings: types and shapes.
#include "ops/shared/shapes.def.h"
#include "ops/strings/strings.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void require_strings(const ir::InferContext& c, int i) {
  if (c.dtype(i) != DType::string) c.fail("input {} must hold strings, but is {}", i, ir::to_string(c.input(i)));
}

/// StringEqual(a, b): boolean, StringConcat(a, b): strings; both broadcast.
void infer_pair(ir::InferContext& c, DType result) {
  require_strings(c, 0);
  require_strings(c, 1);
  c.set_output(0, result, broadcast_shapes(c, {&c.shape(0), &c.shape(1)}));
}
void infer_equal(ir::InferContext& c) { infer_pair(c, DType::boolean); }
void infer_concat(ir::InferContext& c) { infer_pair(c, DType::string); }

/// StringSplit(x, delimiter) {maxsplit?}: pieces [x..., most pieces of any], their numbers i64 [x...].
void infer_split(ir::InferContext& c) {
  require_strings(c, 0);
  require_strings(c, 1);
  require_equal(ir::product(c.shape(1)), 1, "there must be one delimiter");
  ir::SymShape pieces = c.shape(0);
  std::int64_t most = StringSplitParams::kMostPieces;
  if (c.attrs().has("maxsplit")) {
    const std::int64_t splits = c.attrs().i("maxsplit");
    if (splits < 0) c.fail("maxsplit is {}", splits);
    most = std::min(most - 1, splits) + 1;
  }
  pieces.push_back(c.new_extent(0, most));
  c.set_output(0, DType::string, std::move(pieces));
  c.set_output(1, DType::i64, c.shape(0));
}

void params_split(const ir::NodeView& n, ir::ParamsBlob& blob) {
  StringSplitParams p;
  p.most_splits = n.attrs().has("maxsplit") ? n.attrs().i("maxsplit") : INT64_MAX;
  blob.set(p);
}

/// StringNormalizer(x [C] or [1, C], stopwords [n]) {case_change_action, is_case_sensitive}: what is left, or one empty
/// string where nothing is.
void infer_normalizer(ir::InferContext& c) {
  require_strings(c, 0);
  require_strings(c, 1);
  ir::SymShape shape = c.shape(0);
  if (shape.size() != 1 && shape.size() != 2) c.fail("input has rank {}, not 1 or 2", shape.size());
  if (shape.size() == 2) require_equal(shape[0], 1, "a batch of strings must be one row");
  if (c.shape(1).size() != 1) c.fail("stopwords must be a list");
  shape.back() = c.new_extent(0, larger(1, shape.back()));
  c.set_output(0, DType::string, std::move(shape));
}

void params_normalizer(const ir::NodeView& n, ir::ParamsBlob& blob) {
  StringNormalizerParams p;
  const std::string action = n.attrs().s("case_change_action");
  if (action == "LOWER") p.change = StringNormalizerParams::Case::lower;
  else if (action == "UPPER") p.change = StringNormalizerParams::Case::upper;
  else if (action != "NONE") fail("case_change_action \"{}\" is not known", action);
  p.case_sensitive = n.attrs().i("is_case_sensitive") != 0 ? 1 : 0;
  blob.set(p);
}

/// StringToNumber(x) {to}, NumberToString(x).
void infer_to_number(ir::InferContext& c) {
  require_strings(c, 0);
  const DType to = parse_dtype(c.attrs().s("to"));
  if (dtype_bits(to) < 8 || (!is_float(to) && !is_integer(to) && to != DType::boolean))
    c.fail("strings are not converted to {}", dtype_name(to));
  c.set_output(0, to, c.shape(0));
}
void infer_to_string(ir::InferContext& c) {
  const DType from = c.dtype(0);
  if (!is_float(from) && !is_integer(from) && from != DType::boolean)
    c.fail("{} is not converted to strings", dtype_name(from));
  c.set_output(0, DType::string, c.shape(0));
}

constexpr ir::AttrDef kSplitAttrs[] = {{"maxsplit", ir::AttrKind::integer}};
constexpr ir::AttrDef kNormalizerAttrs[] = {{"case_change_action", "NONE"}, {"is_case_sensitive", 0}};
constexpr ir::AttrDef kToNumberAttrs[] = {ir::required("to", ir::AttrKind::string)};

constexpr ir::OpDef kStringsOps[] = {
    {.name = "StringEqual",
     .min_inputs = 2,
     .max_inputs = 2,
     .flags = ir::OpFlag::pointwise | ir::OpFlag::commutative,
     .infer = infer_equal},
    {.name = "StringConcat", .min_inputs = 2, .max_inputs = 2, .flags = ir::OpFlag::pointwise, .infer = infer_concat},
    {.name = "StringSplit",
     .attrs = kSplitAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .max_outputs = 2,
     .infer = infer_split,
     .params = params_split},
    {.name = "StringNormalizer",
     .attrs = kNormalizerAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_normalizer,
     .params = params_normalizer},
    {.name = "StringToNumber", .attrs = kToNumberAttrs, .flags = ir::OpFlag::pointwise, .infer = infer_to_number},
    {.name = "NumberToString", .flags = ir::OpFlag::pointwise, .infer = infer_to_string},
};

}  // namespace

extern const ir::OpList strings_ops{kStringsOps};

}  // namespace monza::ops
