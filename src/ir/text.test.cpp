#include "ir/text.h"

#include <gtest/gtest.h>

#include <random>

#include "ir/op.h"
#include "monza/error.h"

namespace monza::ir {
namespace {
std::string sample() {
  return R"(graph "main" (%x: f32[batch,3,8,8], %40 "odd name/1": f32[batch,4,8,8]) {
  %w = constant f32[4,3,1,1] [0.5, -1, 2, 3, 4, 5, 6, 7, 8, 9, 1e-05, inf]
  %7 = constant i4[3] [-8, 7, 1]
  %s = constant string[2] ["a\"b", "line\nbreak"]
  %m = constant f32[8,4] splat 0.25
  %y: f32[batch,4,8,8] = Conv(%x, %w, _, %40) {activation="relu", pads=[0, 0, 0, 0]} @precision="fp32,bf16" @device="cpu,reference"
  %z: f32[batch,4,16,8] = Resize(%y) {scales=[1.0, 1.0, 2.0, 1.0]}
  %f: bool[3] = ConstantOfShape() {shape=[3], value=tensor bool[1] [1]}
  %r: f32[2], %q: i64[3] = Refuse() {dtypes=["f32", "i64"], shapes=["2;", "3;"]}
  %41 "a b": f32[batch,4,8,4] = MatMul(%y, %m)
  return (y: %y, "out put": %41, y2: %y, w: %w)
}
)";
}

TEST(Text, RoundTrip) {
  auto g = parse(sample());
  verify(*g);
  const PrintOptions all{.origins = false, .max_elements = 100};
  const std::string once = print(*g, all);
  EXPECT_NE(once.find("%40 \"odd name/1\": f32[batch,4,8,8]"), once.npos) << once;
  EXPECT_NE(once.find("@precision=\"fp32,bf16\" @device=\"cpu,reference\""), once.npos) << once;
  EXPECT_NE(once.find("[-8, 7, 1]"), once.npos) << once;
  EXPECT_EQ(print(*parse(once), all), once);
  EXPECT_EQ(g->outputs().size(), 4u);
  EXPECT_EQ(g->value(g->outputs()[1].value).name, "a b");
  PrintOptions origins{.origins = true};
  EXPECT_NE(print(*g, origins).find("// from \"y\""), std::string::npos);
}

TEST(Text, SplatsFillEveryElement) {
  // Types below a byte, of one, of more and of two parts; fewer than a repeated unit, one, and more with a rest.
  for (const char* type : {"i2", "u4", "i8", "f16", "f64", "c64"})
    for (const int count : {0, 1, 7, 8, 9, 16, 100}) {
      SCOPED_TRACE(testing::Message() << type << " " << count);
      const bool complex = type[0] == 'c';
      std::string listed;
      for (int i = 0; i < count * (complex ? 2 : 1); ++i) listed += i == 0 ? "1" : ", 1";
      const auto constant = [&](const std::string& elements) {
        const auto g = parse("graph \"g\" () {\n  %c = constant " + std::string(type) + "[" + std::to_string(count) +
                             "] " + elements + "\n  return (c: %c)\n}");
        return g->value(g->outputs()[0].value).constant;
      };
      EXPECT_TRUE(same_content(*constant("splat 1"), *constant("[" + listed + "]")));
    }
}

