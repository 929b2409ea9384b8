// com.microsoft's GroupQueryAttention, which models of language are exported with: rotation, a cache of keys and values
// that may be longer than what is in it, and attention whose key heads serve several query heads.
#include <limits>

#include "ops/attention/ms_values.onnx.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

ir::ValueId i64_scalar(OnnxNode& n, std::int64_t value) { return n.constant_value(ir::constant_i64_scalar(value)); }

/// The new tokens, and where each sequence of the batch stands.
struct Tokens {
  ir::ValueId q = ir::kNone, k = ir::kNone, v = ir::kNone;  ///< [B, S, heads * size]
  std::int64_t heads = 0, kv_heads = 0, size = 0;
  ir::ValueId length = ir::kNone;     ///< S, a scalar
  ir::ValueId begin = ir::kNone;      ///< i64 [B]: how many tokens of each came before
  ir::ValueId positions = ir::kNone;  ///< i64 [B, S]
};

Tokens tokens_of(OnnxNode& n) {
  Tokens t;
  t.heads = num_heads(n);
  t.kv_heads = n.i("kv_num_heads", 0);
  if (t.kv_heads < 1 || t.heads % t.kv_heads != 0)
    fail("{} query heads are no multiple of {} key heads", t.heads, t.kv_heads);
  t.q = n.input(0);
  if (n.type(t.q).rank() != 3) fail("the query has rank {}, not 3", n.type(t.q).rank());
  t.k = input_or_none(n, 1);
  t.v = input_or_none(n, 2);
  if ((t.k == ir::kNone) != (t.v == ir::kNone)) fail("key and value come together");
  const std::int64_t width = known_extent(n, t.q, 2, "the query's width"),
                     parts = t.k == ir::kNone ? t.heads + 2 * t.kv_heads : t.heads;
  if (width % parts != 0) fail("a query of width {} does not divide into {} heads", width, parts);
  t.size = width / parts;
  if (t.k == ir::kNone) {
    const auto packed = split(n, t.q, 2, {t.heads * t.size, t.kv_heads * t.size, t.kv_heads * t.size});
    t.q = packed[0], t.k = packed[1], t.v = packed[2];
  }
  t.length = extent(n, t.q, 1);
  // seqlens_k is each sequence's last position. A first prompt that is padded behind its end begins at 0 all the same.
  const ir::ValueId last = n.add1("Reshape", {cast(n, n.input(5), DType::i64)}, {{"shape", Ints{-1}}});
  const ir::ValueId before = n.add1("Sub", {n.add1("Add", {last, i64_scalar(n, 1)}), t.length});
  t.begin = n.add1("Max", {before, i64_scalar(n, 0)});
  const ir::ValueId steps = n.add1("Range", {i64_scalar(n, 0), t.length, i64_scalar(n, 1)});
  t.positions = n.add1("Add", {unsqueezed(n, t.begin, {1}), steps});
  return t;
}

ir::ValueId rotated(OnnxNode& n, const Tokens& t, ir::ValueId x, std::int64_t heads) {
  ir::Attrs attrs{{"num_heads", heads}};
  const std::int64_t width = 2 * known_extent(n, n.input(7), 1, "the width of the tables");
  if (width != t.size) attrs.set("rotary_embedding_dim", width);
  if (n.i("rotary_interleaved", 0) != 0) attrs.set("interleaved", std::int64_t{1});
  const ir::ValueId given = input_or_none(n, 9);
  return n.add1("RotaryEmbedding",
                {x, n.input(7), n.input(8), given == ir::kNone ? t.positions : cast(n, given, DType::i64)}, attrs);
}

