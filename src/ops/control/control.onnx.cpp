// ONNX If, Loop and Scan. A branch whose condition is known at import takes the place of the node.
#include <optional>

#include "base/log.h"
#include "import/api.h"
#include "ops/control/control.def.h"
#include "ops/shared/bodies.def.h"

namespace monza::ops {
namespace {

void bind_all(OnnxNode& n, const std::vector<ir::ValueId>& out) {
  if (static_cast<std::size_t>(n.output_count()) > out.size())
    fail("the node has {} outputs, its body makes {}", n.output_count(), out.size());
  n.bind_all(out);
}

/// A branch, in which Ifs whose branches differ in rank follow the first choice of branches that fits it.
std::unique_ptr<ir::Graph> import_branch(OnnxNode& n, const char* name, std::vector<ir::ValueId>& captures) {
  BranchGuesses& guesses = n.guesses();
  if (guesses.trying) return n.graph(name, captures);
  constexpr int kMostTries = 4;
  const std::vector<ir::ValueId> before = captures;
  std::optional<Error> first;
  for (int tries = 0; tries < kMostTries; ++tries) {
    guesses.trying = true;
    guesses.next = 0;
    captures = before;
    try {
      auto body = n.graph(name, captures);
      guesses = {};
      return body;
    } catch (const Error& e) {
      if (!first) first = e;
    }
    // The next choice: that of the last If that has another one.
    std::vector<bool>& second = guesses.second;
    second.resize(guesses.next);
    while (!second.empty() && second.back()) second.pop_back();
    if (second.empty()) break;
    second.back() = true;
  }
  guesses = {};
  throw Error(*first);
}

/// Whether the bodies' results may be those of one If.
bool fit_each_other(const ir::Graph& a, const ir::Graph& b) {
  if (a.outputs().size() != b.outputs().size()) return false;
  for (std::size_t i = 0; i < a.outputs().size(); ++i) {
    const ir::Type &x = a.value(a.outputs()[i].value).type, &y = b.value(b.outputs()[i].value).type;
    if (x.kind == ir::ValueKind::tensor && y.kind == x.kind && x.rank() != y.rank()) return false;
  }
  return true;
}

void import_if(OnnxNode& n) {
  const ir::ValueId condition = n.input(0);
  for (const char* name : {"then_branch", "else_branch"})
    if (!n.has_attr(name)) fail("the subgraph '{}' is missing", name);
  std::vector<ir::ValueId> captures;
  if (const auto known = known_condition(n.target(), condition, true)) {
    const auto body = n.graph(*known ? "then_branch" : "else_branch", captures);
    n.ignore(*known ? "else_branch" : "then_branch");
    bind_all(n, inline_body(n.target(), *body, captures));
    return;
  }
  std::vector<std::unique_ptr<ir::Graph>> bodies;
  // A branch may hold nodes that no run with these shapes can reach: its error waits until the branch is taken.
  std::vector<Error> errors;
  for (const char* name : {"then_branch", "else_branch"}) {
    try {
      bodies.push_back(import_branch(n, name, captures));
    } catch (const Error& e) {
      if (!errors.empty()) throw errors[0];
      errors.push_back(e);
      bodies.push_back(nullptr);
    }
  }
  const auto refuse = [&](std::size_t bad, const std::string& why) {
    log(LogLevel::info, "a branch does not fit the shapes of this build, and fails when it is taken: {}", why);
    std::vector<ir::Value> values;
    for (ir::ValueId v : captures) values.push_back(n.target().value(v));
    bodies[bad] = refusing_body(n.target().model_ptr(), *bodies[1 - bad], values, n.origins());
  };
  if (!errors.empty()) {
    refuse(bodies[0] == nullptr ? 0 : 1, errors[0].what());
  } else if (BranchGuesses& g = n.guesses(); g.trying && !fit_each_other(*bodies[0], *bodies[1])) {
    if (g.next == g.second.size()) g.second.push_back(false);
    const bool second = g.second[g.next++];
    refuse(second ? 0 : 1, "the results of the branches differ in rank");
  }
  std::vector<ir::ValueId> inputs{condition};
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  bind_all(n, n.add("If", std::move(inputs), {}, n.output_count(), std::move(bodies)));
}

void import_loop(OnnxNode& n) {
  const int given = n.input_count();
  std::vector<ir::ValueId> inputs, captures;
  std::vector<ir::Type> types{{DType::i64, {}}, {DType::boolean, {}}};
  for (int i = 0; i < given || i < 2; ++i) {
    inputs.push_back(i < given ? n.input(i) : ir::kNone);
    if (i < 2) continue;
    types.push_back(n.type(inputs.back()));
    // An empty list does not tell what its tensors will be: the body's declaration may.
    if (types.back().elements == ir::Elements::none) types.back() = {};
  }
  std::vector<std::unique_ptr<ir::Graph>> bodies;
  bodies.push_back(n.graph("body", captures, types));
  ir::Attrs attrs;
  attrs.set("carried", static_cast<std::int64_t>(inputs.size()) - 2);
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  if (bodies[0]->outputs().empty()) fail("the body has no outputs, but the first one must be its condition");
  const int outputs = static_cast<int>(bodies[0]->outputs().size()) - 1;
  bind_all(n, n.add("Loop", std::move(inputs), std::move(attrs), outputs, std::move(bodies)));
}

void import_scan(OnnxNode& n) {
  const std::int64_t scanned = n.i("num_scan_inputs", 1);
  const std::int64_t carried = n.input_count() - scanned;
  if (scanned < 1 || carried < 0) fail("{} of {} inputs are scanned", scanned, n.input_count());
  ir::Attrs attrs;
  attrs.set("carried", carried);
  attrs.set("scanned", scanned);
  const auto axes = n.ints("scan_input_axes", std::vector<std::int64_t>(static_cast<std::size_t>(scanned), 0));
  if (static_cast<std::int64_t>(axes.size()) != scanned)
    fail("scan_input_axes has {} entries for {} sequences", axes.size(), scanned);
  attrs.set("scan_input_axes", axes);
  for (const char* name : {"scan_input_directions", "scan_output_axes", "scan_output_directions"})
    if (n.has_attr(name)) attrs.set(name, n.ints(name));
  std::vector<ir::ValueId> inputs, captures;
  std::vector<ir::Type> types;
  for (int i = 0; i < n.input_count(); ++i) {
    inputs.push_back(n.input(i));
    types.push_back(n.type(inputs.back()));
    if (i < carried) continue;
    const auto rank = static_cast<std::int64_t>(types.back().rank());
    std::int64_t axis = axes[static_cast<std::size_t>(i - carried)];
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) fail("a scan axis lies outside rank {}", rank);
    types.back().shape.erase(types.back().shape.begin() + axis);
  }
  std::vector<std::unique_ptr<ir::Graph>> bodies;
  bodies.push_back(n.graph("body", captures, types));
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  const int outputs = static_cast<int>(bodies[0]->outputs().size());
  bind_all(n, n.add("Scan", std::move(inputs), std::move(attrs), outputs, std::move(bodies)));
}

/// Scan 8 has a batch axis before everything: a Scan over the batch whose body is the Scan of later opsets.
void import_scan_8(OnnxNode& n) {
  if (n.input_count() > 0 && n.input(0) != ir::kNone)
    fail_hint("export the model at opset 9 or later", "sequence_lens of Scan at opset 8 is not supported");
  const std::int64_t scanned = n.i("num_scan_inputs", 1), carried = n.input_count() - 1 - scanned;
  if (scanned < 1 || carried < 0) fail("{} of {} inputs are scanned", scanned, n.input_count() - 1);
  std::vector<ir::ValueId> inputs, captures;
  std::vector<ir::Type> rows, steps;
  for (int i = 1; i < n.input_count(); ++i) {
    inputs.push_back(n.input(i));
    ir::Type type = n.type(inputs.back());
    const bool is_scanned = i > carried;
    if (type.rank() < (is_scanned ? 2u : 1u)) fail("input {} is {}, without a batch axis", i, ir::to_string(type));
    type.shape.erase(type.shape.begin());
    rows.push_back(type);
    if (is_scanned) type.shape.erase(type.shape.begin());
    steps.push_back(std::move(type));
  }
  std::vector<std::unique_ptr<ir::Graph>> inner, outer;
  inner.push_back(n.graph("body", captures, steps));
  const auto made = inner[0]->outputs();
  outer.push_back(std::make_unique<ir::Graph>(n.target().model_ptr()));
  ir::Graph& batch = *outer[0];
  std::vector<ir::ValueId> row;
  for (const ir::Type& type : rows) row.push_back(batch.add_input({}, type, n.origins()));
  for (const ir::ValueId v : captures) {
    row.push_back(batch.add_input({}, n.type(v), n.origins()));
    batch.value(row.back()).content = n.target().value(v).content;
  }
  ir::Attrs attrs{{"carried", carried}, {"scanned", scanned}};
  if (n.has_attr("directions")) attrs.set("scan_input_directions", n.ints("directions"));
  const auto results = batch
                           .add_node(ir::get_op("Scan"), std::move(row), std::move(attrs),
                                     static_cast<int>(made.size()), n.origins(), std::move(inner))
                           .outputs;
  for (std::size_t k = 0; k < results.size(); ++k) batch.add_output(made[k].name, results[k]);
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  bind_all(n, n.add("Scan", std::move(inputs), {{"carried", std::int64_t{0}}, {"scanned", carried + scanned}},
                    static_cast<int>(made.size()), std::move(outer)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "If", .import = import_if},
    {.op_type = "Loop", .import = import_loop},
    {.op_type = "Scan", .until = 8, .import = import_scan_8},
    {.op_type = "Scan", .since = 9, .import = import_scan},
};

}  // namespace

extern const OnnxImporters control_onnx{kImporters};

}  // namespace monza::ops
