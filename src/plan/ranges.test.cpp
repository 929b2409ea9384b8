// Engines for ranges of shapes: every run within the range gives what the graph gives on those shapes alone.
#include <gtest/gtest.h>

#include <set>

#include "ir/op.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "monza/error.h"
#include "support/engine_from_text.h"

namespace monza {
namespace {

using test::expect_same_as_reference;
using Shapes = std::vector<std::vector<std::int64_t>>;

struct Axis {
  const char* symbol;
  std::int64_t low, high;
};

/// The inputs' shapes, where the symbols have the values of `at`.
Shapes shapes_at(const ir::Graph& graph, const std::map<std::string, std::int64_t>& at) {
  Shapes shapes;
  for (const ir::ValueId id : graph.inputs()) {
    shapes.emplace_back();
    for (const ir::Expr& e : graph.value(id).type.shape)
      shapes.back().push_back(ir::evaluate(e, [&](const ir::Atom& atom) { return at.at(atom.name); }));
  }
  return shapes;
}

/// Calls f with every choice of values.
template <typename F>
void for_each_value(const std::vector<Axis>& axes, F&& f) {
  std::map<std::string, std::int64_t> at;
  for (const Axis& a : axes) at[a.symbol] = a.low;
  for (;;) {
    f(at);
    std::size_t k = 0;
    while (k < axes.size() && ++at[axes[k].symbol] > axes[k].high) {
      at[axes[k].symbol] = axes[k].low;
      ++k;
    }
    if (k == axes.size()) return;
  }
}

/// One engine for the ranges, run on every shape in them: as it is and optimised, and with reference kernels.
void expect_range(const std::string& text, const std::vector<Axis>& axes) {
  SCOPED_TRACE(text);
  plan::PlanScope scope;
  for (const Axis& a : axes) scope.profile[a.symbol] = {a.low, a.high, a.high};
  const auto graph = ir::parse(text);
  for_each_value(axes, [&](const auto& at) {
    const Shapes shapes = shapes_at(*graph, at);
    for (const bool optimized : {false, true}) expect_same_as_reference(text, shapes, scope, optimized);
    expect_same_as_reference(text, shapes, scope, false, {.optimize = false});
  });
}

// --- equal bounds are not equal extents ---------------------------------------------------------------------------

TEST(Ranges, OperandsWithEqualBoundsBroadcastInARun) {
  for (const char* op : {"Add", "Sub", "Mul", "Max", "Min", "Div", "PRelu"}) {
    const std::string body = std::string("%y = ") + op + "(%x, %z)\n return (y: %y) }";
    expect_range("graph \"g\" (%x: f32[b,t,3], %z: f32[b,1,3]) { " + body, {{"b", 1, 2}, {"t", 1, 3}});
  }
  for (const char* op : {"Add", "Sub", "Mul", "Max", "Where"}) {
    const std::string body = std::string("%y = ") + (std::string_view(op) == "Where" ? "Where(%c, %x, %z)" : op) +
                             (std::string_view(op) == "Where" ? "" : "(%x, %z)") + "\n return (y: %y) }";
    const std::string text = "graph \"g\" (%x: f32[t,3], %z: f32[s,3], %c: bool[t,3]) { " + body;
    plan::PlanScope scope;
    scope.profile = {{"t", {1, 3, 3}}, {"s", {1, 3, 3}}};
    for (const std::int64_t s : {1, 3}) expect_same_as_reference(text, {{3, 3}, {s, 3}, {3, 3}}, scope, true);
  }
}

TEST(Ranges, OneAndNothingBroadcastToNothing) {
  // Two extents of which a run may make one 0 and the other 1: the result has none, as in NumPy.
  const char* bodies[] = {
      "%y = Add(%x, %z)",
      "%a = Sub(%x, %z)\n%b = Mul(%a, %x)\n%c = Max(%z, %b)\n%y = Add(%c, %a)",
      "%c = Less(%x, %z)\n%y = Where(%c, %z, %x)",
      "%a = Unsqueeze(%x) {axes=[1]}\n%b = Unsqueeze(%z) {axes=[2]}\n%y = MatMul(%a, %b)",
      "%s = Shape(%z)\n%y = Expand(%x, %s)",
      "%a = Add(%x, %z)\n%s = Shape(%a)\n%y = Expand(%z, %s)",
      "%a = Add(%x, %z)\n%y = ReduceSum(%a) {axes=[0], keepdims=0}",
  };
  for (const char* body : bodies) {
    const std::string text = std::string("graph \"g\" (%x: f32[s,3], %z: f32[t,3]) {\n") + body + "\nreturn (y: %y) }";
    SCOPED_TRACE(text);
    plan::PlanScope scope;
    scope.profile = {{"s", {0, 4, 4}}, {"t", {0, 4, 4}}};
    for (const auto& [s, t] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 0}, {0, 0}, {1, 4}, {4, 1}, {4, 4}})
      for (const bool optimized : {false, true}) expect_same_as_reference(text, {{s, 3}, {t, 3}}, scope, optimized);
  }
}

