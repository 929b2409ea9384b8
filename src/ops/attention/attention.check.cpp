// What the kernels of this family rely on: heads that divide, lengths and head sizes that agree, a mask that broadcasts
// to the scores.
#include "kernel/check_rules.h"
#include "ops/attention/attention.params.h"
#include "ops/attention/linear_attention.params.h"

namespace monza::ops {
namespace {

/// The four logical axes [batch, heads, length, size] of an operand of three or four axes; false where it has others.
bool heads_of(const TensorView& v, std::int64_t heads, Shape& s) {
  if (v.shape.rank == 4) {
    s = v.shape;
    return true;
  }
  if (v.shape.rank != 3 || heads < 1 || v.shape[2] % heads != 0) return false;
  s = {v.shape[0], heads, v.shape[1], v.shape[2] / heads};
  return true;
}

Refusal check_attention(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 7, .most_out = 4})) return r;
  const auto& p = c.params_as<AttentionParams>();
  for (int i = 0; i < 3; ++i) MONZA_REQUIRE(plain(c.in[i]) && c.in[i].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(c.out[0].dtype == c.in[0].dtype, kTypes);
  for (int i = 1; i < 3; ++i)
    MONZA_REQUIRE(c.in[i].shape.rank == c.in[0].shape.rank, "query, key and value differ in rank");
  MONZA_REQUIRE(c.out[0].shape.rank == c.in[0].shape.rank, "query and result differ in rank");
  MONZA_REQUIRE(c.in[0].shape.rank == 3 || p.q_heads == 0, "heads are given for operands of four axes");
  Shape q, k, v, y;
  MONZA_REQUIRE(heads_of(c.in[0], p.q_heads, q) && heads_of(c.in[1], p.kv_heads, k) &&
                    heads_of(c.in[2], p.kv_heads, v) && heads_of(c.out[0], p.q_heads, y),
                "an operand does not divide into heads");
  MONZA_REQUIRE(k[1] >= 1 && q[1] % k[1] == 0, "query heads are no multiple of key heads");
  MONZA_REQUIRE(k[0] == q[0] && v[0] == q[0] && v[1] == k[1] && v[2] == k[2] && k[3] == q[3],
                "query, key and value do not fit each other");
  MONZA_REQUIRE(y == (Shape{q[0], q[1], q[2], v[3]}), "query and result do not fit each other");
  std::int64_t keys = k[2];
  MONZA_REQUIRE(c.has_input(4) == c.has_input(5), "past keys come without past values");
  if (c.has_input(4)) {
    const Shape &pk = c.in[4].shape, &pv = c.in[5].shape;
    MONZA_REQUIRE(plain(c.in[4]) && plain(c.in[5]), kTypes);
    MONZA_REQUIRE(pk.rank == 4 && pv == (Shape{k[0], k[1], pk[2], v[3]}) && pk == (Shape{k[0], k[1], pk[2], k[3]}),
                  "past and new keys do not fit each other");
    keys += pk[2];
  }
  if (c.has_input(3)) {
    const Shape& m = c.in[3].shape;
    const Shape scores{q[0], q[1], q[2], keys};
    MONZA_REQUIRE(plain(c.in[3]) && m.rank >= 1 && m.rank <= 4, "the mask does not broadcast to the scores");
    // Keys beyond the mask's last count as hidden, so the last axis may have any extent.
    for (int a = 0; a + 1 < m.rank; ++a)
      MONZA_REQUIRE(m[a] == 1 || m[a] == scores[4 - m.rank + a], "the mask does not broadcast to the scores");
  }
  if (c.has_input(6))
    MONZA_REQUIRE(c.in[6].dtype == DType::i64 && c.in[6].shape.rank == 1 && c.in[6].shape[0] >= q[0],
                  "there is not one length for each sequence");
  const Shape wanted[] = {y, {k[0], k[1], keys, k[3]}, {k[0], k[1], keys, v[3]}, {q[0], q[1], q[2], keys}};
  for (int i = 1; i < c.out_count; ++i)
    MONZA_REQUIRE(!c.has_output(i) || (plain(c.out[i]) && c.out[i].shape == wanted[i]),
                  "keys, values or scores do not fit the operands they are made of");
  return nullptr;
}

