// Attention and RotaryEmbedding: types, shapes, parameters, cost.
#include "ops/attention/attention.params.h"

#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

bool floating(DType t) { return t == DType::f32 || t == DType::f64 || t == DType::f16 || t == DType::bf16; }

/// An operand as [batch, heads, length, size].
struct Heads {
  Expr batch, heads, length, size;
};
Heads heads_of(ir::InferContext& c, int i, std::int64_t heads, const char* what) {
  const ir::SymShape& s = c.shape(i);
  if (s.size() == 4) return {s[0], s[1], s[2], s[3]};
  if (s.size() != 3) c.fail("{} has rank {}, not 3 or 4", what, s.size());
  if (heads < 1) c.fail("{} has three axes, so its number of heads must be given", what);
  if (const auto hidden = s[2].try_constant(); hidden && *hidden % heads != 0)
    c.fail("{} elements of {} do not divide into {} heads", *hidden, what, heads);
  return {s[0], Expr(heads), s[1], ir::floor_div(s[2], heads)};
}

void require_equal(ir::InferContext& c, const Expr& a, const Expr& b, const char* what) {
  if (a.is_constant() && b.is_constant() && !(a == b))
    c.fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
}

void infer_attention(ir::InferContext& c) {
  const std::int64_t q_heads = c.attrs().i("q_num_heads"), kv_heads = c.attrs().i("kv_num_heads");
  const std::size_t rank = c.shape(0).size();
  if (c.shape(1).size() != rank || c.shape(2).size() != rank) c.fail("query, key and value have different ranks");
  for (int i = 0; i < 3; ++i)
    if (!floating(c.dtype(i)) || c.dtype(i) != c.dtype(0))
      c.fail("query, key and value must be of one floating point type");
  const Heads q = heads_of(c, 0, q_heads, "the query"), k = heads_of(c, 1, kv_heads, "the key"),
              v = heads_of(c, 2, kv_heads, "the value");
  require_equal(c, q.size, k.size, "head sizes of query and key differ");
  require_equal(c, k.length, v.length, "lengths of key and value differ");
  require_equal(c, k.heads, v.heads, "heads of key and value differ");
  require_equal(c, q.batch, k.batch, "batches of query and key differ");
  if (const auto h = q.heads.try_constant(), hk = k.heads.try_constant(); h && hk && (*hk == 0 || *h % *hk != 0))
    c.fail("{} query heads are no multiple of {} key heads", *h, *hk);
  if (const std::int64_t mode = c.attrs().i("qk_matmul_output_mode"); mode < 0 || mode > 3)
    c.fail("qk_matmul_output_mode is {}", mode);
  if (c.has_input(4) != c.has_input(5)) c.fail("past key and past value come together");
  Expr total = k.length;
  if (c.has_input(4)) {
    for (int i = 4; i < 6; ++i)
      if (c.shape(i).size() != 4 || c.dtype(i) != c.dtype(0))
        c.fail("the past has type {}, not four axes of {}", ir::to_string(c.input(i)), dtype_name(c.dtype(0)));
    require_equal(c, c.shape(4)[1], k.heads, "heads of key and past differ");
    require_equal(c, c.shape(4)[3], k.size, "head sizes of key and past differ");
    require_equal(c, c.shape(5)[3], v.size, "head sizes of value and past differ");
    total = total + c.shape(4)[2];
  }
  if (c.has_input(3)) {
    if (c.dtype(3) != DType::boolean && !floating(c.dtype(3)))
      c.fail("the mask has element type {}", dtype_name(c.dtype(3)));
    if (c.shape(3).empty() || c.shape(3).size() > 4) c.fail("the mask has rank {}", c.shape(3).size());
  }
  if (c.has_input(6) && (c.dtype(6) != DType::i64 || c.shape(6).size() != 1))
    c.fail("kv_length has type {}, not i64 of one axis", ir::to_string(c.input(6)));

  c.set_output(
      0, c.dtype(0),
      rank == 3 ? ir::SymShape{q.batch, q.length, q.heads * v.size} : ir::SymShape{q.batch, q.heads, q.length, v.size});
  c.set_output(1, c.dtype(1), {k.batch, k.heads, total, k.size});
  c.set_output(2, c.dtype(2), {v.batch, v.heads, total, v.size});
  c.set_output(3, c.dtype(0), {q.batch, q.heads, q.length, total});
}