TEST(Ranges, AKernelForThreeChannelsTakesNoFewer) {
  // Of c channels the first is left out: three of them are the most, not all that come.
  expect_range(R"(graph "g" (%x: f32[b,c,4,5]) {
    %scale = constant f32[] [0.1]
    %zero = constant u8[] [3]
    %s = Slice(%x) {starts=[1], ends=[9], axes=[1]}
    %y = QuantizeLinear(%s, %scale, %zero)
    return (y: %y) })",
               {{"b", 1, 2}, {"c", 2, 4}});
}

TEST(Ranges, TheLastRowTakenFromEveryRow) {
  // x - x[-1:]: the slice has one row, whatever x has.
  expect_range(R"(graph "g" (%x: f32[t,4]) {
    %begin = constant i64[1] [-1]
    %end = constant i64[1] [9223372036854775807]
    %axes = constant i64[1] [0]
    %last = Slice(%x, %begin, %end, %axes)
    %y = Sub(%x, %last)
    return (y: %y) })",
               {{"t", 1, 5}});
  // x[:, 1:] + x[:, -1:]: equal bounds where t is 2.
  expect_range(R"(graph "g" (%x: f32[2,t]) {
    %one = constant i64[1] [1]
    %minus = constant i64[1] [-1]
    %end = constant i64[1] [9223372036854775807]
    %a = Slice(%x, %one, %end, %one)
    %b = Slice(%x, %minus, %end, %one)
    %y = Add(%a, %b)
    return (y: %y) })",
               {{"t", 2, 4}});
}

// --- reshapes ----------------------------------------------------------------------------------------------------

TEST(Ranges, AReshapeBackToAPaddedShape) {
  expect_range(R"(graph "g" (%x: f32[b,h,w]) {
    %p = constant i64[6] [0, 1, 1, 0, 0, 0]
    %t = constant i64[2] [0, -1]
    %q = Pad(%x, %p)
    %a = Reshape(%q, %t)
    %u = Relu(%a)
    %s = Shape(%q)
    %y = Reshape(%u, %s)
    return (y: %y) })",
               {{"b", 1, 2}, {"h", 1, 3}, {"w", 1, 3}});
}

TEST(Ranges, AReshapeWhoseElementsMayNotFitIsACopy) {
  // Rows of four of n times 3: that they fit is known in a run only.
  const std::string text = R"(graph "g" (%x: f32[n,3]) {
    %t = constant i64[2] [-1, 4]
    %u = Relu(%x)
    %y = Reshape(%u, %t)
    return (y: %y) })";
  plan::PlanScope scope;
  scope.profile = {{"n", {4, 8, 8}}};
  for (const std::int64_t n : {4, 8}) expect_same_as_reference(text, {{n, 3}}, scope, true);
}

