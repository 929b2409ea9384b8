// What is said of graphs' and expressions' text that cannot be read or written, to the letter.
#include <gtest/gtest.h>

#include <string>

#include "ir/text.h"
#include "support/error_text.h"

namespace monza::ir {
namespace {

using test::error_of;

TEST(TextMessages, SayWhereAndWhatIsWrong) {
  struct Case {
    const char* text;  ///< a graph, or what stands in the braces of one with an input %x: f32[n,3]
    const char* error;
  };
  const Case graphs[] = {
      {"", "line 1, column 1: 'graph' is expected"},
      {"grph \"m\" ()", "line 1, column 1: 'graph' is expected"},
      {"graph m ()", "line 1, column 7: '\"' is expected"},
      {"graph \"m", "line 1, column 9: an unfinished string"},
      {"graph \"\\x4g\" ()", "line 1, column 10: two hexadecimal digits are expected"},
      {"graph \"m\" (x)", "line 1, column 12: '%' is expected"},
      {"graph \"m\" (%)", "line 1, column 13: a name is expected"},
      {"graph \"m\" (%x)", "line 1, column 14: an input needs a type"},
      {"graph \"m\" (%x: f9[2])", "line 1, column 18: 'f9' is no element type"},
      {"graph \"m\" (%x: f32[2)",
       "line 1, column 20: unexpected text after the expression at position 2 of the expression '2)'"},
      {"graph \"m\" (%x: f32[2*])",
       "line 1, column 20: a number, a name or '(' is expected at position 3 of the expression '2*'"},
      {"graph \"m\" (%x: f32[1,1,1,1,1,1,1,1,1])", "line 1, column 37: there are more than 8 extents"},
      {"graph \"m\" (%x: f32[2], %x: f32[2])", "line 1, column 25: value %x is defined twice"},
      {"graph \"m\" (%1 \"x\": f32[2], %2 \"x\": f32[2])", "line 1, column 29: two values are named 'x'"},
      {"graph \"m\" (%4294967295: f32[2])", "line 1, column 12: a value's number is out of range"},
      {"graph \"m\" (%x!2147483648: f32[2])", "line 1, column 14: a value's number is out of range"},
      {"graph \"m\" (%x: f32[2] @here=[0])", "line 1, column 24: 'from' or 'content' is expected"},
      {"graph \"m\" (%x: f32[2] @from=[0])", "line 1, column 31: origins are a rising list of numbers below 0"},
      {"graph \"m\" () { return () } graph", "line 1, column 28: unexpected text after the graph"},
      {"model { origen \"a\" \"b\" }", "line 1, column 9: 'origin', 'given', 'specialised' or 'trips' is expected"},
      {"model { trips 0 }", "line 1, column 16: loops make at least one iteration"},
      {"model { given !7 [1, 2] } graph \"m\" () { return () }",
       "line 1, column 53: 2 elements are given for value 7, which is no input of as many"},
      {"model { given !0 [1] specialised !0 1 } graph \"m\" (%x!0: i64[1]) { return () }",
       "line 1, column 79: the model is specialised to element 1 of value 0, which is not given"},
  };
  for (const Case& c : graphs) EXPECT_EQ(error_of([&] { parse(c.text); }), c.error) << c.text;
  const Case bodies[] = {
      {"%y = Relu(%z) return ()", "line 2, column 14: value %z is not defined before this use"},
      {"%y = Relu(%y) return ()", "line 2, column 14: value %y is not defined before this use"},
      {"%x = Relu(%x) return ()", "line 2, column 4: two values are named 'x'"},
      {"%y = Levitate(%x) return ()", "line 2, column 8: there is no operator 'Levitate'"},
      {"%y = Relu(%x) {a=} return ()", "line 2, column 20: a number is expected"},
      {"%y = Relu(%x) {a=1x} return ()", "line 2, column 22: '1x' is no integer of this type"},
      {"%y = Relu(%x) {a=1.5x} return ()", "line 2, column 24: '1.5x' is no number"},
      {"%y = Relu(%x) @precision=\"fp9\" return ()", "line 2, column 28: 'fp9' is no precision"},
      {"%y = Relu(%x) @precision=\"fp32,\" return ()", "line 2, column 28: '' is no precision"},
      {"%y = Relu(%x) @device=\"cpu,gpu7\" return ()", "line 2, column 25: 'gpu7' is no device"},
      {"%y = Relu(%x) @color return ()", "line 2, column 18: 'precision', 'device' or 'from' is expected"},
      {"%y: f32[4] = Relu(%x) return ()", "line 2, column 3: %y is declared f32[4], but is f32[n,3]"},
      {"%y = Concat(%x, %x) {axis=7} return ()",
       "Concat node 'y', in line 2, column 3: axis 7 lies outside [-2, 2)\n  input 0: f32[n,3] 'x', an input of the "
       "graph\n  input 1: f32[n,3] 'x', an input of the graph"},
      {"%y = Softmax(%x) {axsi=0} return ()",
       "Softmax node 'y', in line 2, column 3: Softmax has no attribute 'axsi'\n  input 0: f32[n,3] 'x', an input of "
       "the "
       "graph\n  try: one of 'axis'"},
      {"%y = Softmax(%x) {axis=0.5} return ()",
       "Softmax node 'y', in line 2, column 3: attribute 'axis' of Softmax is a number, but an integer is expected\n  "
       "input "
       "0: f32[n,3] 'x', an input of the graph"},
      {"%y = Cast(%x) return ()",
       "Cast node 'y', in line 2, column 3: Cast needs the attribute 'to', a string\n  input 0: f32[n,3] 'x', an input "
       "of "
       "the graph"},
      {"return (y: _)", "line 2, column 15: an output needs a value"},
      {"%c = constant f32[n] [1] return ()", "line 2, column 23: a constant's extents are plain numbers"},
      {"%c = constant unknown[1] [1] return ()", "line 2, column 27: constants of this type cannot be written as text"},
      {"%c = constant q4_0[32] [1] return ()", "line 2, column 26: constants of this type cannot be written as text"},
      {"%c = constant f32[1] stored {} return ()",
       "line 2, column 33: the elements of this constant lie in an engine file, which is not given"},
      {"%c = constant f32[99999,99999] splat 0 return ()",
       "line 2, column 34: 39999200004 bytes of constants that are written out are more than the limit of 134217728\n  "
       "try: --max-fold-bytes 39999200004 (Limits::fold_bytes), if the model is to be trusted"},
      {"%b = constant u8[1] [1] %c = constant u8[9223372036854775807] splat 0 return ()",
       "the size of the constants overflows 64 bits: 1 + 9223372036854775807"},
      {"%c = constant f32[99999999999,99999999999] splat 0 return ()",
       "a constant's element count overflows 64 bits: 99999999999 * 99999999999"},
      {"%c = constant f32[4] #1234 return ()",
       "line 2, column 24: this constant was printed as a hash of its elements, which cannot be read back"},
      {"%c = constant i32[4] random 1 return ()", "line 2, column 32: random constants are f32"},
      {"%c = constant f32[2] [1] return ()", "line 2, column 26: ',' is expected"},
      {"%c = constant f32[1] [1, 2] return ()", "line 2, column 26: 1 elements are expected"},
      {"%c = constant f32[1] [one] return ()", "line 2, column 28: 'one' is no number"},
      {"%c = constant i8[1] [200] return ()", "line 2, column 27: '200' is no integer of this type"},
      {"%c = constant i4[1] [9] return ()", "line 2, column 25: 9 is out of the type's range"},
  };
  for (const Case& c : bodies) {
    const std::string text = "graph \"m\" (%x: f32[n,3]) {\n  " + std::string(c.text) + "\n}";
    EXPECT_EQ(error_of([&] { parse(text); }), c.error) << c.text;
  }
}

TEST(TextMessages, OfTextsThatAreTooLarge) {
  std::string nested = "graph \"m\" () { return () }";
  for (int i = 0; i < 40; ++i)
    nested = "graph \"m\" () {\n%c" + std::to_string(i) + " = If() body " + nested + " return () }";
  EXPECT_EQ(error_of([&] { parse(nested); }),
            "line 34, column 16: 33 bodies inside one another are more than the limit of 32\n  try: --max-depth 33 "
            "(Limits::depth), if the model is to be trusted");
  EXPECT_EQ(error_of([] { parse("graph \"m\"", {.limits = {.file_bytes = 8}}); }),
            "9 bytes of graph text are more than the limit of 8\n  try: --max-file-bytes 9 (Limits::file_bytes), if "
            "the model is to be trusted");
  auto model = std::make_shared<Model>();
  Graph graph(model, "main");
  graph.add_output("c", graph.add_constant("c", constant_f32(std::vector<float>(20), Shape{20}),
                                           {model->add_origin("c", "initializer")}));
  EXPECT_EQ(error_of([&] { print(graph, {.complete = true}); }),
            "a constant f32[20]  has no text, and nothing to store it in is given");
}

TEST(ExprMessages, SayWhereAndWhatIsWrong) {
  struct Case {
    std::string text;
    const char* error;
  };
  std::string sum, product, deep = "a", parts, wide = "max(0";
  for (int i = 0; i < 2001; ++i) sum += "+x" + std::to_string(i);
  for (int i = 0; i < 65; ++i) product += "*a";
  for (int i = 0; i < 90; ++i) parts += "+x" + std::to_string(i);
  const Case cases[] = {
      {"", "a number, a name or '(' is expected at position 1 of the expression ''"},
      {"a b", "unexpected text after the expression at position 3 of the expression 'a b'"},
      {"(a", "')' is expected at position 3 of the expression '(a'"},
      {"\"a", "an unfinished quotation at position 3 of the expression '\"a'"},
      {"\"\"", "a symbolic dimension needs a name"},
      {"mod a", "'(' is expected at position 5 of the expression 'mod a'"},
      {"mod(a)", "two arguments are expected at position 6 of the expression 'mod(a)'"},
      {"mod(a, 2", "')' is expected at position 9 of the expression 'mod(a, 2'"},
      {"mod(a, 2, 3)", "two arguments are expected at position 12 of the expression 'mod(a, 2, 3)'"},
      {"elem(7)", "'%' and a value's number are expected at position 6 of the expression 'elem(7)'"},
      {"elem(%x)", "an integer is expected at position 7 of the expression 'elem(%x)'"},
      {"elem(%4294967295, 0)", "no such value at position 17 of the expression 'elem(%4294967295, 0)'"},
      {"elem(%7, -1)", "a negative index at position 12 of the expression 'elem(%7, -1)'"},
      {"elem(%7)", "',' is expected at position 8 of the expression 'elem(%7)'"},
      {"extent(%7, 0)", "',' is expected at position 13 of the expression 'extent(%7, 0)'"},
      {std::string(101, '(') + "a",
       "nesting is too deep at position 101 of the expression "
       "'(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a'"},
      {"99999999999999999999", "an integer is expected at position 1 of the expression '99999999999999999999'"},
      {"9223372036854775807 + 1", "an extent overflows 64 bits: 9223372036854775807 + 1"},
      {"-9223372036854775807 - 2", "an extent overflows 64 bits: -9223372036854775807 - 2"},
      {"9223372036854775807 * 2", "an extent overflows 64 bits: 9223372036854775807 * 2"},
      {"floor_div(7, 0)", "division of the extent 7 by zero"},
      {"floor_div(a, 0)", "division of the extent a by zero"},
      {"ceil_div(a, 0)", "division of the extent a by zero"},
      {"mod(a, 0)", "remainder of the extent a by zero"},
      {sum.substr(1), "a shape expression grows beyond 2000 terms"},
      {"(" + parts.substr(1) + ")*(" + parts.substr(1) + ")", "a shape expression grows beyond 2000 terms"},
      {product.substr(1), "a shape expression grows beyond degree 64"},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of([&] { parse_expr(c.text); }), c.error) << c.text.substr(0, 80);
  EXPECT_EQ(error_of([] {
              Expr e = Expr::symbol("a");
              for (int i = 0; i < 201; ++i) e = floor_div(e + Expr::symbol("b"), Expr::symbol("c"));
            }),
            "a shape expression grows too complex (201 levels, 601 atoms)");
  EXPECT_EQ(error_of([] { (void)Expr::symbol("a").constant(); }), "the extent a is not known at build time");
  EXPECT_EQ(error_of([] {
              evaluate(floor_div(Expr::symbol("a"), Expr::symbol("b")), [](const Atom&) { return std::int64_t{0}; });
            }),
            "division by zero in the shape expression b");
}

}  // namespace
}  // namespace monza::ir