void attention_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  AttentionParams p;
  if (n.input(0).rank() == 3) {
    p.q_heads = static_cast<std::int32_t>(n.attrs().i("q_num_heads"));
    p.kv_heads = static_cast<std::int32_t>(n.attrs().i("kv_num_heads"));
  }
  p.scale = static_cast<float>(n.attrs().f("scale"));
  p.softcap = static_cast<float>(n.attrs().f("softcap"));
  p.causal = n.attrs().i("is_causal") != 0;
  p.left_window = static_cast<std::int32_t>(n.attrs().i("left_window_size"));
  p.right_window = static_cast<std::int32_t>(n.attrs().i("right_window_size"));
  p.scores = static_cast<AttentionParams::Scores>(n.attrs().i("qk_matmul_output_mode"));
  p.masked = static_cast<float>(n.attrs().f("masked_score"));
  p.nan_rows = n.attrs().i("nan_rows") != 0;
  blob.set(p);
}

double attention_flops(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  const bool flat = in[0].rank == 3;
  const std::int64_t past = in.size() > 4 && n.has_input(4) ? in[4][2] : 0;
  const auto keys = static_cast<double>((flat ? in[1][1] : in[1][2]) + past);
  // Every query element meets every key, every output element every value.
  return 2.0 * keys * (static_cast<double>(in[0].numel()) + static_cast<double>(out[0].numel()));
}

void infer_rotary(ir::InferContext& c) {
  if (!floating(c.dtype(0))) c.fail("element type {} is not a float", dtype_name(c.dtype(0)));
  const Heads x = heads_of(c, 0, c.attrs().i("num_heads"), "the input");
  const std::size_t table = c.has_input(3) ? 2 : 3;
  for (int i = 1; i < 3; ++i)
    if (c.shape(i).size() != table) c.fail("a table has rank {}, not {}", c.shape(i).size(), table);
  if (c.has_input(3) && (c.dtype(3) != DType::i64 || c.shape(3).size() != 2))
    c.fail("positions have type {}, not i64 of two axes", ir::to_string(c.input(3)));
  const std::int64_t dim = c.attrs().i("rotary_embedding_dim");
  const Expr rotated = dim == 0 ? x.size : Expr(dim);
  if (const auto r = rotated.try_constant(), d = x.size.try_constant(); r && d && (*r > *d || *r % 2 != 0))
    c.fail("{} of {} elements of a head cannot be rotated in pairs", *r, *d);
  require_equal(c, c.shape(1).back() * Expr(2), rotated, "twice the table's width and the rotated elements differ");
  require_equal(c, c.shape(2).back() * Expr(2), rotated, "twice the table's width and the rotated elements differ");
  c.set_output(0, c.dtype(0), c.shape(0));
}

void rotary_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RotaryParams p;
  if (n.input(0).rank() == 3) p.heads = static_cast<std::int32_t>(n.attrs().i("num_heads"));
  p.dim = static_cast<std::int32_t>(n.attrs().i("rotary_embedding_dim"));
  p.interleaved = n.attrs().i("interleaved") != 0;
  blob.set(p);
}

double rotary_flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return 3.0 * static_cast<double>(in[0].numel());
}

constexpr ir::AttrDef kAttentionAttrs[] = {{"q_num_heads", 0},
                                           {"kv_num_heads", 0},
                                           {"scale", 0.0},
                                           {"softcap", 0.0},
                                           {"is_causal", 0},
                                           {"left_window_size", -1},
                                           {"right_window_size", -1},
                                           {"qk_matmul_output_mode", 0},
                                           {"masked_score", AttentionParams{}.masked},
                                           {"nan_rows", 0}};
constexpr ir::AttrDef kRotaryAttrs[] = {{"num_heads", 0}, {"rotary_embedding_dim", 0}, {"interleaved", 0}};

constexpr ir::OpDef kAttentionOps[] = {
    {.name = "Attention",
     .attrs = kAttentionAttrs,
     .min_inputs = 3,
     .max_inputs = 7,
     .max_outputs = 4,
     .infer = infer_attention,
     .params = attention_params,
     .flops = attention_flops},
    {.name = "RotaryEmbedding",
     .attrs = kRotaryAttrs,
     .min_inputs = 3,
     .max_inputs = 4,
     .infer = infer_rotary,
     .params = rotary_params,
     .flops = rotary_flops},
};

}  // namespace

extern const ir::OpList attention_ops{kAttentionOps};

}  // namespace monza::ops
