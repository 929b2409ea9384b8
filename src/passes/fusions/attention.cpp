// Attention: softmax(q k^T * scale + mask) v, in the spellings of BERT, ViT and GPT.
//
// What lies around the two products (splitting [B, L, H * D] into heads, and joining them) is traced through, so that
// the operator reads the projections' results where they lie and nothing is moved.
#include <array>
#include <cmath>
#include <limits>

#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

using Perm = std::array<std::size_t, 4>;
constexpr Perm kHeads{0, 2, 1, 3};        // [B, L, H, D] to [B, H, L, D]
constexpr Perm kHeadsTurned{0, 2, 3, 1};  // [B, L, H, D] to [B, H, D, L]

/// A tensor [B, L, H * D] (or one of `parts` equal parts of its last axis) that an operand holds the heads of.
struct Source {
  ir::ValueId value = ir::kNone;
  std::int64_t heads = 0, size = 0;
  std::int64_t part = 0, parts = 1;
  double scale = 1;
};

/// Steps over multiplications by a constant number; they multiply up in `scale`.
ir::ValueId unscaled(const ir::Graph& g, ir::ValueId v, double& scale) {
  while (const ir::Node* n = g.producer(v)) {
    const std::string_view name = n->op->name;
    if (name != "Mul" && name != "Div") return v;
    const bool left = name == "Mul" && scalar_value(g, n->inputs[0]).has_value();
    const auto s = scalar_value(g, n->inputs[left ? 0 : 1]);
    const ir::ValueId other = n->inputs[left ? 1 : 0];
    if (!s || *s == 0 || !(g.value(other).type == g.value(v).type)) return v;
    scale = name == "Mul" ? scale * *s : scale / *s;
    v = other;
  }
  return v;
}

bool is(const ir::Node* n, std::string_view name) { return n != nullptr && name == n->op->name; }

/// Where the heads in `v`, whose axes are `wanted` of [B, L, H, D], come from.
std::optional<Source> source_of(const ir::Graph& g, ir::ValueId v, const Perm& wanted) {
  Source source;
  Perm perm{0, 1, 2, 3};
  if (g.value(v).type.rank() != 4) return std::nullopt;
  for (int steps = 0; steps < 16; ++steps) {
    v = unscaled(g, v, source.scale);
    const ir::Node* n = g.producer(v);
    if (is(n, "Transpose")) {
      const auto p = attrs_of(*n).ints("perm");
      if (p.size() != perm.size()) return std::nullopt;
      for (std::size_t& axis : perm) axis = static_cast<std::size_t>(p[axis]);
      v = n->inputs[0];
      continue;
    }
    if (is(n, "Gather")) {
      // Query, key and value in one tensor: [B, L, parts * H * D] to [B, L, parts, H, D] to [parts, B, H, L, D].
      const auto index = scalar_value(g, n->inputs[1]);
      const ir::Node* turn = g.producer(n->inputs[0]);
      if (!index || g.value(n->inputs[1]).type.rank() != 0 || attrs_of(*n).i("axis") != 0 || !is(turn, "Transpose"))
        return std::nullopt;
      const auto p = attrs_of(*turn).ints("perm");
      if (p.size() != 5 || p[0] != 2) return std::nullopt;
      const ir::Node* split = g.producer(turn->inputs[0]);
      if (!is(split, "Reshape")) return std::nullopt;
      const ir::SymShape &from = g.value(split->inputs[0]).type.shape, &to = g.value(split->outputs[0]).type.shape;
      if (from.size() != 3 || !(from[0] == to[0]) || !(from[1] == to[1])) return std::nullopt;
      const auto parts = to[2].try_constant(), heads = to[3].try_constant(), size = to[4].try_constant();
      if (!parts || !heads || !size || !(from[2] == to[2] * to[3] * to[4])) return std::nullopt;
      for (std::size_t& axis : perm) {
        const auto five = p[axis + 1];
        axis = static_cast<std::size_t>(five > 2 ? five - 1 : five);
      }
      if (perm != wanted) return std::nullopt;
      source.part = static_cast<std::int64_t>(*index) < 0 ? static_cast<std::int64_t>(*index) + *parts
                                                          : static_cast<std::int64_t>(*index);
      if (source.part < 0 || source.part >= *parts) return std::nullopt;
      source.parts = *parts;
      source.value = split->inputs[0];
      source.heads = *heads;
      source.size = *size;
      return source;
    }
    if (!is(n, "Reshape")) return std::nullopt;
    const ir::SymShape &from = g.value(n->inputs[0]).type.shape, &to = g.value(v).type.shape;
    if (perm != wanted || from.size() != 3 || to.size() != 4 || !(from[0] == to[0]) || !(from[1] == to[1]))
      return std::nullopt;
    const auto heads = to[2].try_constant(), size = to[3].try_constant();
    if (!heads || !size || !(from[2] == to[2] * to[3])) return std::nullopt;
    source.value = unscaled(g, n->inputs[0], source.scale);
    source.heads = *heads;
    source.size = *size;
    return source;
  }
  return std::nullopt;
}

