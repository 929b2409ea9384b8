#include "support/rewrite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "ir/op.h"
#include "ir/text.h"
#include "passes/evaluate.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::test {

std::vector<std::string> Rewritten::ops() const {
  std::vector<std::string> names;
  for (ir::NodeId id : after->order()) names.push_back(std::as_const(*after).node(id).op->name);
  return names;
}

std::string Rewritten::reasons() const {
  std::string text;
  for (const NearMiss& m : report.near_misses)
    text += m.pass + ": " + m.pattern + " at " + m.node + ": " + m.reason + "\n";
  return text;
}

namespace {

template <typename F>
void for_each_node(ir::Graph& graph, const F& each) {
  for (const ir::NodeId id : graph.order()) {
    each(graph, id);
    for (std::size_t b = 0; b < std::as_const(graph).node(id).bodies.size(); ++b)
      for_each_node(graph.body(id, b), each);
  }
}

/// Whatever a pass adds takes the place of something: when every node is asked to be on the host, so is what comes of
/// them. Of graphs that ask for other devices nothing is said.
void expect_constraints_kept(const ir::Graph& before, const std::vector<const Pass*>& passes,
                             const BuildOptions& options) {
  const Devices host{Device::cpu};
  const std::unique_ptr<ir::Graph> graph = before.clone();
  bool asks = false;
  for_each_node(*graph, [&](ir::Graph& g, ir::NodeId id) {
    Constraint constraint = std::as_const(g).node(id).constraint;
    asks |= !constraint.devices.empty();
    constraint.devices = host;
    g.constrain(id, constraint);
  });
  if (asks) return;
  PassReport report;
  run_passes(*graph, passes, options, report);
  for_each_node(*graph, [&](ir::Graph& g, ir::NodeId id) {
    const ir::Node& node = std::as_const(g).node(id);
    EXPECT_EQ(node.constraint.devices, host) << "nothing is asked of " << ir::describe(g, node) << " any more";
  });
}

}  // namespace

Rewritten rewrite(const std::string& text, const std::vector<const Pass*>& passes, const BuildOptions& options) {
  Rewritten r;
  r.before = ir::parse(text);
  r.after = r.before->clone();
  BuildOptions strict = options;
  strict.strict_rewrites = true;
  run_passes(*r.after, passes, strict, r.report);
  ir::verify(*r.after);
  expect_constraints_kept(*r.before, passes, strict);
  return r;
}

std::string graph_text(const std::string& inputs, const std::string& body, const std::string& outputs) {
  return "graph \"g\" (" + inputs + ") {\n" + body + "\nreturn (" + outputs + ")\n}\n";
}

void expect_same_numbers(const Rewritten& r, double tolerance, std::int64_t symbol_extent) {
  std::mt19937 rng(5);
  std::vector<ConstantPtr> inputs;
  for (ir::ValueId id : r.before->inputs()) {
    const ir::Type& type = r.before->value(id).type;
    Shape shape;
    for (const ir::Expr& e : type.shape)
      shape.dim[shape.rank++] = ir::evaluate(e, [&](const ir::Atom&) { return symbol_extent; });
    auto [c, bytes] = ir::allocate_constant(type.dtype, shape);
    for (std::int64_t i = 0; i < shape.numel(); ++i) {
      if (is_float(type.dtype)) {
        element_access(type.dtype).store(bytes.data(), i, std::uniform_real_distribution<float>(-2, 2)(rng));
      } else if (type.dtype == DType::i64) {
        const std::int64_t v = static_cast<std::int64_t>(rng() % 3);
        std::memcpy(bytes.data() + i * 8, &v, 8);
      } else {
        const auto v = static_cast<std::uint8_t>(type.dtype == DType::boolean ? rng() % 2 : rng() % 128);
        ASSERT_EQ(dtype_bits(type.dtype), 8);
        std::memcpy(bytes.data() + i, &v, 1);
      }
    }
    inputs.push_back(c);
  }
  const auto want = run_reference(*r.before, inputs), got = run_reference(*r.after, inputs);
  ASSERT_EQ(want.size(), got.size());
  for (std::size_t o = 0; o < want.size(); ++o) {
    ASSERT_TRUE(want[o]->shape == got[o]->shape) << to_string(want[o]->shape) << " " << to_string(got[o]->shape);
    ASSERT_EQ(want[o]->dtype, got[o]->dtype);
    const auto a = ir::to_doubles(*want[o]), b = ir::to_doubles(*got[o]);
    for (std::size_t i = 0; i < a.size(); ++i)
      ASSERT_LE(std::abs(a[i] - b[i]), tolerance * (1 + std::abs(a[i])))
          << "output " << o << " element " << i << ": " << a[i] << " before, " << b[i] << " after\n"
          << ir::print(*r.after);
  }
}

}  // namespace monza::test
