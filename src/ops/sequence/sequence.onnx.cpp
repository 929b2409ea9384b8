// ONNX operators on sequences and optionals.
#include "import/api.h"
#include "ops/shared/bodies.def.h"
#include "ops/shared/inputs.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Inputs as they are; the operator has no attributes.
void import_plain(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < n.input_count(); ++i) p.input(i, i);
  p.add(n.op_type());
}

void import_empty(OnnxNode& n) {
  const DType type = dtype_from_onnx(n.i("dtype", 1));
  n.bind(0, n.add1("SequenceConstruct", {}, {{"dtype", std::string(dtype_name(type))}}));
}

void import_split(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  p.attrs.set("axis", n.i("axis", 0));
  p.attrs.set("keepdims", n.i("keepdims", 1));
  p.add("SplitToSequence");
}

void import_concat(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("axis", n.i("axis", 0));
  p.attrs.set("new_axis", n.i("new_axis", 0));
  p.add("ConcatFromSequence");
}

void import_optional(OnnxNode& n) {
  const ir::ValueId x = n.input_count() > 0 ? n.input(0) : ir::kNone;
  if (x == ir::kNone) {
    const ir::Type type = n.type_attr("type");
    ir::Attrs attrs{{"dtype", std::string(dtype_name(type.dtype))}};
    attrs.set("sequence", std::int64_t{type.kind == ir::ValueKind::sequence});
    n.bind(0, n.add1("OptionalNone", {}, std::move(attrs)));
    return;
  }
  n.ignore("type");  // that of the input
  if (n.type(x).kind == ir::ValueKind::sequence) n.bind(0, n.add1("OptionalOf", {x}));
  else n.bind(0, n.add1("SequenceConstruct", {x}, {{"optional", std::int64_t{1}}}));
}

bool is_optional(const ir::Type& type) {
  return type.kind == ir::ValueKind::optional || type.kind == ir::ValueKind::optional_sequence;
}

/// What is no optional is always there, and a missing input never.
void import_has(OnnxNode& n) {
  const ir::ValueId x = n.input_count() > 0 ? n.input(0) : ir::kNone;
  if (x != ir::kNone && is_optional(n.type(x))) n.bind(0, n.add1("OptionalHas", {x}));
  else n.bind(0, n.constant_value(ir::constant_scalar(DType::boolean, x == ir::kNone ? 0 : 1)));
}

void import_get(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  if (!is_optional(n.type(x))) n.bind(0, x);
  else n.bind(0, n.add1(n.type(x).kind == ir::ValueKind::optional ? "OptionalGet" : "OptionalGetSequence", {x}));
}

/// A Loop over the length of the first sequence: takes an element of each, runs the body, inserts what it makes.
void import_map(OnnxNode& n) {
  const int inputs = n.input_count();
  std::vector<ir::Type> types;
  for (int i = 0; i < inputs; ++i) {
    ir::Type type = n.type(n.input(i));
    if (i == 0 && type.kind != ir::ValueKind::sequence) fail("input 0 is {}, not a sequence", ir::to_string(type));
    // Elements whose extents vary have types that only the body's own SequenceAt can give: the model's declaration.
    if (type.kind == ir::ValueKind::sequence && (type.varying != 0 || type.elements != ir::Elements::shaped)) type = {};
    type.kind = ir::ValueKind::tensor;
    types.push_back(std::move(type));
  }
  std::vector<ir::ValueId> captures;
  const auto map = n.graph("body", captures, types);
  if (const std::size_t own = map->inputs().size() - captures.size(); own != types.size())
    fail("the body has {} inputs, the node gives it {}", own, types.size());
  const auto made = map->outputs();
  std::vector<ir::ValueId> outer{n.add1("SequenceLength", {n.input(0)}),
                                 n.constant_value(ir::constant_scalar(DType::boolean, 1))};
  for (const auto& o : made) {
    const std::string dtype(dtype_name(map->value(o.value).type.dtype));
    outer.push_back(n.add1("SequenceConstruct", {}, {{"dtype", dtype}}));
  }
  for (int i = 0; i < inputs; ++i) outer.push_back(n.input(i));
  outer.insert(outer.end(), captures.begin(), captures.end());

  auto body = std::make_unique<ir::Graph>(n.target().model_ptr());
  std::vector<ir::ValueId> inner{body->add_input({}, {DType::i64, {}}, n.origins()),
                                 body->add_input({}, {DType::boolean, {}}, n.origins())};
  for (std::size_t i = 2; i < outer.size(); ++i) inner.push_back(body->add_input({}, n.type(outer[i]), n.origins()));
  const auto add = [&](const char* op, std::vector<ir::ValueId> in) {
    return body->add_node(ir::get_op(op), std::move(in), {}, 1, n.origins()).outputs[0];
  };
  const std::size_t first = 2 + made.size();
  std::vector<ir::ValueId> taken;
  for (std::size_t i = 0; first + i < outer.size(); ++i) {
    const bool sequence =
        i < static_cast<std::size_t>(inputs) && n.type(outer[first + i]).kind == ir::ValueKind::sequence;
    taken.push_back(sequence ? add("SequenceAt", {inner[first + i], inner[0]}) : inner[first + i]);
  }
  const auto results = inline_body(*body, *map, taken);
  body->add_output("condition", inner[1]);
  for (std::size_t k = 0; k < made.size(); ++k)
    body->add_output(made[k].name, add("SequenceInsert", {inner[2 + k], results[k]}));
  ir::Attrs attrs;
  attrs.set("carried", static_cast<std::int64_t>(made.size()));
  std::vector<std::unique_ptr<ir::Graph>> bodies;
  bodies.push_back(std::move(body));
  const auto out = n.add("Loop", std::move(outer), std::move(attrs), static_cast<int>(made.size()), std::move(bodies));
  if (static_cast<std::size_t>(n.output_count()) > out.size())
    fail("the node has {} outputs, its body makes {}", n.output_count(), out.size());
  n.bind_all(out);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "SequenceEmpty", .import = import_empty},    {.op_type = "SequenceConstruct", .import = import_plain},
    {.op_type = "SequenceInsert", .import = import_plain},   {.op_type = "SequenceErase", .import = import_plain},
    {.op_type = "SequenceLength", .import = import_plain},   {.op_type = "SequenceAt", .import = import_plain},
    {.op_type = "SplitToSequence", .import = import_split},  {.op_type = "ConcatFromSequence", .import = import_concat},
    {.op_type = "SequenceMap", .import = import_map},        {.op_type = "Optional", .import = import_optional},
    {.op_type = "OptionalHasElement", .import = import_has}, {.op_type = "OptionalGetElement", .import = import_get},
};

}  // namespace

extern const OnnxImporters sequence_onnx{kImporters};

}  // namespace monza::ops