double scale_of(const Match& m) { return m.number("scale") * attrs_of(m.node("scores")).f("alpha"); }

/// Query, key (turned, [B, H, D, L]) and value as the operator takes them: no batch and no query head broadcasts; keys
/// and values may have one head for all. "" or why not.
std::string side_by_side(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::SymShape &q = g.value(m.node("scores").inputs[0]).type.shape,
                     &k = g.value(m.node("scores").inputs[1]).type.shape,
                     &v = g.value(m.node("result").inputs[1]).type.shape;
  if (q.size() != 4 || k.size() != 4 || v.size() != 4) return "an operand lacks the axes of batch or heads";
  if (!(q[0] == k[0]) || !(q[0] == v[0])) return "the batches of query, key and value differ";
  if (q[1] == ir::Expr(0)) return "there are no heads";
  if (!(k[1] == v[1]) || !(q[1] == k[1] || k[1] == ir::Expr(1))) return "query, key and value have different heads";
  return "";
}

/// The conditions of every spelling: "" or why not.
std::string guard_attention(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::Node &softmax = m.node("softmax"), &scores = m.node("scores"), &result = m.node("result");
  const ir::Type &s = g.value(scores.outputs[0]).type, &p = g.value(softmax.outputs[0]).type;
  const auto rank = static_cast<std::int64_t>(p.rank());
  if (rank != 4) return "the scores are not [batch, heads, queries, keys]";
  if (p.dtype != DType::f32) return "the scores are not f32";
  if (auto reason = side_by_side(m); !reason.empty()) return reason;
  const std::int64_t axis = attrs_of(softmax).i("axis");
  if ((axis < 0 ? axis + rank : axis) != rank - 1 || attrs_of(softmax).i("flatten") != 0)
    return "the softmax is not over the keys";
  for (const ir::Node* n : {&scores, &result}) {
    if (has_operand(*n, 2) || has_operand(*n, 3) || attrs_of(*n).s("activation") != "none")
      return "a product adds or applies something of its own";
    if (attrs_of(*n).i("trans_a") != 0 || attrs_of(*n).i("trans_b") != 0) return "a product transposes an operand";
  }
  if (attrs_of(result).f("alpha") != 1) return "the result is scaled";
  if (static_cast<float>(scale_of(m)) == 0) return "the scale is zero";
  if (!(s == p)) return "the mask has more extents than the scores";
  if (m.has("mask")) {
    const ir::Type& mask = m.type("mask");
    if (mask.rank() == 0 || !(mask.shape.back() == p.shape.back())) return "the mask does not have one column per key";
    if (mask.dtype != DType::f32) return "the mask is not f32";
  }
  if (m.has("allowed")) {
    if (m.type("allowed").rank() == 0 || !(m.type("allowed").shape.back() == p.shape.back()))
      return "the mask does not have one column per key";
    if (!(m.number("masked") < std::numeric_limits<float>::infinity())) return "masked scores are no numbers";
  }
  return "";
}

struct Operands {
  std::optional<Source> q, k, v;
};
Operands operands(const Match& m) {
  const ir::Node &scores = m.node("scores"), &result = m.node("result");
  return {source_of(*m.graph, scores.inputs[0], kHeads), source_of(*m.graph, scores.inputs[1], kHeadsTurned),
          source_of(*m.graph, result.inputs[1], kHeads)};
}

ir::ValueId mask_of(const Match& m) { return m.has("mask") ? m["mask"] : m.has("allowed") ? m["allowed"] : ir::kNone; }