TEST(Text, AShortTextAsksForNoMemory) {
  const auto refusal = [](const std::string& constant) -> std::string {
    try {
      parse("graph \"g\" () {\n  %c = constant " + constant + "\n  return (c: %c)\n}");
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_NE(refusal("f32[30000000] [1, 2]").find("30000000 elements are expected"), std::string::npos);
  EXPECT_NE(refusal("f32[70000000] splat 1").find("are more than the limit of 134217728"), std::string::npos);
}

TEST(Text, ANodeHoldsAsManyBodiesAsItsOperatorSays) {
  const auto refusal = [](const std::string& statement) -> std::string {
    try {
      parse("graph \"g\" (%c: bool[], %x: f32[2]) {\n  %y = " + statement + "\n  return (y: %y)\n}");
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  const std::string body = " body graph \"b\" (%p: f32[2]) { %e = Exp(%p) return (r: %e) }";
  EXPECT_NE(refusal("If(%c, %x)").find("If holds 2 bodies, but has 0"), std::string::npos);
  EXPECT_NE(refusal("If(%c, %x)" + body).find("If holds 2 bodies, but has 1"), std::string::npos);
  EXPECT_NE(refusal("Scan(%x)").find("Scan holds 1 bodies, but has 0"), std::string::npos);
  EXPECT_NE(refusal("Relu(%x)" + body).find("Relu holds 0 bodies, but has 1"), std::string::npos);
}

TEST(Text, TypesOfListsRoundTrip) {
  for (const char* type : {"seq(f32[2,<=n])", "seq(f32[2,n])", "seq(string any)", "seq(i64 none)", "optional(f32[<=4])",
                           "optional(seq(f32[<=4,2]))", "seq(f32[])"}) {
    const std::string text = std::string("graph \"g\" (%x: ") + type + ") {\n  return (x: %x)\n}\n";
    auto g = parse(text);
    EXPECT_EQ(to_string(g->value(g->inputs()[0]).type), type);
    EXPECT_EQ(print(*g, {.origins = false}), text);
  }
  EXPECT_THROW(parse("graph \"g\" (%x: f32[<=2]) {\n  return (x: %x)\n}\n"), Error) << "a tensor has one shape";
  EXPECT_THROW(parse("graph \"g\" (%x: seq(handle[])) {\n  return (x: %x)\n}\n"), Error);
}

TEST(Text, CompleteTextGivesTheSameGraph) {
  auto g = parse(R"(graph "main" (%x: f32[batch,3,8,8], %n: i64[2], %40 "odd name/1": f32[batch,4,8,8]) {
  %w = constant f32[4,3,1,1] splat 0.5
  %unread = constant f32[100] splat 1
  %nan = constant f32[1] [nan]
  %y: f32[batch,4,8,8] = Conv(%x, %w, _, %40)
  %z = Mul(%y, %nan)
  %r = Reshape(%z, %n)
  return (r: %r)
})");
  // What parsing alone does not make: origins, contents, given elements.
  const std::uint32_t origin = g->model().add_origin("bn \"1\"", "BatchNormalization");
  Node& conv = g->node(g->order()[0]);
  conv.origins = merge(conv.origins, {origin});
  const ValueId n = g->inputs()[1];
  g->value(n).content = {{Expr::element(n, 0), Expr::element(n, 1)}};
  g->model().element_values[n] = {-1, 256};
  g->infer_all();
  EXPECT_FALSE(g->model().specialised.empty());

  std::vector<std::shared_ptr<const Constant>> store;
  PrintOptions print_options;
  print_options.complete = true;
  print_options.max_elements = 4;
  print_options.stored = [&](const std::shared_ptr<const Constant>& c) {
    store.push_back(c);
    return Attrs{{"at", static_cast<std::int64_t>(store.size()) - 1}};
  };
  const std::string text = print(*g, print_options);
  EXPECT_NE(text.find("origin \"bn \\\"1\\\"\" \"BatchNormalization\""), text.npos) << text;
  EXPECT_NE(text.find("%w !"), text.npos) << text;
  EXPECT_NE(text.find("stored {at=1}"), text.npos) << text;
  EXPECT_EQ(text.find("%unread"), text.npos) << "a constant that nothing reads is left out of\n" << text;
  ASSERT_EQ(store.size(), 2u) << "the weight, and the constant whose NaN has no text";

  ParseOptions parse_options;
  parse_options.stored = [&](DType dtype, const Shape& shape, const Attrs& attrs) {
    auto c = store.at(static_cast<std::size_t>(std::get<std::int64_t>(attrs.all().at("at"))));
    EXPECT_EQ(c->dtype, dtype);
    EXPECT_EQ(c->shape, shape);
    return c;
  };
  auto again = parse(text, parse_options);
  verify(*again);
  store.clear();
  EXPECT_EQ(print(*again, print_options), text);
  EXPECT_EQ(again->model().element_values, g->model().element_values);
  EXPECT_EQ(again->model().specialised, g->model().specialised);
  EXPECT_EQ(again->node(again->order()[0]).origins, conv.origins);
  EXPECT_EQ(again->inputs(), g->inputs());
  EXPECT_THROW(parse(text), Error) << "the elements are not at hand";
}

TEST(Text, ErrorsHaveLineAndColumn) {
  auto message = [](std::string_view text) {
    try {
      parse(text);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message("graph \"g\" (%x: f32[2]) {\n  %y = Nonsense(%x)\n  return (y: %y)\n}")
                .find("line 2, column 8: there is no operator 'Nonsense'"),
            std::string::npos);
  EXPECT_NE(
      message("graph \"g\" (%x: f32[2]) {\n  return (y: %z)\n}").find("line 2, column 15: value %z is not defined"),
      std::string::npos);
  EXPECT_NE(message("graph \"g\" (%x: f99[2]) {").find("'f99' is no element type"), std::string::npos);
  EXPECT_NE(message("graph \"g\" (%x: f32[2], %x: f32[2]) {").find("defined twice"), std::string::npos);
  EXPECT_NE(message("graph \"g\" (%x: f32[2]) {\n %y: f32[3,3] = MatMul(%x, %x)\n return (y: %y)\n}")
                .find("declared f32[3,3]"),
            std::string::npos);
  EXPECT_NE(message("graph \"g\" () {\n %c = constant f32[99999999999,99999999999] splat 0\n").find("overflow"),
            std::string::npos);
  EXPECT_NE(message("graph \"g\" () {\n %c = constant f32[999999999] splat 0\n").find("more than"), std::string::npos);
  EXPECT_NE(message("graph \"g\" () {\n %9 \"bias::0\": f32[4] = constant\n").find("line 3, column 1"),
            std::string::npos);
}

TEST(Text, SurvivesDamage) {
  const std::string good = sample();
  std::mt19937 rng(11);
  int parsed = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    const int edits = 1 + static_cast<int>(rng() % 3);
    for (int k = 0; k < edits; ++k) {
      const std::size_t at = rng() % bad.size();
      switch (rng() % 4) {
        case 0: bad[at] = "%[](){}\",:=_@#0aZ\n"[rng() % 18]; break;
        case 1: bad.erase(at, 1 + rng() % 9); break;
        case 2: bad.insert(at, bad.substr(rng() % bad.size(), rng() % 20)); break;
        default: bad.resize(at); break;
      }
      if (bad.empty()) bad = " ";
    }
    try {
      auto g = parse(bad);
      ++parsed;
      print(*g);
    } catch (const Error&) {
    }
  }
  EXPECT_LT(parsed, 3000);
}
}  // namespace
}  // namespace monza::ir
