// If, Loop, Scan: the runtime runs their bodies, so they have definitions and no kernels.
#include "ops/control/control.def.h"

#include <algorithm>
#include <map>

#include "ops/shared/lists.def.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// Gives body input `index` a type and content; true if that changed something.
bool set_body_input(ir::Graph& body, std::size_t index, const ir::Type& type,
                    const std::optional<std::vector<Expr>>& content) {
  ir::Value& v = body.value(body.inputs()[index]);
  if (v.type == type && v.content == content) return false;
  v.type = type;
  v.content = content;
  return true;
}

const ir::Type& output_type(const ir::Graph& body, std::size_t i) { return body.value(body.outputs()[i].value).type; }

void require_scalar(const ir::InferContext& c, int i, DType type, const char* what) {
  if (c.dtype(i) != type || !(ir::product(c.shape(i)) == Expr(1)))
    c.fail("{} must be one element of {}, but is {}", what, dtype_name(type), ir::to_string(c.input(i)));
}

/// If(condition, captures...), bodies then and else, whose inputs are the captures.
void infer_if(ir::InferContext& c) {
  require_scalar(c, 0, DType::boolean, "the condition");
  const auto outputs = static_cast<std::size_t>(c.output_count());
  for (int b = 0; b < 2; ++b) {
    ir::Graph& body = c.body(b);
    if (body.inputs().size() != static_cast<std::size_t>(c.input_count()) - 1)
      c.fail("body {} has {} inputs for {} captures", b, body.inputs().size(), c.input_count() - 1);
    if (body.outputs().size() != outputs)
      c.fail("body {} has {} outputs, the node {}", b, body.outputs().size(), outputs);
    bool changed = false;
    for (std::size_t i = 0; i < body.inputs().size(); ++i) {
      const int input = static_cast<int>(i) + 1;
      changed = set_body_input(body, i, c.input(input), c.known_content(input)) || changed;
    }
    if (changed) body.infer_all();
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    const ir::Type &yes = output_type(c.body(0), i), &no = output_type(c.body(1), i);
    if (is_list(yes) && yes.kind == no.kind && yes.dtype == no.dtype) {
      c.set_output(static_cast<int>(i), joined(seen_outside(yes), seen_outside(no)));
      continue;
    }
    if (yes.dtype != no.dtype || yes.kind != no.kind || yes.rank() != no.rank()) {
      const std::string fact =
          fmt::format("output {} is {} in one branch and {} in the other", i, ir::to_string(yes), ir::to_string(no));
      const auto open = [](const ir::Type& t) { return !ir::product(t.shape).is_constant(); };
      if (open(yes) || open(no))
        fail_hint("give a narrower range of shapes, in which one branch is always taken", "{}", fact);
      c.fail("{}", fact);
    }
    ir::SymShape shape;
    for (std::size_t a = 0; a < yes.rank(); ++a) {
      // Where the branches differ, the extent is that of the branch that ran.
      if (yes.shape[a] == no.shape[a]) shape.push_back(yes.shape[a]);
      else shape.push_back(c.new_extent(static_cast<int>(i), larger(yes.shape[a], no.shape[a])));
    }
    c.set_output(static_cast<int>(i), yes.dtype, std::move(shape), yes.kind);
  }
}

/// True if body output `output` is always true: a constant, or body input `passed` handed through, which began as true.
bool stays_true(ir::Graph& body, std::size_t output, std::size_t passed) {
  ir::ValueId v = body.outputs()[output].value;
  if (known_condition(body, v) == true) return true;
  for (;;) {
    if (v == body.inputs()[passed]) return true;
    const ir::Node* node = body.producer(v);
    if (node == nullptr || std::string_view(node->op->name) != "Identity") return false;
    v = node->inputs[0];
  }
}

/// A sequence may take the place of an optional one between iterations: what carries them is the same.
bool same_kind(const ir::Type& now, const ir::Type& after) {
  return now.kind == after.kind ||
         (now.kind == ir::ValueKind::optional_sequence && after.kind == ir::ValueKind::sequence);
}

/// The type of a list that an iteration takes as `now` and makes as `after`, for the next one. Bounds that still grow
/// after some rounds are given up.
ir::Type widened(const ir::Type& now, const ir::Type& after, int round) {
  ir::Type type = joined(now, seen_outside(after));
  for (std::size_t a = 0; a < type.rank(); ++a)
    if (round > 4 && (type.varying >> a & 1) != 0 && a < now.rank() && !(type.shape[a] == now.shape[a]))
      type.shape[a] = kNoBound;
  return type;
}

