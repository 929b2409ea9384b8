// Every operator holds its nodes to the attributes that it declares.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ir/op.h"
#include "support/error_text.h"

namespace monza::ir {
namespace {

/// A value of a kind, and one of another kind.
AttrValue value_of(AttrKind kind) {
  switch (kind) {
    case AttrKind::integer: return std::int64_t{1};
    case AttrKind::number: return 1.0;
    case AttrKind::string: return std::string("x");
    case AttrKind::ints: return std::vector<std::int64_t>{};
    case AttrKind::floats: return std::vector<double>{};
    case AttrKind::strings: return std::vector<std::string>{};
    case AttrKind::tensor: return constant_f32_scalar(0);
  }
  return {};
}
AttrValue other_than(AttrKind kind) {
  return value_of(kind == AttrKind::string ? AttrKind::integer : AttrKind::string);
}

/// What is said of a node of as few inputs and outputs as the operator takes; attributes come before all else.
std::string refusal(const OpDef& op, const Attrs& attrs) {
  auto model = std::make_shared<Model>();
  Graph graph(model, "main");
  const OriginSet here{model->add_origin("here", "Test")};
  std::vector<ValueId> inputs;
  for (int i = 0; i < op.min_inputs; ++i) inputs.push_back(graph.add_input("", {DType::invalid, {}}, here));
  std::vector<std::unique_ptr<Graph>> bodies;
  for (int i = 0; i < op.bodies; ++i) bodies.push_back(std::make_unique<Graph>(model, "body"));
  return test::error_of([&] { graph.add_node(op, inputs, attrs, op.min_outputs, here, std::move(bodies)); });
}

/// The attributes that a node needs, without the one of that name.
Attrs needed(const OpDef& op, std::string_view without = {}) {
  Attrs attrs;
  for (const AttrDef& def : op.attrs)
    if (def.absent == AttrDef::Absent::is_refused && def.name != without) attrs.set(def.name, value_of(def.kind));
  return attrs;
}

TEST(Schemas, RefuseWhatTheyDoNotHave) {
  for (const OpDef* op : all_ops()) {
    Attrs attrs = needed(*op);
    attrs.set("no_such", std::int64_t{1});
    EXPECT_NE(refusal(*op, attrs).find(std::string(op->name) + " has no attribute 'no_such'"), std::string::npos)
        << refusal(*op, attrs);
  }
}

TEST(Schemas, RefuseOtherKinds) {
  for (const OpDef* op : all_ops())
    for (const AttrDef& def : op->attrs) {
      Attrs attrs = needed(*op);
      attrs.set(def.name, other_than(def.kind));
      const std::string said = refusal(*op, attrs);
      EXPECT_NE(said.find(fmt::format("attribute '{}' of {} is", def.name, op->name)), std::string::npos) << said;
    }
}

TEST(Schemas, AskForWhatIsRequired) {
  for (const OpDef* op : all_ops())
    for (const AttrDef& def : op->attrs) {
      if (def.absent != AttrDef::Absent::is_refused) continue;
      const std::string said = refusal(*op, needed(*op, def.name));
      EXPECT_NE(said.find(fmt::format("{} needs the attribute '{}'", op->name, def.name)), std::string::npos) << said;
    }
}

TEST(Schemas, NameEachAttributeOnce) {
  for (const OpDef* op : all_ops()) {
    std::set<std::string> names;
    for (const AttrDef& def : op->attrs)
      EXPECT_TRUE(*def.name != 0 && names.insert(def.name).second) << op->name << ": " << def.name;
  }
}

/// A node that says nothing is what it was before operators declared their defaults.
TEST(Schemas, DefaultsAreThoseOfTheKernels) {
  const auto of = [](const char* op, const Attrs& given) { return AttrReader(get_op(op).attrs, given); };
  const Attrs none;
  EXPECT_EQ(of("Softmax", none).i("axis"), -1);
  EXPECT_EQ(of("Conv", none).ints("strides", 2), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(of("Conv", none).ints("pads", 4), (std::vector<std::int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(of("LayerNormalization", none).f("epsilon"), 1e-5);
  EXPECT_EQ(of("LeakyRelu", none).f("alpha"), 0.01f);
  EXPECT_EQ(of("Resize", none).s("mode"), "nearest");
  EXPECT_EQ(of("GridSample", none).s("mode"), "linear");
}

}  // namespace
}  // namespace monza::ir
