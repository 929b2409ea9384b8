// The parts of the tool that need no model: shapes, statistics, comparison, expectations, isolation.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/base64.h"
#include "base/error.h"
#include "engine/compare.h"
#include "eval/run.h"
#include "tools/args/help.h"
#include "tools/args/shape_text.h"
#include "tools/args/usage_error.h"
#include "tools/conformance/conformance.h"
#include "tools/draw/sha256.h"
#include "tools/measure/statistics.h"

namespace monza::tool {
namespace {

using Extents = std::vector<std::int64_t>;

TEST(ShapeText, ParsesWhatUsersWrite) {
  EXPECT_EQ(parse_extents("1x3x640x640"), (Extents{1, 3, 640, 640}));
  EXPECT_EQ(parse_extents("1,3"), (Extents{1, 3}));
  EXPECT_EQ(parse_extents("?x-1x0"), (Extents{-1, -1, 0}));
  EXPECT_EQ(parse_extents(""), Extents{});
  EXPECT_EQ(parse_extents("7"), Extents{7});
  for (const char* bad : {"1x", "x", "1xax2", "-2", "1 x 2", "99999999999999999999"})
    EXPECT_THROW(parse_extents(bad), UsageError) << bad;
  EXPECT_EQ(extents_text({1, -1, 3}), "1x?x3");
  EXPECT_EQ(extents_text({}), "scalar");
}

TEST(ShapeText, NamesMayHoldEqualSigns) {
  EXPECT_EQ(split_assignment("a=b=1x2", "--shape"), (std::pair<std::string, std::string>("a=b", "1x2")));
  EXPECT_EQ(split_assignment("input:0=", "--shape"), (std::pair<std::string, std::string>("input:0", "")));
  EXPECT_THROW(split_assignment("novalue", "--shape"), UsageError);
  EXPECT_THROW(split_assignment("=1", "--shape"), UsageError);
}

std::string hex(std::string_view text) {
  std::string digits;
  for (const std::uint8_t b : sha256(text)) digits += fmt::format("{:02x}", b);
  return digits;
}

// The examples of FIPS 180-4, and texts around the length that needs one block more.
TEST(Sha256, GivesWhatTheStandardSays) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(55, 'a')), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(hex(std::string(64, 'a')), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
  const std::uint8_t bytes[] = {'f', 'o', 'o', 'b'};
  EXPECT_EQ(base64(bytes), "Zm9vYg==");
  EXPECT_EQ(base64(std::span(bytes, 3)), "Zm9v");
  EXPECT_EQ(base64({}), "");
}

TEST(HelpText, WrapsWordsAtTheWidth) {
  EXPECT_EQ(wrapped("one two three four", 9, 0), "one two\nthree\nfour");
  EXPECT_EQ(wrapped("one two three four", 13, 4, 4), "one two\n    three\n    four");
  EXPECT_EQ(wrapped("averylongwordthatdoesnotfit b", 5, 2), "averylongwordthatdoesnotfit\n  b");
  EXPECT_EQ(wrapped("", 5, 2), "");
  EXPECT_EQ(wrapped("a\nb", 50, 2), "a\n  b");
}

TEST(Statistics, PercentilesAreNearestRanks) {
  std::vector<double> v;
  for (int i = 100; i >= 1; --i) v.push_back(i);
  const Summary s = summarize(v);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.median, 50);
  EXPECT_EQ(s.p90, 90);
  EXPECT_EQ(s.p99, 99);
  EXPECT_EQ(s.max, 100);
  EXPECT_DOUBLE_EQ(s.mean, 50.5);
  EXPECT_EQ(summarize({}).max, 0);
  EXPECT_EQ(summarize({3}).p99, 3);
}

TEST(Statistics, UnstableRunsAreNamed) {
  EXPECT_STREQ(instability(std::vector<double>(100, 5.0)), "");
  EXPECT_STRNE(instability({1, 1, 1}), "");
  std::vector<double> drift(100, 5.0);
  for (std::size_t i = 50; i < 100; ++i) drift[i] = 6.0;
  EXPECT_STRNE(instability(drift), "");
  std::vector<double> noisy(100, 10.0);
  noisy[3] = 5;
  EXPECT_STRNE(instability(noisy), "");
}

Tensor floats(std::vector<float> values) {
  Tensor t(DType::f32, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<float>());
  return t;
}

TEST(Statistics, OtherWorkShows) {
  const std::vector<double> steady(100, 5.0);
  EXPECT_EQ(crowding(10, 1, steady), "");
  EXPECT_EQ(crowding(40, 2, steady), "") << "each thread is interrupted now and then";
  EXPECT_EQ(crowding(200, 2, steady), "other work took the CPU 200 times a second: the machine is busy");
  EXPECT_EQ(crowding(0, 1, {1, 1, 1}), instability({1, 1, 1}));
}

TEST(NotFinite, CountsWhatIsNoNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  Tensor t(DType::f32, {4});
  EXPECT_EQ(eval::not_finite(t), "");
  t.as<float>()[1] = -infinity;
  EXPECT_EQ(eval::not_finite(t), "1 of 4 elements are infinite");
  t.as<float>()[3] = nan;
  EXPECT_EQ(eval::not_finite(t), "1 of 4 elements are NaN, 1 are infinite");
  t.as<float>()[1] = 0;
  EXPECT_EQ(eval::not_finite(t), "1 of 4 elements are NaN");
  Tensor half(DType::f16, {2});
  half.as<std::uint16_t>()[0] = 0x7e00;
  EXPECT_EQ(eval::not_finite(half), "1 of 2 elements are NaN");
  EXPECT_EQ(eval::not_finite(Tensor(DType::i32, {2})), "");
}