/// Gives loop-carried body inputs types that hold in every iteration, and infers the body. An extent that grows by a
/// constant in each iteration becomes an extent of the body input, bounded by what `trips` iterations make of it.
void fit_carried(ir::InferContext& c, ir::Graph& body, std::size_t first_input, std::size_t first_output,
                 std::size_t count, int node_input, const Expr& trips) {
  for (std::size_t k = 0; k < count; ++k) {
    const ir::Type start = c.input(node_input + static_cast<int>(k));
    const std::size_t in = first_input + k;
    ir::Type type = body.value(body.inputs()[in]).type;
    if (is_list(start)) {
      // What the model declares counts only while nothing is known: an empty list says nothing of its tensors.
      const bool declared = type.dtype == start.dtype && start.elements == ir::Elements::none && is_list(type);
      type = declared ? joined(start, type) : start;
      set_body_input(body, in, type, std::nullopt);
      continue;
    }
    if (type.rank() != start.rank() || type.dtype != start.dtype) type = start;
    for (std::size_t a = 0; a < type.rank(); ++a) {
      const auto& terms = type.shape[a].terms();
      const bool grows = terms.size() == 1 && terms[0].atoms.size() == 1 &&
                         terms[0].atoms[0]->kind == ir::AtomKind::extent &&
                         terms[0].atoms[0]->value == body.inputs()[in];
      if (!grows) type.shape[a] = start.shape[a];
    }
    set_body_input(body, in, type, std::nullopt);
  }
  for (int round = 0;; ++round) {
    body.infer_all();
    bool stable = true;
    for (std::size_t k = 0; k < count; ++k) {
      const ir::ValueId in = body.inputs()[first_input + k];
      const ir::Type after = output_type(body, first_output + k), start = c.input(node_input + static_cast<int>(k));
      ir::Type type = body.value(in).type;
      if (is_list(type) && after.dtype == type.dtype && same_kind(type, after)) {
        const ir::Type next = widened(type, after, round);
        stable = stable && next == type;
        set_body_input(body, first_input + k, next, std::nullopt);
        continue;
      }
      if (after.dtype != type.dtype || after.rank() != type.rank() || after.kind != type.kind)
        c.fail("loop-carried value {} is {} before and {} after an iteration", k, ir::to_string(type),
               ir::to_string(after));
      bool changed = false;
      for (std::size_t a = 0; a < type.rank(); ++a) {
        const bool varies = !(type.shape[a] == start.shape[a]);
        if (after.shape[a] == type.shape[a]) continue;
        const auto step = (after.shape[a] - type.shape[a]).try_constant();
        if (!step || *step < 0)
          c.fail("extent {} of loop-carried value {} becomes {} from {} in an iteration: its bound is not known", a, k,
                 ir::to_string(after.shape[a]), ir::to_string(type.shape[a]));
        if (varies) continue;  // grows by a constant: the bound holds
        type.shape[a] = Expr::extent(in, static_cast<std::int64_t>(a), start.shape[a] + trips * Expr(*step));
        changed = true;
      }
      if (!changed) continue;
      stable = false;
      set_body_input(body, first_input + k, type, std::nullopt);
    }
    if (stable) return;
    if (round > 8) c.fail("the types of loop-carried values do not settle");
  }
}

/// Type of a carried value after the loop: extents that grew are reported by the runtime.
void set_final(ir::InferContext& c, int output, const ir::Type& in_body, const ir::Type& start, const ir::Type& after) {
  if (is_list(start)) {
    ir::Type type = seen_outside(in_body);
    type.kind = after.kind;
    c.set_output(output, std::move(type));
    return;
  }
  ir::SymShape shape;
  for (std::size_t a = 0; a < start.rank(); ++a) {
    if (in_body.shape[a] == start.shape[a]) shape.push_back(start.shape[a]);
    else shape.push_back(c.new_extent(output, in_body.shape[a].terms()[0].atoms[0]->args[0]));
  }
  c.set_output(output, start.dtype, std::move(shape), start.kind);
}

/// An extent of a value inside a body as the outside sees it: one that depends on values of the body is reported.
Expr outside(ir::InferContext& c, int output, const Expr& extent) {
  bool inside = false;
  const Expr bound = ir::substitute(extent, [&](const ir::Atom& atom) -> std::optional<Expr> {
    if (atom.kind == ir::AtomKind::symbol) return std::nullopt;
    inside = true;
    if (atom.kind == ir::AtomKind::extent) return atom.args[0];
    return std::nullopt;
  });
  return inside ? c.new_extent(output, bound) : extent;
}