/// Rows without any key are what softmax makes of them, and scores that Where replaces keep the number it gives them.
ir::Attrs softmax_attrs(const Match& m, double scale) {
  ir::Attrs attrs{{"scale", scale}, {"nan_rows", std::int64_t{1}}};
  if (m.has("allowed") && std::isfinite(m.number("masked"))) attrs.set("masked_score", m.number("masked"));
  return attrs;
}

std::string guard_joined(const Match& m) {
  if (auto reason = guard_attention(m); !reason.empty()) return reason;
  const Operands o = operands(m);
  if (!o.q || !o.k || !o.v)
    return fmt::format("the heads of the {} do not come from one tensor [batch, length, heads * size]", !o.q ? "query"
                                                                                                        : !o.k
                                                                                                            ? "key"
                                                                                                            : "value");
  if (o.k->heads != o.v->heads || o.q->heads % o.k->heads != 0) return "query, key and value have different heads";
  if (o.v->scale != 1) return "the value is scaled";
  if (static_cast<float>(scale_of(m) * o.q->scale * o.k->scale) == 0) return "the scale is zero";
  return "";
}

ir::ValueId flat(const Match& m, const Source& s) {
  if (s.parts == 1) return s.value;
  const std::int64_t width = s.heads * s.size;
  return m.add("Slice", {s.value},
               {{"starts", std::vector<std::int64_t>{s.part * width}},
                {"ends", std::vector<std::int64_t>{(s.part + 1) * width}},
                {"axes", std::vector<std::int64_t>{2}},
                {"steps", std::vector<std::int64_t>{1}}});
}

ir::ValueId replace_joined(const Match& m) {
  const Operands o = operands(m);
  const ir::ValueId q = flat(m, *o.q), k = flat(m, *o.k), v = flat(m, *o.v);
  ir::Attrs attrs = softmax_attrs(m, scale_of(m) * o.q->scale * o.k->scale);
  attrs.set("q_num_heads", o.q->heads);
  attrs.set("kv_num_heads", o.k->heads);
  return m.add("Attention", {q, k, v, mask_of(m)}, attrs);
}

/// The transposition that makes the key's second operand, behind factors.
const ir::Node* key_turn(const Match& m, double& scale) {
  const ir::Node* n = m.graph->producer(unscaled(*m.graph, m.node("scores").inputs[1], scale));
  return is(n, "Transpose") && attrs_of(*n).ints("perm").size() == 4 ? n : nullptr;
}

std::string guard_apart(const Match& m) {
  if (auto reason = guard_attention(m); !reason.empty()) return reason;
  double scale = 1;
  if (key_turn(m, scale) == nullptr) return "the key is not transposed";
  return "";
}

ir::ValueId replace_apart(const Match& m) {
  double scale = scale_of(m);
  const ir::ValueId q = unscaled(*m.graph, m.node("scores").inputs[0], scale);
  const ir::Node& turn = *key_turn(m, scale);
  auto perm = attrs_of(turn).ints("perm");
  std::swap(perm[2], perm[3]);
  ir::ValueId k = turn.inputs[0];
  if (perm != std::vector<std::int64_t>{0, 1, 2, 3}) k = m.add("Transpose", {k}, {{"perm", perm}});
  return m.add("Attention", {q, k, m.node("result").inputs[1], mask_of(m)}, softmax_attrs(m, scale));
}

void fuse_attention(ir::Graph& graph, PassContext& context) {
  const Pattern scores = op("MatMul", {any(), any(), rest()}).as("scores");
  const Pattern scaled = product({scores, number("scale")});
  const Pattern masked =
      either({op("Add", {scaled, any("mask")}), op("Where", {any("allowed"), scaled, number("masked")}), scaled});
  const Pattern softmax = op("Softmax", {masked}).as("softmax");
  const Pattern result = op("MatMul", {softmax, any(), rest()}).as("result");
  const Pattern joined = op("Reshape", {op("Transpose", {result}).where([](const ir::Graph&, const ir::Node& n) {
                                          return attrs_of(n).ints("perm") == std::vector<std::int64_t>{0, 2, 1, 3};
                                        }),
                                        rest()});
  // Joined heads first, at the end of the chain; then products that stand alone.
  apply(graph, context, {{"join(softmax(q k^T * scale + mask) v)", joined, guard_joined, replace_joined}});
  apply(graph, context, {{"softmax(q k^T * scale + mask) v", result, guard_apart, replace_apart}});
}
}  // namespace

const Pass attention_pass{"fuse_attention", "attention spelled out becomes Attention", fuse_attention};
}  // namespace monza
