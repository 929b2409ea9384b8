// com.microsoft's Attention, QAttention, MultiHeadAttention and RotaryEmbedding, as ONNX Runtime's optimiser writes
// them: products, a mask that is added, and ONNX's own operators.
#include "ops/attention/ms_values.onnx.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// What a computation of attention is of; values that are absent are ir::kNone.
struct Parts {
  ir::ValueId q = ir::kNone, k = ir::kNone, v = ir::kNone;  ///< three axes, or k and v [B, N, L, h]
  ir::ValueId mask = ir::kNone;                             ///< com.microsoft's integer masks
  ir::ValueId bias = ir::kNone;                             ///< is added to the scores
  ir::ValueId past_k = ir::kNone, past_v = ir::kNone;       ///< [B, N, P, h]
  std::int64_t heads = 0;
};

/// What is added to the scores for an integer mask: 0 where a key counts, mask_filter_value where it does not.
ir::ValueId added_mask(OnnxNode& n, const Parts& p) {
  const float filter = n.f("mask_filter_value", -10000.F);
  if (p.mask == ir::kNone) return ir::kNone;
  const ir::SymShape mask = n.type(p.mask).shape, q = n.type(p.q).shape;
  ir::ValueId attends = ir::kNone;  // boolean, [B, 1, 1 or S, T]
  if (mask.size() == 1) {           // how many keys of each sequence count; or where they end, and where they begin
    const bool both = mask[0] == q[0] * ir::Expr(2) && !(mask[0] == q[0]);
    if (!both && mask[0].is_constant() && q[0].is_constant() && !(mask[0] == q[0]))
      fail("a mask of {} numbers for {} sequences is not supported", ir::to_string(mask[0]), ir::to_string(q[0]));
    ir::ValueId total = extent(n, p.k, n.type(p.k).rank() == 4 ? 2 : 1);
    if (p.past_k != ir::kNone) total = n.add1("Add", {total, extent(n, p.past_k, 2)});
    const ir::ValueId key = n.add1(
        "Range", {n.constant_value(ir::constant_i64_scalar(0)), total, n.constant_value(ir::constant_i64_scalar(1))});
    ir::ValueId ends = cast(n, p.mask, DType::i64), begins = ir::kNone;
    if (both) {
      const std::int64_t batch = known_extent(n, p.q, 0, "the batch");
      const auto halves = split(n, ends, 0, {batch, batch});
      ends = halves[0];
      begins = halves[1];
    }
    attends = n.add1("Less", {key, unsqueezed(n, ends, {1})});
    if (both) attends = n.add1("And", {attends, n.add1("GreaterOrEqual", {key, unsqueezed(n, begins, {1})})});
    attends = unsqueezed(n, attends, {1, 2});
  } else if (mask.size() == 2 || mask.size() == 3) {
    attends = n.add1("Greater", {p.mask, scalar_of(n, p.mask, 0)});
    attends = unsqueezed(n, attends, mask.size() == 2 ? Ints{1, 2} : Ints{1});
  } else {
    fail("a mask of {} axes is not supported", mask.size());
  }
  return n.add1("Where", {attends, scalar_of(n, p.q, 0), scalar_of(n, p.q, filter)});
}

/// Binds output 0 and returns ONNX's Attention's: y, present key, present value, scores.
std::vector<ir::ValueId> add_attention(OnnxNode& n, Parts p, int outputs) {
  ir::ValueId mask = added_mask(n, p);
  if (p.bias != ir::kNone) mask = mask == ir::kNone ? p.bias : n.add1("Add", {mask, p.bias});
  ir::Attrs attrs;
  if (const float scale = n.f("scale", 0); scale != 0) attrs.set("scale", static_cast<double>(scale));
  if (n.i("unidirectional", 0) != 0) attrs.set("is_causal", std::int64_t{1});
  attrs.set("qk_matmul_output_mode", std::int64_t{2});
  const bool four = n.type(p.k).rank() == 4;
  if (four) {
    const std::int64_t hidden = known_extent(n, p.q, 2, "the query's width");
    if (hidden % p.heads != 0) fail("a query of width {} does not divide into {} heads", hidden, p.heads);
    p.q = transposed(n, reshaped(n, p.q, {0, 0, p.heads, hidden / p.heads}));
  } else {
    attrs.set("q_num_heads", p.heads);
    attrs.set("kv_num_heads", p.heads);
  }
  auto out = n.add("Attention", trimmed({p.q, p.k, p.v, mask, p.past_k, p.past_v}), std::move(attrs), outputs);
  n.bind(0, four ? reshaped(n, transposed(n, out[0]), {0, 0, -1}) : out[0]);
  return out;
}