/// The cache with the new tokens [B, S, heads * size] where they belong: as long as the past or as all tokens,
/// whichever is more.
ir::ValueId cached(OnnxNode& n, const Tokens& t, ir::ValueId x, ir::ValueId past) {
  const ir::ValueId fresh = transposed(n, reshaped(n, x, {0, 0, t.kv_heads, t.size}));
  const ir::ValueId total = n.add1("Reshape", {cast(n, n.input(6), DType::i64)}, {{"shape", Ints{}}});
  ir::ValueId room = total;
  if (past != ir::kNone) {
    if (n.type(past).rank() != 4) fail("the past has rank {}, not 4", n.type(past).rank());
    room = n.add1("Max", {n.add1("Sub", {total, extent(n, past, 2)}), i64_scalar(n, 0)});
  }
  const ir::ValueId batch = n.add1("Shape", {fresh}, {{"start", std::int64_t{0}}, {"end", std::int64_t{1}}});
  const ir::ValueId shape =
      n.add1("Concat", {batch, i64s(n, {t.kv_heads}), unsqueezed(n, room, {0}), i64s(n, {t.size})},
             {{"axis", std::int64_t{0}}});
  ir::ValueId cache = n.add1("Expand", {scalar_of(n, x, 0), shape});
  if (past != ir::kNone) cache = n.add1("Concat", {past, cache}, {{"axis", std::int64_t{2}}});
  return n.add1("TensorScatter", {cache, fresh, t.begin}, {{"axis", std::int64_t{2}}});
}

/// What is added to scores, or a boolean: a token attends to those up to itself, and no more than a window of them,
/// itself among them.
ir::ValueId mask_of(OnnxNode& n, const Tokens& t, ir::ValueId keys) {
  const ir::ValueId key = n.add1("Range", {i64_scalar(n, 0), extent(n, keys, 2), i64_scalar(n, 1)});
  const ir::ValueId at = unsqueezed(n, t.positions, {2});  // [B, S, 1]
  ir::ValueId attends = n.add1("LessOrEqual", {key, at});
  if (const std::int64_t window = n.i("local_window_size", -1); window >= 0) {
    const ir::ValueId left = n.add1("Sub", {at, i64_scalar(n, window)});
    attends = n.add1("And", {attends, n.add1("Greater", {key, left})});
  }
  attends = unsqueezed(n, attends, {1});
  const ir::ValueId bias = input_or_none(n, 10);
  if (bias == ir::kNone) return attends;
  return n.add1("Where", {attends, bias, scalar_of(n, bias, -std::numeric_limits<double>::infinity())});
}

/// (query, key?, value?, past key?, past value?, seqlens_k, total_sequence_length, cos?, sin?, positions?, bias?)
void import_group_query(OnnxNode& n) {
  for (const char* attribute : {"smooth_softmax", "qk_output", "kv_cache_bit_width"}) refuse(n, attribute);
  for (const char* kind : {"k_quant_type", "v_quant_type"})
    if (const std::string type = n.s(kind, "NONE"); type != "NONE") fail("{} {} is not supported", kind, type);
  for (int i = 11; i < n.input_count(); ++i)
    if (n.input(i) != ir::kNone) fail("input {} is not supported", i);
  Tokens t = tokens_of(n);
  if (n.i("do_rotary", 0) != 0) {
    if (input_or_none(n, 7) == ir::kNone || input_or_none(n, 8) == ir::kNone) fail("there are no tables to rotate by");
    t.q = rotated(n, t, t.q, t.heads);
    t.k = rotated(n, t, t.k, t.kv_heads);
  } else {
    n.ignore("rotary_interleaved");
  }
  const ir::ValueId keys = cached(n, t, t.k, input_or_none(n, 3)), values = cached(n, t, t.v, input_or_none(n, 4));
  ir::Attrs attrs;
  if (const float scale = n.f("scale", 0); scale != 0) attrs.set("scale", static_cast<double>(scale));
  if (const float cap = n.f("softcap", 0); cap > 0) attrs.set("softcap", static_cast<double>(cap));
  const ir::ValueId q = transposed(n, reshaped(n, t.q, {0, 0, t.heads, t.size}));
  const ir::ValueId y = n.add1("Attention", {q, keys, values, mask_of(n, t, keys)}, std::move(attrs));
  n.bind(0, reshaped(n, transposed(n, y), {0, 0, t.heads * t.size}));
  if (n.has_output(1)) n.bind(1, keys);
  if (n.has_output(2)) n.bind(2, values);
}

constexpr OnnxImporter kGroupQueryImporters[] = {
    {.op_type = "GroupQueryAttention", .domain = "com.microsoft", .import = import_group_query},
};

}  // namespace

extern const OnnxImporters group_query_onnx{kGroupQueryImporters};

}  // namespace monza::ops