// --- extents that travel through floats ------------------------------------------------------------------------------

/// Two of x's extents as floats, and 0 and 1: how exporters begin a grid.
const std::string kGridOf = R"(graph "g" (%x: f32[b,3,h,w]) {
    %s = Shape(%x)
    %two = constant i64[] [2]
    %three = constant i64[] [3]
    %h = Gather(%s, %two)
    %w = Gather(%s, %three)
    %hf = Cast(%h) {to="f32"}
    %wf = Cast(%w) {to="f32"}
    %zero = constant f32[] [0]
    %one = constant f32[] [1]
    %c2 = constant f32[] [2]
)";

TEST(Ranges, GridsOfFloats) {
  expect_range(kGridOf + R"(
    %rows = Range(%zero, %hf, %one)
    %columns = Range(%zero, %wf, %one)
    %r = Unsqueeze(%rows) {axes=[1]}
    %grid = Add(%r, %columns)
    %y = Add(%x, %grid)
    return (y: %y, grid: %grid) })",
               {{"b", 1, 2}, {"h", 1, 4}, {"w", 1, 5}});
  // Of a stride of two, rounded up and down, and in steps of a half.
  expect_range(kGridOf + R"(
    %half = Div(%hf, %c2)
    %up = Ceil(%half)
    %down = Floor(%half)
    %point = constant f32[] [0.5]
    %a = Range(%zero, %up, %one)
    %c = Range(%zero, %down, %one)
    %d = Range(%zero, %half, %one)
    %e = Range(%zero, %hf, %point)
    %m = Sub(%zero, %one)
    %f = Range(%hf, %zero, %m)
    return (a: %a, c: %c, d: %d, e: %e, f: %f) })",
               {{"b", 1, 1}, {"h", 1, 5}, {"w", 1, 1}});
}

TEST(Ranges, OneHotOfAFloatDepth) {
  expect_range(kGridOf + R"(
    %i = constant i64[3] [0, 1, 2]
    %v = constant f32[2] [0, 1]
    %y = OneHot(%i, %hf, %v)
    %z = MatMul(%y, %x)
    return (y: %y, z: %z) })",
               {{"b", 1, 2}, {"h", 1, 4}, {"w", 1, 2}});
}

TEST(Ranges, ResizeToFloatSizes) {
  expect_range(kGridOf + R"(
    %scale = constant f32[] [1.5]
    %hs = Mul(%hf, %scale)
    %ws = Mul(%wf, %c2)
    %hd = Floor(%hs)
    %wd = Floor(%ws)
    %hi = Cast(%hd) {to="i64"}
    %wi = Cast(%wd) {to="i64"}
    %h1 = Unsqueeze(%hi) {axes=[0]}
    %w1 = Unsqueeze(%wi) {axes=[0]}
    %z = constant i64[1] [0]
    %e = constant i64[1] [2]
    %front = Slice(%s, %z, %e)
    %sizes = Concat(%front, %h1, %w1) {axis=0}
    %y = Resize(%x, _, _, %sizes) {mode="nearest"}
    return (y: %y) })",
               {{"b", 1, 2}, {"h", 1, 4}, {"w", 1, 3}});
}

TEST(Ranges, SizesThatAreOnlyBounded) {
  // The larger side becomes 6, as detectors do it: no formula of extents says the sizes, but the profile bounds them.
  expect_range(kGridOf + R"(
    %six = constant f32[] [6]
    %most = Max(%hf, %wf)
    %scale = Div(%six, %most)
    %hs = Mul(%hf, %scale)
    %ws = Mul(%wf, %scale)
    %hd = Floor(%hs)
    %wd = Sqrt(%ws)
    %hi = Cast(%hd) {to="i64"}
    %wi = Cast(%wd) {to="i64"}
    %h1 = Reshape(%hi) {shape=[1]}
    %w1 = Reshape(%wi) {shape=[1]}
    %z = constant i64[1] [0]
    %e = constant i64[1] [2]
    %front = Slice(%s, %z, %e)
    %sizes = Concat(%front, %h1, %w1) {axis=0}
    %y = Resize(%x, _, _, %sizes) {mode="nearest"}
    return (y: %y) })",
               {{"b", 1, 2}, {"h", 1, 4}, {"w", 1, 3}});
}