TEST(Compare, UsesTheDocumentedRule) {
  EXPECT_TRUE(compare(floats({1.0f, 100.0f}), floats({1.001f, 100.1f}), 1e-3, 1e-5).ok);
  const Comparison c = compare(floats({1.0f, 100.0f}), floats({1.0f, 101.0f}), 1e-3, 1e-5);
  EXPECT_FALSE(c.ok);
  EXPECT_DOUBLE_EQ(c.max_abs_error, 1.0);
  EXPECT_NEAR(c.max_rel_error, 1.0 / 101, 1e-12);
  EXPECT_NE(c.reason.find("[1]"), std::string::npos) << c.reason;
  EXPECT_GT(c.cosine, 0.99999);
}

TEST(Compare, NanAndInfinityEqualThemselvesOnly) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(compare(floats({nan, inf, -inf}), floats({nan, inf, -inf}), 0, 0).ok);
  EXPECT_FALSE(compare(floats({nan}), floats({1}), 1e9, 1e9).ok);
  EXPECT_FALSE(compare(floats({1}), floats({nan}), 1e9, 1e9).ok);
  EXPECT_FALSE(compare(floats({1}), floats({inf}), 1, 1).ok);
  EXPECT_FALSE(compare(floats({inf}), floats({-inf}), 1, 1).ok);
  EXPECT_FALSE(compare(floats({inf}), floats({3}), 1, 1).ok);
}

TEST(Compare, TypesAndShapesMustBeEqual) {
  EXPECT_FALSE(compare(floats({1, 2}), floats({1}), 1, 1).ok);
  EXPECT_FALSE(compare(Tensor(DType::i32, {1}), Tensor(DType::i64, {1}), 1, 1).ok);
  const Comparison empty = compare(Tensor(DType::f32, {0}), Tensor(DType::f32, {0}), 0, 0);
  EXPECT_TRUE(empty.ok);
  EXPECT_EQ(empty.cosine, 1);
}

TEST(Compare, LargeIntegersAreToldApart) {
  Tensor a(DType::i64, {1}), b(DType::i64, {1});
  a.as<std::int64_t>()[0] = (static_cast<std::int64_t>(1) << 60) + 1;
  b.as<std::int64_t>()[0] = static_cast<std::int64_t>(1) << 60;
  EXPECT_TRUE(compare_as_onnx(a, a).ok);
  EXPECT_FALSE(compare_as_onnx(a, b).ok);
}

TEST(Compare, LimitsOfTheOnnxRunner) {
  EXPECT_TRUE(compare_as_onnx(floats({1.0009f}), floats({1})).ok);
  EXPECT_FALSE(compare_as_onnx(floats({1.0011f}), floats({1})).ok);
  Tensor a(DType::bf16, {1}), b(DType::bf16, {1});
  a.as<std::uint16_t>()[0] = 0x3f81;  // 1.0078125
  b.as<std::uint16_t>()[0] = 0x3f80;  // 1
  EXPECT_TRUE(compare_as_onnx(a, b).ok);
  a.as<std::uint16_t>()[0] = 0x3f83;  // 1.0234375
  EXPECT_FALSE(compare_as_onnx(a, b).ok);
}

TEST(Isolation, ACrashOrAnEndlessRunCostsOneCase) {
  std::map<std::size_t, std::string> reasons;
  run_isolated(
      7, 2, 1.0,
      [](std::size_t i) -> std::string {
        if (i == 1) std::raise(SIGKILL);
        if (i == 2) ::_exit(9);
        if (i == 3) ::pause();
        if (i == 4) throw std::runtime_error("escaped");
        return i == 5 ? "two\nlines" : "";
      },
      [&](const CaseResult& r) { EXPECT_TRUE(reasons.emplace(r.index, r.reason).second); });
  ASSERT_EQ(reasons.size(), 7u);
  EXPECT_EQ(reasons[0], "");
  EXPECT_NE(reasons[1].find("crashed"), std::string::npos) << reasons[1];
  EXPECT_NE(reasons[2].find("ended with 9"), std::string::npos) << reasons[2];
  EXPECT_NE(reasons[3].find("longer than 1 s"), std::string::npos) << reasons[3];
  EXPECT_NE(reasons[4], "");
  EXPECT_EQ(reasons[5], "two lines");
  EXPECT_EQ(reasons[6], "");
}

TEST(Expectations, NeedAReason) {
  const auto path = std::filesystem::temp_directory_path() / ("monza_expect_" + std::to_string(::getpid()));
  std::ofstream(path) << "# comment\n\ntest_a: strings are missing\n  test_b :  sequences \n";
  EXPECT_EQ(read_expectations(path),
            (std::map<std::string, std::string>{{"test_a", "strings are missing"}, {"test_b", "sequences"}}));
  std::ofstream(path) << "test_a:\n";
  EXPECT_THROW(read_expectations(path), Error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace monza::tool