/// Loop(trips?, condition?, carried..., captures...) {carried}, body (iteration, condition, carried..., captures...) to
/// (condition, carried..., stacked...).
void infer_loop(ir::InferContext& c) {
  const auto carried = static_cast<std::size_t>(c.attrs().i("carried"));
  ir::Graph& body = c.body(0);
  if (body.inputs().size() != static_cast<std::size_t>(c.input_count()))
    c.fail("the body has {} inputs, the node {}", body.inputs().size(), c.input_count());
  if (body.outputs().size() != static_cast<std::size_t>(c.output_count()) + 1)
    c.fail("the body has {} outputs, the node {}", body.outputs().size(), c.output_count());
  // Iterations of a loop that has no smaller bound: more end the run with resource_exhausted.
  const std::int64_t most = body.model().limits.trips;
  Expr trips = most;
  bool exact = false;
  if (c.has_input(0)) {
    require_scalar(c, 0, DType::i64, "the trip count");
    const Expr given = c.content(0)[0];
    exact = !given.is_constant() || given.constant() <= most;
    trips = larger(0, smaller(given, most));
  }
  if (c.has_input(1)) {
    require_scalar(c, 1, DType::boolean, "the condition");
    const auto begin = c.known_content(1);
    exact = exact && begin && (*begin)[0] == Expr(1);
  }
  exact = exact && stays_true(body, 0, 1);
  set_body_input(body, 0, {DType::i64, {}}, std::nullopt);
  set_body_input(body, 1, {DType::boolean, {}}, std::nullopt);
  for (int i = 2 + static_cast<int>(carried); i < c.input_count(); ++i)
    set_body_input(body, static_cast<std::size_t>(i), c.input(i), c.known_content(i));
  fit_carried(c, body, 2, 1, carried, 2, trips);
  for (std::size_t k = 0; k < carried; ++k)
    set_final(c, static_cast<int>(k), body.value(body.inputs()[2 + k]).type, c.input(2 + static_cast<int>(k)),
              output_type(body, 1 + k));
  if (static_cast<std::size_t>(c.output_count()) == carried) return;
  const Expr made = exact ? trips : c.new_extent(static_cast<int>(carried), trips);
  for (int i = static_cast<int>(carried); i < c.output_count(); ++i) {
    const ir::Type part = output_type(body, static_cast<std::size_t>(i) + 1);
    if (is_list(part)) c.fail("output {} would stack {}", i, ir::to_string(part));
    ir::SymShape shape{made};
    for (const Expr& e : part.shape) shape.push_back(outside(c, i, e));
    c.set_output(i, part.dtype, std::move(shape), part.kind);
  }
}

std::vector<std::int64_t> per_item(const ir::AttrReader& attrs, const char* name, std::size_t count) {
  auto list = attrs.ints(name, count);
  if (list.size() != count) fail("{} has {} entries, not {}", name, list.size(), count);
  return list;
}