// --- empty tensors -----------------------------------------------------------------------------------------------

TEST(Ranges, ViewsOfNothing) {
  expect_range(R"(graph "g" (%x: f32[n,4]) {
    %s = constant i64[2] [2, 2]
    %a, %b = Split(%x, %s) {axis=1}
    %y = Sub(%a, %b)
    return (y: %y) })",
               {{"n", 0, 3}});
  const std::string fixed = R"(graph "g" (%x: f32[0,4]) {
    %s = constant i64[2] [2, 2]
    %a, %b = Split(%x, %s) {axis=1}
    %y = Sub(%a, %b)
    %t = Relu(%x)
    %c, %d = Split(%t, %s) {axis=1}
    %z = Sub(%c, %d)
    return (y: %y, z: %z) })";
  for (const bool optimized : {false, true}) expect_same_as_reference(fixed, {{0, 4}}, {}, optimized);
}

/// A node whose input extents n, m and k may each be 0.
struct Family {
  const char* inputs;  ///< types
  const char* body;    ///< makes %y
  std::vector<Axis> axes = {{"n", 0, 2}, {"m", 0, 3}};
};

const Family kFamilies[] = {
    {"%x: f32[n,m]", "%y = Exp(%x)"},
    {"%x: f32[n,m]", "%y = Gelu(%x)"},
    {"%x: f32[n,m,1], %z: f32[1,m,3]", "%y = Add(%x, %z)"},
    {"%x: f32[n,m], %z: f32[m]", "%a = Mul(%x, %z)\n%y = Sub(%a, %x)"},
    {"%x: f32[n,m], %c: bool[m]", "%y = Where(%c, %x, %x)"},
    {"%x: f32[n,m]", "%a = Cast(%x) {to=\"i32\"}\n%y = Cast(%a) {to=\"f32\"}"},
    {"%x: f32[n,m]", "%y = Softmax(%x) {axis=-1}"},
    {"%x: f32[n,m]", "%y = LogSoftmax(%x) {axis=0}"},
    {"%x: f32[n,m,4]", "%s = constant f32[4] [1,2,3,4]\n%y = LayerNormalization(%x, %s) {axis=-1}"},
    {"%x: f32[n,m,4]", "%s = constant f32[4] [1,2,3,4]\n%y = RMSNormalization(%x, %s) {axis=-1}"},
    {"%x: f32[n,4,m]", "%s = constant f32[4] [1,2,3,4]\n%y = BatchNormalization(%x, %s, %s, %s, %s)"},
    {"%x: f32[n,m]", "%y = LpNormalization(%x)"},
    {"%x: f32[n,m]", "%y = ReduceSum(%x) {axes=[1]}"},
    {"%x: f32[n,m]", "%y = ReduceProd(%x) {axes=[0], keepdims=0}"},
    {"%x: f32[n,m,2]", "%y = ReduceMax(%x) {axes=[2]}"},
    {"%x: f32[n,m,2]", "%y = ArgMax(%x) {axis=2}"},
    {"%x: f32[n,m]", "%i = constant i64[] [1]\n%y = CumSum(%x, %i)"},
    {"%x: f32[n,m,2], %z: f32[2,3]", "%y = MatMul(%x, %z)"},
    {"%x: f32[n,m], %z: f32[m,k]", "%y = MatMul(%x, %z)", {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,m,k]",
     "%w = constant f32[4,5] splat 1\n%t = Pad(%x) {pads=[0,0,0,0,0,4]}\n%e = Slice(%t) "
     "{starts=[0], ends=[4], axes=[2]}\n%y = MatMul(%e, %w)",
     {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,m], %z: f32[m,k]",
     "%y = Einsum(%x, %z) {equation=\"ij,jk->ik\"}",
     {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,2,5,m]", "%w = constant f32[3,2,1,1] splat 1\n%y = Conv(%x, %w)", {{"n", 0, 2}, {"m", 1, 3}}},
    {"%x: f32[n,2,5,6]", "%w = constant f32[8,2,3,3] splat 1\n%y = Conv(%x, %w) {pads=[1,1,1,1]}", {{"n", 0, 2}}},
    {"%x: f32[n,8,5,6]", "%w = constant f32[8,1,3,3] splat 1\n%y = Conv(%x, %w) {group=8}", {{"n", 0, 2}}},
    {"%x: f32[n,2,5,6]", "%w = constant f32[2,3,3,3] splat 1\n%y = ConvTranspose(%x, %w)", {{"n", 0, 2}}},
    {"%x: f32[n,m,5,6]", "%y = MaxPool(%x) {kernel_shape=[2,2]}"},
    {"%x: f32[n,m,5,6]", "%y = AveragePool(%x) {kernel_shape=[2,2], strides=[2,2]}"},
    {"%x: f32[n,m,k]", "%y = Transpose(%x) {perm=[2,0,1]}", {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,m], %z: f32[k,m]", "%y = Concat(%x, %z) {axis=0}", {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,m], %z: f32[n,k]",
     "%a = Relu(%x)\n%b = Exp(%z)\n%y = Concat(%a, %b) {axis=1}",
     {{"n", 0, 2}, {"m", 0, 3}, {"k", 0, 2}}},
    {"%x: f32[n,m,6]",
     "%s = constant i64[2] [2, 4]\n%r = Relu(%x)\n%a, %b = Split(%r, %s) {axis=2}\n%c = Exp(%b)\n%y "
     "= ReduceSum(%c) {axes=[2]}"},
    {"%x: f32[n,m]", "%y = Slice(%x) {starts=[1], ends=[9], axes=[1]}"},
    {"%x: f32[n,m]", "%r = Relu(%x)\n%s = Slice(%r) {starts=[-1], ends=[-9], axes=[1], steps=[-1]}\n%y = Exp(%s)"},
    {"%x: f32[n,m]", "%y = Pad(%x) {pads=[0,1,2,0]}"},
    {"%x: f32[n,m]", "%y = Tile(%x) {repeats=[2,3]}"},
    {"%x: f32[n,m,1]", "%s = Shape(%x)\n%t = constant i64[3] [1,1,4]\n%u = Mul(%s, %t)\n%y = Expand(%x, %u)"},
    {"%x: f32[n,m,2]", "%y = Flatten(%x) {axis=2}"},
    {"%x: f32[n,m]", "%a = Unsqueeze(%x) {axes=[1]}\n%b = Relu(%a)\n%y = Squeeze(%b) {axes=[1]}"},
    {"%x: f32[n,4,m,2]", "%y = DepthToSpace(%x) {blocksize=[2,2]}"},
    {"%x: f32[n,m]", "%y = Trilu(%x)"},
    {"%x: f32[3,m]", "%i = constant i64[0] []\n%y = Gather(%x, %i)", {{"m", 0, 3}}},
    {"%x: f32[3,m]", "%i = constant i64[2] [2,0]\n%y = Gather(%x, %i)", {{"m", 0, 3}}},
    {"%x: f32[3,m], %i: i64[n,m]", "%y = GatherElements(%x, %i)"},
    {"%x: f32[3,m]", "%i = constant i64[1,1] [2]\n%y = GatherND(%x, %i)", {{"m", 0, 3}}},
    {"%x: f32[3,m], %u: f32[1,m]", "%i = constant i64[1,1] [2]\n%y = ScatterND(%x, %i, %u)", {{"m", 0, 3}}},
    {"%x: f32[3,m], %i: i64[n,m], %u: f32[n,m]", "%y = ScatterElements(%x, %i, %u)", {{"n", 0, 1}, {"m", 0, 3}}},
    {"%i: i64[n,m]", "%d = constant i64[] [3]\n%v = constant f32[2] [0,1]\n%y = OneHot(%i, %d, %v)"},
    {"%x: f32[n,m]", "%y = NonZero(%x)"},
    {"%x: f32[n,m]", "%y, %a, %b, %c = Unique(%x)"},
    {"%x: f32[n,m,3]", "%y, %i = TopK(%x) {k=[2]}"},
    {"%x: f32[n,m,3]", "%y, %i = TopK(%x) {k=[2], axis=2}"},
    {"%x: f32[n,m,2,2]", "%y = Resize(%x) {sizes=[3,3], axes=[2,3], mode=\"linear\"}"},
    {"%x: f32[n,2,3,3], %g: f32[n,m,2,2]", "%y = GridSample(%x, %g)"},
    {"%x: f32[n,m]",
     "%s = constant f32[] [0.5]\n%z = constant u8[] [3]\n%q = QuantizeLinear(%x, %s, %z)\n%y = "
     "DequantizeLinear(%q, %s, %z)"},
    {"%x: f32[n,m,4]", "%w = constant i8[4,5] splat 2\n%c = Cast(%x) {to=\"u8\"}\n%y = MatMulInteger(%c, %w)"},
    {"%x: f32[2,n,3]",
     "%w = constant f32[1,20,3] splat 1\n%r = constant f32[1,20,5] splat 1\n%y, %h, %c = LSTM(%x, %w, "
     "%r) {hidden_size=5}",
     {{"n", 0, 3}}},
    {"%x: f32[2,n,3]",
     "%w = constant f32[1,15,3] splat 1\n%r = constant f32[1,15,5] splat 1\n%y, %h = GRU(%x, %w, %r) "
     "{hidden_size=5}",
     {{"n", 0, 3}}},
    {"%q: f32[n,2,m,8], %k: f32[n,2,3,8]", "%y = Attention(%q, %k, %k)"},
    {"%x: f32[n,m,m]", "%y = Det(%x)", {{"n", 0, 2}, {"m", 1, 3}}},
};

class EmptyExtents : public testing::TestWithParam<Family> {};

TEST_P(EmptyExtents, StaticAndInARange) {
  const Family& family = GetParam();
  const std::string rest = std::string(") {\n") + family.body + "\n return (y: %y) }";
  expect_range(std::string("graph \"g\" (") + family.inputs + rest, family.axes);
  for_each_value(family.axes, [&](const auto& at) {
    std::string inputs = family.inputs;
    for (const auto& [symbol, value] : at)
      for (std::size_t i = inputs.find('['); i < inputs.size(); ++i)
        if (inputs[i] == symbol[0] && (inputs[i - 1] == '[' || inputs[i - 1] == ','))
          inputs.replace(i, 1, std::to_string(value));
    const std::string text = "graph \"g\" (" + inputs + rest;
    for (const bool optimized : {false, true})
      expect_same_as_reference(text, shapes_at(*ir::parse(text), at), {}, optimized);
  });
}

INSTANTIATE_TEST_SUITE_P(Of, EmptyExtents, testing::ValuesIn(kFamilies));

// --- what kernels promise about ranges -----------------------------------------------------------------------------

struct Described {
  std::vector<OperandDesc> in, out;
  std::vector<std::byte> params;
};

/// What a kernel is asked of the last node, with the symbols at these values.
Described describe(const ir::Graph& graph, const ir::Node& node, const Kernel& kernel,
                   const std::map<std::string, std::int64_t>& at) {
  Described d;
  const auto operand = [&](ir::ValueId id, Port port) {
    OperandDesc o;
    if (id == ir::kNone) return o;
    const ir::Value& v = graph.value(id);
    o.dtype = v.type.dtype;
    o.shape.rank = static_cast<int>(v.type.rank());
    for (int a = 0; a < o.shape.rank; ++a) {
      const ir::Expr& e = v.type.shape[static_cast<std::size_t>(a)];
      o.dynamic |= !e.is_constant();
      o.shape[a] = ir::evaluate(e, [&](const ir::Atom& atom) {
        return atom.kind == ir::AtomKind::extent
                   ? ir::evaluate(atom.args[0], [&](const ir::Atom& s) { return at.at(s.name); })
                   : at.at(atom.name);
      });
    }
    o.layout = port == Port::blocked8    ? Layout::blocked8
               : port == Port::blocked16 ? Layout::blocked16
                                         : Layout::strided;
    o.constant = v.constant != nullptr;
    o.data = v.constant ? v.constant->bytes.data() : nullptr;
    return o;
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    d.in.push_back(operand(node.inputs[i], kernel.in[static_cast<int>(i)]));
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    d.out.push_back(operand(node.outputs[i], kernel.out[static_cast<int>(i)]));
  if (node.op->params != nullptr) {
    ir::ParamsBlob blob;
    node.op->params({graph, node}, blob);
    d.params = blob.bytes();
  }
  return d;
}

struct Ask {
  const char* text;
  std::vector<Axis> axes;
};

const Ask kAsks[] = {
    {R"(graph "g" (%x: f32[t,b,5]) {
      %w = constant f32[1,28,5] splat 1
      %r = constant f32[1,28,7] splat 1
      %y, %h, %c = LSTM(%x, %w, %r) {hidden_size=7}
      return (y: %y) })",
     {{"t", 1, 20}, {"b", 1, 20}}},
    {R"(graph "g" (%x: f32[t,b,5]) {
      %w = constant f32[1,21,5] splat 1
      %r = constant f32[1,21,7] splat 1
      %y, %h = GRU(%x, %w, %r) {hidden_size=7}
      return (y: %y) })",
     {{"t", 1, 20}, {"b", 1, 20}}},
    {R"(graph "g" (%x: f32[b,8,h,w]) {
      %k = constant f32[16,8,3,3] splat 1
      %y = Conv(%x, %k) {pads=[1,1,1,1]}
      return (y: %y) })",
     {{"b", 1, 3}, {"h", 1, 20}, {"w", 1, 40}}},
    {R"(graph "g" (%x: f32[b,8,h,w]) {
      %k = constant f32[8,1,3,3] splat 1
      %y = Conv(%x, %k) {group=8, pads=[1,1,1,1]}
      return (y: %y) })",
     {{"b", 1, 3}, {"h", 1, 20}, {"w", 1, 40}}},
    {R"(graph "g" (%x: f32[b,3,h,w]) {
      %k = constant f32[16,3,3,3] splat 1
      %y = Conv(%x, %k) {pads=[1,1,1,1], strides=[2,2]}
      return (y: %y) })",
     {{"b", 1, 3}, {"h", 1, 20}, {"w", 1, 40}}},
    {R"(graph "g" (%x: f32[b,s,24]) {
      %k = constant f32[24,40] splat 1
      %y = MatMul(%x, %k)
      return (y: %y) })",
     {{"b", 1, 9}, {"s", 1, 40}}},
    {R"(graph "g" (%x: f32[b,m,k], %z: f32[b,k,n]) {
      %y = MatMul(%x, %z)
      return (y: %y) })",
     {{"b", 1, 3}, {"m", 1, 20}, {"k", 1, 20}, {"n", 1, 20}}},
    {R"(graph "g" (%q: f32[b,2,s,8], %k: f32[b,2,t,8], %v: f32[b,2,t,8]) {
      %y = Attention(%q, %k, %v)
      return (y: %y) })",
     {{"b", 1, 3}, {"s", 1, 30}, {"t", 1, 30}}},
    {R"(graph "g" (%x: f32[b,s,24]) {
      %y = Softmax(%x) {axis=-1}
      return (y: %y) })",
     {{"b", 1, 4}, {"s", 1, 40}}},
    {R"(graph "g" (%x: f32[b,4,h,w]) {
      %f = constant f32[4] [1, 1, 2, 2]
      %y = Resize(%x, _, %f) {mode="linear"}
      return (y: %y) })",
     {{"b", 1, 3}, {"h", 1, 20}, {"w", 1, 20}}},
    {R"(graph "g" (%x: f32[b,n,n]) {
      %y = Det(%x)
      return (y: %y) })",
     {{"b", 1, 4}, {"n", 1, 20}}},
    {R"(graph "g" (%x: f32[b,n]) {
      %y, %s, %z = DynamicQuantizeLinear(%x)
      return (y: %y) })",
     {{"b", 1, 9}, {"n", 1, 90}}},
    {R"(graph "g" (%x: f32[b,n]) {
      %k = constant i64[1] [1]
      %y, %i = TopK(%x, %k)
      return (y: %y) })",
     {{"b", 1, 9}, {"n", 1, 90}}},
    {R"(graph "g" (%x: f32[b,n]) {
      %y, %i, %j, %c = Unique(%x) {axis=1}
      return (y: %y) })",
     {{"b", 1, 9}, {"n", 1, 90}}},
    {R"(graph "g" (%x: u8[b,s,24]) {
      %k = constant i8[24,40] splat 1
      %y = MatMulInteger(%x, %k)
      return (y: %y) })",
     {{"b", 1, 9}, {"s", 1, 40}}},
    {R"(graph "g" (%x: u8[b,8,h,w]) {
      %k = constant i8[16,8,3,3] splat 1
      %y = ConvInteger(%x, %k) {pads=[1,1,1,1]}
      return (y: %y) })",
     {{"b", 1, 3}, {"h", 1, 20}, {"w", 1, 40}}},
};