/// Attention on a product of query, key and value [B, S, 2 D + Dv], with the past [2, B, N, P, h] in one tensor.
void attend_packed(OnnxNode& n, ir::ValueId qkv, Ints sizes, Parts p, ir::ValueId past) {
  refuse(n, "do_rotary");
  refuse(n, "past_present_share_buffer");
  n.ignore("rotary_embedding_dim");
  p.heads = num_heads(n);
  const std::int64_t width = known_extent(n, qkv, 2, "the width of the weights");
  if (sizes.empty()) {
    if (width % 3 != 0) fail("weights of width {} are not of query, key and value", width);
    sizes.assign(3, width / 3);
  }
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != width)
    fail("qkv_hidden_sizes do not add up to the width of the weights, {}", width);
  const auto parts = split(n, qkv, 2, sizes);
  p.q = parts[0], p.k = parts[1], p.v = parts[2];
  if (past != ir::kNone) {
    const auto both = unstacked(n, past, 0, 2);
    p.past_k = both[0], p.past_v = both[1];
  }
  const bool present = n.has_output(1);
  const auto out = add_attention(n, p, present ? 3 : 1);
  if (present)
    n.bind(1, n.add1("Concat", {unsqueezed(n, out[1], {0}), unsqueezed(n, out[2], {0})}, {{"axis", std::int64_t{0}}}));
}

/// (x [B, S, I], weights [I, 2 D + Dv], bias?, mask?, past?, attention bias?)
void import_ms_attention(OnnxNode& n) {
  Parts p;
  p.mask = input_or_none(n, 3);
  p.bias = input_or_none(n, 5);
  ir::ValueId qkv = n.add1("MatMul", {n.input(0), n.input(1)});
  if (input_or_none(n, 2) != ir::kNone) qkv = n.add1("Add", {qkv, n.input(2)});
  attend_packed(n, qkv, n.ints("qkv_hidden_sizes"), p, input_or_none(n, 4));
}

/// (x, weights, bias, x_scale, weight_scale, mask?, x_zero?, weight_zero?, past?): x and weights of 8 bits.
void import_qattention(OnnxNode& n) {
  Parts p;
  p.mask = input_or_none(n, 5);
  const ir::ValueId qkv =
      n.add1("QMatMul", trimmed({n.input(0), n.input(3), input_or_none(n, 6), n.input(1), n.input(4),
                                 input_or_none(n, 7), ir::kNone, ir::kNone, input_or_none(n, 2)}));
  attend_packed(n, qkv, {}, p, input_or_none(n, 8));
}