/// Scan(states..., sequences..., captures...) {carried, scanned, scan_input_axes, scan_input_directions,
/// scan_output_axes, scan_output_directions}, body (states..., slices..., captures...) to (states..., stacked...).
void infer_scan(ir::InferContext& c) {
  const auto carried = static_cast<std::size_t>(c.attrs().i("carried")),
             scanned = static_cast<std::size_t>(c.attrs().i("scanned"));
  ir::Graph& body = c.body(0);
  if (body.inputs().size() != static_cast<std::size_t>(c.input_count()))
    c.fail("the body has {} inputs, the node {}", body.inputs().size(), c.input_count());
  if (body.outputs().size() != static_cast<std::size_t>(c.output_count()) || body.outputs().size() < carried)
    c.fail("the body has {} outputs, the node {}", body.outputs().size(), c.output_count());
  if (scanned < 1 || carried + scanned > body.inputs().size()) c.fail("{} sequences are scanned", scanned);
  const std::size_t stacked = body.outputs().size() - carried;
  const auto in_axes = per_item(c.attrs(), "scan_input_axes", scanned),
             out_axes = per_item(c.attrs(), "scan_output_axes", stacked);
  per_item(c.attrs(), "scan_input_directions", scanned);
  per_item(c.attrs(), "scan_output_directions", stacked);
  Expr trips = 0;
  for (std::size_t k = 0; k < scanned; ++k) {
    const ir::Type& sequence = c.input(static_cast<int>(carried + k));
    const std::size_t axis = axis_of(in_axes[k], sequence.rank());
    if (k == 0) trips = sequence.shape[axis];
    else require_equal(trips, sequence.shape[axis], "scanned sequences differ in length");
    ir::Type slice = sequence;
    slice.shape.erase(slice.shape.begin() + static_cast<std::ptrdiff_t>(axis));
    set_body_input(body, carried + k, slice, std::nullopt);
  }
  for (std::size_t i = carried + scanned; i < body.inputs().size(); ++i)
    set_body_input(body, i, c.input(static_cast<int>(i)), c.known_content(static_cast<int>(i)));
  fit_carried(c, body, 0, 0, carried, 0, trips);
  for (std::size_t k = 0; k < carried; ++k)
    set_final(c, static_cast<int>(k), body.value(body.inputs()[k]).type, c.input(static_cast<int>(k)),
              output_type(body, k));
  for (std::size_t k = 0; k < stacked; ++k) {
    const int output = static_cast<int>(carried + k);
    const ir::Type part = output_type(body, carried + k);
    ir::SymShape shape;
    for (const Expr& e : part.shape) shape.push_back(outside(c, output, e));
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis_of(out_axes[k], part.rank() + 1)), trips);
    c.set_output(output, part.dtype, std::move(shape), part.kind);
  }
}

/// A shape as Refuse's attribute has it: each extent is followed by a semicolon.
std::string refused_text(const ir::SymShape& shape) {
  std::string text;
  for (const Expr& e : shape) text += ir::to_string(e) + ";";
  return text;
}

ir::SymShape parse_refused(std::string_view text) {
  ir::SymShape shape;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    shape.push_back(ir::parse_expr(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return shape;
}

/// Refuse() {dtypes, shapes}: stands for the nodes of a branch that cannot run with the shapes an engine is built for.
void infer_refuse(ir::InferContext& c) {
  const auto dtypes = c.attrs().strings("dtypes"), shapes = c.attrs().strings("shapes");
  if (dtypes.size() != static_cast<std::size_t>(c.output_count()) || shapes.size() != dtypes.size())
    c.fail("{} element types and {} shapes for {} outputs", dtypes.size(), shapes.size(), c.output_count());
  for (std::size_t i = 0; i < dtypes.size(); ++i)
    c.set_output(static_cast<int>(i), parse_dtype(dtypes[i]), parse_refused(shapes[i]));
}

}  // namespace

std::unique_ptr<ir::Graph> refusing_body(const std::shared_ptr<ir::Model>& model, const ir::Graph& other,
                                         const std::vector<ir::Value>& captures, const ir::OriginSet& origins) {
  auto body = std::make_unique<ir::Graph>(model);
  for (const ir::Value& v : captures) {
    const ir::ValueId in = body->add_input({}, v.type, v.origins);
    body->value(in).content = v.content;
  }
  std::vector<std::string> dtypes, shapes;
  for (const auto& output : other.outputs()) {
    const ir::Type& type = other.value(output.value).type;
    dtypes.emplace_back(dtype_name(type.dtype));
    ir::SymShape shape = type.shape;
    for (Expr& e : shape)
      if (!only_symbols(e)) e = 0;  // extents that the other body's values decide mean nothing here
    shapes.push_back(refused_text(shape));
  }
  const int count = static_cast<int>(dtypes.size());
  ir::Attrs attrs;
  attrs.set("dtypes", std::move(dtypes));
  attrs.set("shapes", std::move(shapes));
  const auto outputs = body->add_node(ir::get_op("Refuse"), {}, std::move(attrs), count, origins).outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) body->add_output(other.outputs()[i].name, outputs[i]);
  return body;
}

void substitute_refused(ir::Graph& graph, ir::NodeId node, const Replacement& replacement) {
  if (std::string_view(std::as_const(graph).node(node).op->name) != "Refuse") return;
  std::vector<std::string> shapes = attrs_of(std::as_const(graph).node(node)).strings("shapes");
  for (std::string& text : shapes) {
    ir::SymShape shape = parse_refused(text);
    for (Expr& e : shape) e = ir::substitute(e, replacement);
    text = refused_text(shape);
  }
  graph.node(node).attrs.set("shapes", std::move(shapes));
}

