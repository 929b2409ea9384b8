// Attention: softmax(q k^T * scale + mask) v, in the spellings of BERT, ViT and GPT.
//
// What lies around the two products (splitting [B, L, H * D] into heads, and joining them) is traced through, so that
// the operator reads the projections' results where they lie and nothing is moved.
#include <array>

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
      const auto p = n->attrs.ints("perm");
      for (std::size_t& axis : perm) axis = static_cast<std::size_t>(p[axis]);
      v = n->inputs[0];
      continue;
    }
    if (is(n, "Gather")) {
      // Query, key and value in one tensor: [B, L, parts * H * D] to [B, L, parts, H, D] to [parts, B, H, L, D].
      const auto index = scalar_value(g, n->inputs[1]);
      const ir::Node* turn = g.producer(n->inputs[0]);
      if (!index || g.value(n->inputs[1]).type.rank() != 0 || n->attrs.i("axis", 0) != 0 || !is(turn, "Transpose"))
        return std::nullopt;
      const auto p = turn->attrs.ints("perm");
      if (p.size() != 5 || p[0] != 2) return std::nullopt;
      const ir::Node* split = g.producer(turn->inputs[0]);
      if (!is(split, "Reshape")) return std::nullopt;
      const ir::SymShape &from = g.value(split->inputs[0]).type.shape, &to = g.value(split->outputs[0]).type.shape;
      if (from.size() != 3 || !(from[0] == to[0]) || !(from[1] == to[1])) return std::nullopt;
      const auto parts = to[2].try_constant(), heads = to[3].try_constant(), size = to[4].try_constant();
      if (!parts || !heads || !size) return std::nullopt;
      for (std::size_t& axis : perm) {
        const auto five = p[axis + 1];
        axis = static_cast<std::size_t>(five > 2 ? five - 1 : five);
      }
      if (perm != wanted) return std::nullopt;
      source.part = static_cast<std::int64_t>(*index) < 0 ? static_cast<std::int64_t>(*index) + *parts
                                                          : static_cast<std::int64_t>(*index);
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
    if (!heads || !size) return std::nullopt;
    source.value = unscaled(g, n->inputs[0], source.scale);
    source.heads = *heads;
    source.size = *size;
    return source;
  }
  return std::nullopt;
}

/// True if every row of a boolean mask lets something through: then no row's result depends on what masks.
bool every_row_attends(const ir::Graph& g, ir::ValueId mask) {
  bool sliced = false;
  for (int steps = 0; steps < 8; ++steps) {
    const ir::Value& v = g.value(mask);
    if (v.constant) {
      if (v.type.rank() == 0) return false;
      const auto elements = ir::to_ints(*v.constant);
      const auto keys = static_cast<std::size_t>(v.constant->shape[v.constant->shape.rank - 1]);
      if (keys == 0) return false;
      for (std::size_t row = 0; row < elements.size(); row += keys) {
        bool any = elements[row] != 0;
        for (std::size_t i = 1; i < keys && !any && !sliced; ++i) any = elements[row + i] != 0;
        if (!any) return false;
      }
      return true;
    }
    // A slice keeps the first key, which every row of a causal mask reads, if it starts there.
    const ir::Node* n = g.producer(mask);
    if (is(n, "Unsqueeze") || is(n, "Expand")) {
      mask = n->inputs[0];
      continue;
    }
    if (!is(n, "Slice")) return false;
    auto list = [&](const char* name, std::size_t input) -> std::optional<std::vector<std::int64_t>> {
      if (n->attrs.has(name)) return n->attrs.ints(name);
      if (!has_operand(*n, input)) return std::nullopt;
      const auto& c = g.value(n->inputs[input]).constant;
      return c ? std::optional(ir::to_ints(*c)) : std::nullopt;
    };
    const auto axes = list("axes", 3), starts = list("starts", 1), steps_given = list("steps", 4);
    const auto rank = static_cast<std::int64_t>(v.type.rank());
    if (!axes || ((n->attrs.has("steps") || has_operand(*n, 4)) && !steps_given)) return false;
    for (std::size_t i = 0; i < axes->size(); ++i) {
      const std::int64_t axis = (*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i];
      if (axis != rank - 1) continue;
      if (!starts || (*starts)[i] != 0 || (steps_given && (*steps_given)[i] < 1)) return false;
    }
    sliced = true;
    mask = n->inputs[0];
  }
  return false;
}