Refusal check_rotary(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 4})) return r;
  const auto& p = c.params_as<RotaryParams>();
  const TensorView &cos = c.in[1], &sin = c.in[2];
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype && plain(cos) && plain(sin), kTypes);
  MONZA_REQUIRE(c.out[0].shape == c.in[0].shape, "input and output differ in shape");
  Shape x;
  MONZA_REQUIRE(heads_of(c.in[0], p.heads, x), "the input does not divide into heads");
  const std::int64_t dim = p.dim == 0 ? x[3] : p.dim;
  MONZA_REQUIRE(dim >= 0 && dim <= x[3] && dim % 2 == 0, "more elements are rotated than a head has");
  for (const TensorView* table : {&cos, &sin}) {
    const Shape& t = table->shape;
    MONZA_REQUIRE(t.rank == (c.has_input(3) ? 2 : 3) && t[t.rank - 1] >= dim / 2, "a table is too small");
    MONZA_REQUIRE(t.rank == 2 || ((t[0] == 1 || t[0] == x[0]) && t[1] >= x[2]), "a table is too small");
  }
  if (c.has_input(3))
    MONZA_REQUIRE(c.in[3].dtype == DType::i64 && c.in[3].shape == (Shape{x[0], x[2]}),
                  "there is not one position for each row");
  return nullptr;
}

Refusal check_linear(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 6, .least_out = 2, .most_out = 2})) return r;
  const auto& p = c.params_as<LinearAttentionParams>();
  for (int i = 0; i < c.in_count; ++i) MONZA_REQUIRE(!c.has_input(i) || plain(c.in[i]), kTypes);
  MONZA_REQUIRE(plain(c.out[0]) && plain(c.out[1]), kTypes);
  const Shape& after = c.out[1].shape;
  MONZA_REQUIRE(after.rank == 4, "the state has not four axes");
  const std::int64_t batch = after[0], heads = after[1], size = after[2], v_size = after[3],
                     length = c.in[0].shape.rank == 3 ? c.in[0].shape[1] : -1;
  MONZA_REQUIRE(p.kv_heads >= 1 && p.q_heads >= 1 && p.q_heads % p.kv_heads == 0 && heads == p.kv_heads,
                "query heads are no multiple of key heads");
  MONZA_REQUIRE(sane(size) && sane(v_size) && size * v_size < std::int64_t{1} << 40, "the state is too large");
  MONZA_REQUIRE(length >= 0 && c.in[0].shape == (Shape{batch, length, p.q_heads * size}) &&
                    c.in[1].shape == (Shape{batch, length, heads * size}) &&
                    c.in[2].shape == (Shape{batch, length, heads * v_size}) &&
                    c.out[0].shape == (Shape{batch, length, p.q_heads * v_size}),
                "queries, keys, values and state do not fit each other");
  MONZA_REQUIRE(!c.has_input(3) || c.in[3].shape == after, "past and new state differ in shape");
  MONZA_REQUIRE(!c.has_input(4) || c.in[4].shape == (Shape{batch, length, heads}) ||
                    c.in[4].shape == (Shape{batch, length, heads * size}),
                "the decay does not fit the keys");
  MONZA_REQUIRE(
      !c.has_input(5) || c.in[5].shape == (Shape{batch, length, 1}) || c.in[5].shape == (Shape{batch, length, heads}),
      "beta does not fit the keys");
  return nullptr;
}

constexpr OperatorCheck kAttentionChecks[] = {
    {"Attention", check_attention},
    {"RotaryEmbedding", check_rotary},
    {"LinearAttention", check_linear},
};

}  // namespace

extern const CheckList attention_checks{kAttentionChecks};

}  // namespace monza::ops