namespace {

/// What the one element of an integer value is, as far as it is tracked.
std::optional<Expr> single_content(const ir::Value& v) {
  if (v.content && v.content->size() == 1) return (*v.content)[0];
  if (v.constant && v.constant->numel() == 1 && is_integer(v.type.dtype)) return Expr(ir::to_ints(*v.constant)[0]);
  return std::nullopt;
}

/// Equality is not tracked in general; here the elements that a profile fixes may decide it.
std::optional<Expr> equality(const ir::Graph& graph, ir::ValueId condition) {
  const ir::Node* node = graph.producer(condition);
  if (node == nullptr || std::string_view(node->op->name) != "Equal") return std::nullopt;
  const auto a = single_content(graph.value(node->inputs[0])), b = single_content(graph.value(node->inputs[1]));
  if (!a || !b) return std::nullopt;
  return equals(*a, *b);
}

/// The values that an expression over extents takes in the model's profiles.
ir::Interval range_in_profiles(const Expr& e, const ir::Model& model) {
  return ir::range(e, [&](const ir::Atom& atom) {
    if (atom.kind != ir::AtomKind::symbol) return ir::Interval{INT64_MIN, INT64_MAX};
    const auto it = model.extent_ranges.find(atom.name);
    return it != model.extent_ranges.end() ? it->second : ir::Interval{0, INT64_MAX};
  });
}

}  // namespace

std::optional<bool> known_condition(ir::Graph& graph, ir::ValueId condition, bool in_profiles) {
  const ir::Value& v = graph.value(condition);
  if (v.constant && v.constant->numel() == 1 && !is_float(v.type.dtype)) return ir::to_ints(*v.constant)[0] != 0;
  Expr element = Expr::element(condition, 0);
  if (v.content && v.content->size() == 1) element = (*v.content)[0];
  else if (const auto equal = equality(graph, condition)) element = *equal;
  ir::Model& model = graph.model();
  std::vector<std::pair<ir::ValueId, std::int64_t>> taken;
  element = ir::substitute(element, [&](const ir::Atom& atom) -> std::optional<Expr> {
    const auto it =
        atom.kind == ir::AtomKind::element ? model.element_values.find(atom.value) : model.element_values.end();
    if (it == model.element_values.end()) return std::nullopt;
    taken.emplace_back(atom.value, atom.index);
    return Expr(it->second.at(static_cast<std::size_t>(atom.index)));
  });
  ir::Interval values{INT64_MIN, INT64_MAX};
  if (const auto known = element.try_constant()) values = {*known, *known};
  else if (in_profiles) values = range_in_profiles(element, model);
  if (values.low <= 0 && values.high >= 0 && values.low != values.high) return std::nullopt;
  model.specialised.insert(taken.begin(), taken.end());
  return values.low != 0;
}

namespace {

constexpr ir::AttrDef kLoopAttrs[] = {{"carried", 0}};
constexpr ir::AttrDef kScanAttrs[] = {{"carried", 0},
                                      {"scanned", 1},
                                      {"scan_input_axes", ir::Each{0}},
                                      {"scan_input_directions", ir::Each{0}},
                                      {"scan_output_axes", ir::Each{0}},
                                      {"scan_output_directions", ir::Each{0}}};
constexpr ir::AttrDef kRefuseAttrs[] = {ir::required("dtypes", ir::AttrKind::strings),
                                        ir::required("shapes", ir::AttrKind::strings)};

constexpr ir::OpDef kOps[] = {
    {.name = "If",
     .max_inputs = 1 << 16,
     .max_outputs = 1 << 16,
     .flags = ir::OpFlag::control,
     .infer = infer_if,
     .bodies = 2},
    {.name = "Loop",
     .attrs = kLoopAttrs,
     .min_inputs = 2,
     .max_inputs = 1 << 16,
     .max_outputs = 1 << 16,
     .flags = ir::OpFlag::control,
     .infer = infer_loop,
     .bodies = 1},
    {.name = "Scan",
     .attrs = kScanAttrs,
     .max_inputs = 1 << 16,
     .max_outputs = 1 << 16,
     .flags = ir::OpFlag::control,
     .infer = infer_scan,
     .bodies = 1},
    // Named an effect so that nothing folds it: its failure is the point.
    {.name = "Refuse",
     .attrs = kRefuseAttrs,
     .min_inputs = 0,
     .max_inputs = 0,
     .max_outputs = 1 << 16,
     .flags = ir::OpFlag::effect,
     .infer = infer_refuse},
};

}  // namespace

extern const ir::OpList control_ops{kOps};

}  // namespace monza::ops
