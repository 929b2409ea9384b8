// Strings, sequences and optionals through the API.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "support/allocations.h"
#include "support/engine_from_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::engine_from_text;
using Strings = std::vector<std::string>;

Tensor strings(const std::vector<std::string_view>& values) {
  return Tensor::of_strings(values, {static_cast<std::int64_t>(values.size())});
}
Strings strings_of(const TensorRef& t) {
  Strings list;
  for (std::int64_t i = 0; i < t.numel(); ++i) list.emplace_back(t.as<StringRef>()[i].view());
  return list;
}
Tensor floats(const std::vector<float>& values) {
  Tensor t(DType::f32, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<float>());
  return t;
}
std::vector<float> floats_of(const TensorRef& t) { return {t.as<float>(), t.as<float>() + t.numel()}; }

constexpr const char* kConcat = R"(graph "strings" (%a: string[3], %b: string[1]) {
  %s = constant string[3] ["-x", "", "-zz"]
  %c: string[3] = StringConcat(%a, %s)
  %e: bool[3] = StringEqual(%c, %b)
  return (c: %c, e: %e, again: %a, s: %s)
}
)";

TEST(Strings, ComeInAndGoOut) {
  const test::TemporaryFolder folder;
  engine_from_text(kConcat).engine.save(folder / "m.engine");
  const Engine engine = Engine::load(folder / "m.engine");  // constants are mapped from the file
  Context context = engine.create_context();
  Tensor a;
  const Tensor b = strings({"two-zz"});
  for (const char* first : {"one", "another that is longer"}) {
    a = strings({first, "", "two"});
    ASSERT_TRUE(context.bind_input("a", a));
    ASSERT_TRUE(context.bind_input("b", b));
    const Status status = context.run();
    ASSERT_TRUE(status) << context.describe(status);
    EXPECT_EQ(strings_of(context.output("c")), (Strings{std::string(first) + "-x", "", "two-zz"}));
    EXPECT_EQ(strings_of(context.output("again")), (Strings{first, "", "two"})) << "an output that is an input";
    EXPECT_EQ(strings_of(context.output("s")), (Strings{"-x", "", "-zz"})) << "an output that is a constant";
    const TensorRef e = context.output("e");
    EXPECT_EQ(std::vector<bool>(e.as<bool>(), e.as<bool>() + 3), (std::vector<bool>{false, false, true}));
  }
  Tensor own(DType::string, {3});
  ASSERT_TRUE(context.bind_output("c", own));
  ASSERT_TRUE(context.run());
  const Tensor kept = Tensor::copy_of(own);
  ASSERT_TRUE(context.run());
  EXPECT_EQ(strings_of(kept)[2], "two-zz");
}

TEST(Strings, RunsAllocateNothingAndStopAtTheCap) {
  const Engine engine = engine_from_text(kConcat).engine;
  Context context = engine.create_context({.max_pool_bytes = 4096});
  const std::string large(1000, 'x'), larger(3000, 'x');
  const Tensor a = strings({large, "b", "c"}), b = strings({"b"}), c = strings({larger, "b", "c"});
  ASSERT_TRUE(context.bind_input("a", a));
  ASSERT_TRUE(context.bind_input("b", b));
  ASSERT_TRUE(context.run());
  const std::int64_t before = test::allocations();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(context.run());
  EXPECT_EQ(test::allocations(), before);
  ASSERT_TRUE(context.bind_input("a", c));
  const Status status = context.run();
  EXPECT_EQ(status.code(), StatusCode::resource_exhausted);
  EXPECT_NE(context.describe(status).find("max_pool_bytes"), std::string::npos);
  ASSERT_TRUE(context.bind_input("a", a));
  EXPECT_TRUE(context.run()) << "the next run begins with an empty pool";
}