/// (query, key?, value?, bias?, key mask?, attention bias?, past key?, past value?)
void import_multi_head(OnnxNode& n) {
  Parts p;
  p.heads = num_heads(n);
  p.q = n.input(0);
  p.k = input_or_none(n, 1);
  p.v = input_or_none(n, 2);
  p.mask = input_or_none(n, 4);
  p.bias = input_or_none(n, 5);
  p.past_k = input_or_none(n, 6);
  p.past_v = input_or_none(n, 7);
  if (input_or_none(n, 8) != ir::kNone || input_or_none(n, 9) != ir::kNone)
    fail("a shared buffer of the past (inputs 8 and 9) is not supported");
  if (n.type(p.q).rank() == 5) {  // [B, S, N, 3, h]
    const auto parts = unstacked(n, p.q, 3, 3);
    p.q = reshaped(n, parts[0], {0, 0, -1});
    p.k = reshaped(n, parts[1], {0, 0, -1});
    p.v = reshaped(n, parts[2], {0, 0, -1});
  } else if (p.k != ir::kNone && n.type(p.k).rank() == 5) {  // [B, L, N, 2, h]
    const auto parts = unstacked(n, p.k, 3, 2);
    p.k = reshaped(n, parts[0], {0, 0, -1});
    p.v = reshaped(n, parts[1], {0, 0, -1});
  }
  if (p.k == ir::kNone || p.v == ir::kNone) fail("there is no key or no value");
  if (const ir::ValueId bias = input_or_none(n, 3); bias != ir::kNone) {
    const std::int64_t width = known_extent(n, bias, 0, "the width of the bias"),
                       hidden = known_extent(n, p.q, 2, "the query's width");
    if (width < 2 * hidden) fail("a bias of {} elements for a query of width {}", width, hidden);
    const auto parts = split(n, bias, 0, {hidden, hidden, width - 2 * hidden});
    p.q = n.add1("Add", {p.q, parts[0]});
    if (n.type(p.k).rank() == 3) {
      p.k = n.add1("Add", {p.k, parts[1]});
      p.v = n.add1("Add", {p.v, parts[2]});
    }
  }
  int outputs = 1;
  for (int i = 1; i < 4; ++i)
    if (n.has_output(i)) outputs = i + 1;
  const auto out = add_attention(n, p, outputs);
  for (int i = 1; i < outputs; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

/// (x [B, S, H] or [B, N, S, h], positions [B, S] or the first one, cos, sin)
void import_ms_rotary(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  ir::ValueId positions = n.input(1);
  refuse(n, "is_packed_batching");
  if (n.f("scale", 1) != 1) fail("a scale of the rotation is not supported");
  ir::Attrs attrs;
  std::int64_t heads = n.i("num_heads", 0);
  const std::int64_t rotated = n.i("rotary_embedding_dim", 0);
  const std::size_t rank = n.type(x).rank();
  if (rank == 3) {
    if (heads == 0) {
      const std::int64_t size = 2 * known_extent(n, n.input(2), 1, "the width of the tables");
      heads = size == 0 ? 0 : known_extent(n, x, 2, "the input's width") / size;
    }
    attrs.set("num_heads", heads);
  }
  if (rotated != 0) attrs.set("rotary_embedding_dim", rotated);
  if (n.i("interleaved", 0) != 0) attrs.set("interleaved", std::int64_t{1});
  if (n.type(positions).rank() == 1) {  // the position of the first token of each sequence
    const ir::ValueId steps =
        n.add1("Range", {n.constant_value(ir::constant_i64_scalar(0)), extent(n, x, rank == 3 ? 1 : 2),
                         n.constant_value(ir::constant_i64_scalar(1))});
    const ir::ValueId row = unsqueezed(n, n.add1("Add", {steps, positions}), {0});
    const ir::ValueId batch = n.add1("Shape", {x}, {{"start", std::int64_t{0}}, {"end", std::int64_t{1}}});
    positions = n.add1("Expand", {row, n.add1("Concat", {batch, i64s(n, {1})}, {{"axis", std::int64_t{0}}})});
  }
  n.bind(0, n.add1("RotaryEmbedding", {x, n.input(2), n.input(3), positions}, std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Attention", .domain = "com.microsoft", .import = import_ms_attention},
    {.op_type = "QAttention", .domain = "com.microsoft", .import = import_qattention},
    {.op_type = "MultiHeadAttention", .domain = "com.microsoft", .import = import_multi_head},
    {.op_type = "RotaryEmbedding", .domain = "com.microsoft", .import = import_ms_rotary},
};

}  // namespace

extern const OnnxImporters ms_attention_onnx{kImporters};

}  // namespace monza::ops