TEST(Ranges, ScratchMemoryAtTheLargestShapeIsEnoughForAll) {
  std::set<std::string> asked;
  for (const Ask& ask : kAsks) {
    SCOPED_TRACE(ask.text);
    const auto graph = ir::parse(ask.text);
    const ir::Node& node = graph->node(graph->order().back());
    std::map<std::string, std::int64_t> top;
    for (const Axis& a : ask.axes) top[a.symbol] = a.high;
    for (const Kernel* kernel : kernels_of(node.op->name)) {
      if (!covers(cpu_info().isa, kernel->needs)) continue;
      const auto with = [&](const std::map<std::string, std::int64_t>& at, auto&& f) {
        const Described d = describe(*graph, node, *kernel, at);
        return f(KernelQuery{d.params.data(), d.in.data(), static_cast<int>(d.in.size()), d.out.data(),
                             static_cast<int>(d.out.size()), 2});
      };
      const auto refusal = [&](const KernelQuery& q) {
        return std::string(kernel->accepts != nullptr && kernel->accepts(q) != nullptr ? kernel->accepts(q) : "");
      };
      if (!with(top, refusal).empty()) continue;
      const auto scratch = [&](const KernelQuery& q) {
        return kernel->scratch_bytes != nullptr ? kernel->scratch_bytes(q) : 0;
      };
      if (kernel->scratch_bytes != nullptr) asked.insert(kernel->name);
      const std::size_t planned = with(top, scratch);
      for_each_value(ask.axes, [&](const auto& at) {
        EXPECT_LE(with(at, scratch), planned) << kernel->name << " at " << testing::PrintToString(at);
        EXPECT_EQ(with(at, refusal), "") << kernel->name << " at " << testing::PrintToString(at);
      });
    }
  }
  EXPECT_GE(asked.size(), 6u) << "reference kernels alone, which every CPU has, are as many";
}

}  // namespace
}  // namespace monza
