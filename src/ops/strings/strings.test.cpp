#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "support/engine_from_text.h"

namespace monza {
namespace {

using Strings = std::vector<std::string>;

Tensor strings(const std::vector<std::string_view>& values) {
  return Tensor::of_strings(values, {static_cast<std::int64_t>(values.size())});
}
Strings strings_of(const TensorRef& t) {
  Strings list;
  for (std::int64_t i = 0; i < t.numel(); ++i) list.emplace_back(t.as<StringRef>()[i].view());
  return list;
}

/// One operator on %x (and constants), run on `x`.
class OneOp {
 public:
  OneOp(const std::string& type, const std::string& body, const std::string& outputs = "y: %y")
      : engine_(test::engine_from_text("graph \"g\" (%x: " + type + ") {\n" + body + "\nreturn (" + outputs + ")\n}\n")
                    .engine),
        context_(engine_.create_context()) {}
  Status run(const Tensor& x) {
    EXPECT_TRUE(context_.bind_input("x", x));
    return context_.run();
  }
  TensorRef output(std::size_t i = 0) const { return context_.output(i); }

 private:
  Engine engine_;
  Context context_;
};

TEST(StringSplit, CutsAsPythonDoes) {
  OneOp commas("string[3]", "%d = constant string[] [\",\"]\n%y, %n = StringSplit(%x, %d)", "y: %y, n: %n");
  ASSERT_TRUE(commas.run(strings({"a,b,,c", "", "x"})));
  EXPECT_EQ(commas.output().shape, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(strings_of(commas.output()), (Strings{"a", "b", "", "c", "", "", "", "", "x", "", "", ""}));
  const auto* n = commas.output(1).as<std::int64_t>();
  EXPECT_EQ(std::vector<std::int64_t>(n, n + 3), (std::vector<std::int64_t>{4, 1, 1}));

  OneOp spaces("string[2]", "%d = constant string[] [\"\"]\n%y, %n = StringSplit(%x, %d) {maxsplit=1}");
  ASSERT_TRUE(spaces.run(strings({"  a  b c ", "\t\n"})));
  EXPECT_EQ(strings_of(spaces.output()), (Strings{"a", "b c ", "", ""}));

  OneOp many("string[1]", "%d = constant string[] [\",\"]\n%y, %n = StringSplit(%x, %d)");
  const std::string commas_only(2000, ',');
  EXPECT_EQ(many.run(strings({commas_only})).code(), StatusCode::resource_exhausted);
}

TEST(StringNormalizer, DropsStopwordsAndMapsCaseOfAnyScript) {
  OneOp lower("string[5]",
              "%w = constant string[1] [\"ÄPFEL\"]\n%y = StringNormalizer(%x, %w) "
              "{case_change_action=\"LOWER\", is_case_sensitive=0}");
  ASSERT_TRUE(lower.run(strings({"Ähre", "äpfel", "ЖУК", "\xff\xc3?", "€𐐀"})));
  EXPECT_EQ(strings_of(lower.output()), (Strings{"ähre", "жук", "\xff\xc3?", "€𐐨"})) << "bytes that are no UTF-8 stay";
  OneOp sensitive("string[2]",
                  "%w = constant string[2] [\"a\", \"b\"]\n%y = StringNormalizer(%x, %w) "
                  "{case_change_action=\"UPPER\", is_case_sensitive=1}");
  ASSERT_TRUE(sensitive.run(strings({"A", "b"})));
  EXPECT_EQ(strings_of(sensitive.output()), (Strings{"A"}));
  ASSERT_TRUE(sensitive.run(strings({"a", "b"})));
  EXPECT_EQ(strings_of(sensitive.output()), (Strings{""})) << "nothing left is one empty string";
}

TEST(StringCast, NumbersGoThereAndBack) {
  OneOp text("f32[7]", "%y = NumberToString(%x)");
  Tensor x(DType::f32, {7});
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {1, -0.1f, 3.14159274f, 1e-30f, inf, -inf, std::nanf("")};
  std::copy(std::begin(values), std::end(values), x.as<float>());
  ASSERT_TRUE(text.run(x));
  EXPECT_EQ(strings_of(text.output()), (Strings{"1.0", "-0.1", "3.1415927", "1e-30", "INF", "-INF", "NaN"}));
  OneOp back("string[7]", "%y = StringToNumber(%x) {to=\"f32\"}");
  ASSERT_TRUE(back.run(Tensor::copy_of(text.output())));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(back.output().as<float>()[i], values[i]) << i;
  EXPECT_TRUE(std::isnan(back.output().as<float>()[6]));

  OneOp whole("string[3]", "%y = StringToNumber(%x) {to=\"i16\"}");
  ASSERT_TRUE(whole.run(strings({"-32768", " +7 ", "0"})));
  EXPECT_EQ(whole.output().as<std::int16_t>()[0], -32768);
  EXPECT_EQ(whole.output().as<std::int16_t>()[1], 7);
  for (const char* wrong : {"32768", "1.5", "", "x", "--1", "99999999999999999999"})
    EXPECT_EQ(whole.run(strings({wrong, "0", "0"})).code(), StatusCode::invalid_argument) << wrong;
  OneOp large("string[1]", "%y = StringToNumber(%x) {to=\"u64\"}");
  ASSERT_TRUE(large.run(strings({"18446744073709551615"})));
  EXPECT_EQ(large.output().as<std::uint64_t>()[0], UINT64_MAX);
}

TEST(RegexFullMatch, TakesTimeLinearInTheString) {
  OneOp op("string[2]", "%p = constant string[] [\"(a*)*b\"]\n%y = RegexFullMatch(%x, %p)");
  const std::string hard(20000, 'a');
  ASSERT_TRUE(op.run(strings({hard, "aab"})));
  EXPECT_FALSE(op.output().as<bool>()[0]);
  EXPECT_TRUE(op.output().as<bool>()[1]);
  EXPECT_THROW(OneOp("string[1]", "%p = constant string[] [\"(a\"]\n%y = RegexFullMatch(%x, %p)"), Error);
}

TEST(Strings, MoveThroughOperatorsThatOnlyMove) {
  OneOp op("string[2,2]",
           "%i = constant i64[3] [1, 0, 1]\n%t = Transpose(%x) {perm=[1, 0]}\n"
           "%g = Gather(%t, %i) {axis=0}\n%y = Concat(%g, %t) {axis=0}");
  Tensor x = Tensor::of_strings(std::vector<std::string_view>{"a", "b", "c", "d"}, {2, 2});
  ASSERT_TRUE(op.run(x));
  EXPECT_EQ(strings_of(op.output()), (Strings{"b", "d", "a", "c", "b", "d", "a", "c", "b", "d"}));
}

}  // namespace
}  // namespace monza