TEST(Sequences, ComeInAndGoOut) {
  const Engine engine = engine_from_text(R"(graph "lists" (%l: seq(f32[<=4]), %x: f32[2], %at: i64[]) {
    %m: seq(f32[<=4]) = SequenceInsert(%l, %x, %at)
    %n: i64[] = SequenceLength(%m)
    %e: seq(f32[<=4]) = SequenceErase(%m)
    return (m: %m, n: %n, e: %e)
  }
  )")
                            .engine;
  ASSERT_EQ(engine.inputs()[0].kind, ValueKind::sequence);
  EXPECT_EQ(engine.inputs()[0].max, (std::vector<std::int64_t>{4}));
  Context context = engine.create_context();
  Tensor at(DType::i64, {});
  *at.as<std::int64_t>() = 1;
  const Tensor x = floats({7, 8}), one = floats({1}), four = floats({1, 2, 3, 4});
  const std::array<TensorRef, 2> list{one, four};
  ASSERT_TRUE(context.bind_input_list("l", list));
  ASSERT_TRUE(context.bind_input("x", x));
  ASSERT_TRUE(context.bind_input("at", at));
  EXPECT_EQ(context.bind_input("l", x).code(), StatusCode::invalid_argument) << "a tensor is no list";
  EXPECT_EQ(context.bind_input_absent("l").code(), StatusCode::invalid_argument) << "only optionals may be absent";
  ASSERT_TRUE(context.bind_input_list("l", list));
  const Status status = context.run();
  ASSERT_TRUE(status) << context.describe(status);
  const auto m = context.output_list("m");
  ASSERT_TRUE(m && m->size() == 3);
  EXPECT_EQ(floats_of((*m)[0]), (std::vector<float>{1}));
  EXPECT_EQ(floats_of((*m)[1]), (std::vector<float>{7, 8}));
  EXPECT_EQ(floats_of((*m)[2]), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(*context.output("n").as<std::int64_t>(), 3);
  EXPECT_EQ(context.output_list("e")->size(), 2u);
  EXPECT_THROW(context.output("m"), Error);
  EXPECT_THROW(context.output_list("n"), Error);
  *at.as<std::int64_t>() = 3;
  EXPECT_EQ(context.run().code(), StatusCode::out_of_range);
  EXPECT_STREQ(context.run().message(), "a position lies outside the sequence");
  const std::array<TensorRef, 1> wrong{at};
  EXPECT_EQ(context.bind_input_list("l", wrong).code(), StatusCode::invalid_argument) << "integers for floats";
}

TEST(Sequences, ElementsOfOneBoundFeedOrdinaryOperators) {
  const Engine engine = engine_from_text(R"(graph "at" (%l: seq(f32[<=4]), %at: i64[]) {
    %x = SequenceAt(%l, %at)
    %y = Neg(%x)
    return (y: %y)
  }
  )")
                            .engine;
  Context context = engine.create_context();
  Tensor at(DType::i64, {});
  const Tensor three = floats({1, 2, 3}), none = floats({}), five = floats({1, 2, 3, 4, 5});
  std::vector<TensorRef> list{three, none, five};
  ASSERT_TRUE(context.bind_input_list("l", list));
  ASSERT_TRUE(context.bind_input("at", at));
  const Status status = context.run();
  ASSERT_TRUE(status) << context.describe(status);
  EXPECT_EQ(floats_of(context.output("y")), (std::vector<float>{-1, -2, -3}));
  *at.as<std::int64_t>() = -2;
  ASSERT_TRUE(context.run());
  EXPECT_EQ(context.output("y").numel(), 0);
  *at.as<std::int64_t>() = 2;
  EXPECT_EQ(context.run().code(), StatusCode::invalid_argument) << "larger than the bound of the type";
}

TEST(Optionals, MayBeAbsent) {
  const Engine engine = engine_from_text(R"(graph "optional" (%o: optional(f32[2]), %s: optional(seq(f32[2]))) {
    %h: bool[] = OptionalHas(%o)
    %g: f32[2] = OptionalGet(%o)
    return (h: %h, g: %g, s: %s)
  }
  )")
                            .engine;
  Context context = engine.create_context();
  const Tensor x = floats({7, 8});
  const std::array<TensorRef, 1> list{x};
  ASSERT_TRUE(context.bind_input_list("o", list));
  ASSERT_TRUE(context.bind_input_absent("s"));
  Status status = context.run();
  ASSERT_TRUE(status) << context.describe(status);
  EXPECT_TRUE(*context.output("h").as<bool>());
  EXPECT_EQ(floats_of(context.output("g")), (std::vector<float>{7, 8}));
  EXPECT_FALSE(context.output_list("s").has_value());
  ASSERT_TRUE(context.bind_input_list("s", {}));
  ASSERT_TRUE(context.run());
  EXPECT_EQ(context.output_list("s")->size(), 0u) << "an empty sequence is there";
  ASSERT_TRUE(context.bind_input_absent("o"));
  status = context.run();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_NE(context.describe(status).find("holds nothing"), std::string::npos) << context.describe(status);
}

}  // namespace
}  // namespace monza