/// The conditions of every spelling: "" or why not.
std::string guard(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::Node &softmax = m.node("softmax"), &scores = m.node("scores"), &result = m.node("result");
  const ir::Type &s = g.value(scores.outputs[0]).type, &p = g.value(softmax.outputs[0]).type;
  const auto rank = static_cast<std::int64_t>(p.rank());
  if (rank != 4) return "the scores are not [batch, heads, queries, keys]";
  if (p.dtype != DType::f32) return "the scores are not f32";
  const std::int64_t axis = softmax.attrs.i("axis", -1);
  if ((axis < 0 ? axis + rank : axis) != rank - 1 || softmax.attrs.i("flatten", 0) != 0)
    return "the softmax is not over the keys";
  for (const ir::Node* n : {&scores, &result}) {
    if (has_operand(*n, 2) || has_operand(*n, 3) || n->attrs.s("activation", "none") != "none")
      return "a product adds or applies something of its own";
    if (n->attrs.i("trans_a", 0) != 0 || n->attrs.i("trans_b", 0) != 0) return "a product transposes an operand";
  }
  if (result.attrs.f("alpha", 1) != 1) return "the result is scaled";
  if (m.number("scale") == 0) return "the scale is zero";
  if (!(s == p)) return "the mask has more extents than the scores";
  if (m.has("mask")) {
    const ir::Type& mask = m.type("mask");
    if (mask.rank() == 0 || !(mask.shape.back() == p.shape.back())) return "the mask does not have one column per key";
    if (mask.dtype != DType::f32) return "the mask is not f32";
  }
  if (m.has("allowed")) {
    if (m.type("allowed").rank() == 0 || !(m.type("allowed").shape.back() == p.shape.back()))
      return "the mask does not have one column per key";
    if (m.number("masked") > -1e4) return "masked scores are not far below the others";
    if (!every_row_attends(g, m["allowed"])) return "a row of the mask might let nothing through";
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

double scale_of(const Match& m) { return m.number("scale") * m.node("scores").attrs.f("alpha", 1); }

std::string guard_joined(const Match& m) {
  if (auto reason = guard(m); !reason.empty()) return reason;
  const Operands o = operands(m);
  if (!o.q || !o.k || !o.v)
    return fmt::format("the heads of the {} do not come from one tensor [batch, length, heads * size]", !o.q ? "query"
                                                                                                        : !o.k
                                                                                                            ? "key"
                                                                                                            : "value");
  if (o.k->heads != o.v->heads || o.q->heads % o.k->heads != 0) return "query, key and value have different heads";
  if (o.v->scale != 1) return "the value is scaled";
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
  return m.add(
      "Attention", {q, k, v, mask_of(m)},
      {{"q_num_heads", o.q->heads}, {"kv_num_heads", o.k->heads}, {"scale", scale_of(m) * o.q->scale * o.k->scale}});
}

/// The transposition that makes the key's second operand, behind factors.
const ir::Node* key_turn(const Match& m, double& scale) {
  const ir::Node* n = m.graph->producer(unscaled(*m.graph, m.node("scores").inputs[1], scale));
  return is(n, "Transpose") ? n : nullptr;
}

std::string guard_apart(const Match& m) {
  if (auto reason = guard(m); !reason.empty()) return reason;
  double scale = 1;
  if (key_turn(m, scale) == nullptr) return "the key is not transposed";
  return "";
}

ir::ValueId replace_apart(const Match& m) {
  double scale = scale_of(m);
  const ir::ValueId q = unscaled(*m.graph, m.node("scores").inputs[0], scale);
  const ir::Node& turn = *key_turn(m, scale);
  auto perm = turn.attrs.ints("perm");
  std::swap(perm[2], perm[3]);
  ir::ValueId k = turn.inputs[0];
  if (perm != std::vector<std::int64_t>{0, 1, 2, 3}) k = m.add("Transpose", {k}, {{"perm", perm}});
  return m.add("Attention", {q, k, m.node("result").inputs[1], mask_of(m)}, {{"scale", scale}});
}

void run(ir::Graph& graph, PassContext& context) {
  const Pattern scores = op("MatMul", {any(), any(), rest()}).as("scores");
  const Pattern scaled = product({scores, number("scale")});
  const Pattern masked =
      either({op("Add", {scaled, any("mask")}), op("Where", {any("allowed"), scaled, number("masked")}), scaled});
  const Pattern softmax = op("Softmax", {masked}).as("softmax");
  const Pattern result = op("MatMul", {softmax, any(), rest()}).as("result");
  const Pattern joined = op("Reshape", {op("Transpose", {result}).where([](const ir::Graph&, const ir::Node& n) {
                                          return n.attrs.ints("perm") == std::vector<std::int64_t>{0, 2, 1, 3};
                                        }),
                                        rest()});
  // Joined heads first, at the end of the chain; then products that stand alone.
  apply(graph, context, {{"join(softmax(q k^T * scale + mask) v)", joined, guard_joined, replace_joined}});
  apply(graph, context, {{"softmax(q k^T * scale + mask) v", result, guard_apart, replace_apart}});
}
}  // namespace

const Pass attention_pass{"fuse_attention", "attention spelled out becomes Attention", run};
}  // namespace monza
