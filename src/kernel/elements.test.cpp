// Rules see types and shapes, not elements: what a kernel says when those of a damaged engine would lead it out of its
// operands, and what it refuses where the build would have.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernel/registry.h"
#include "kernel/serial.h"
#include "kernel/value_pool.h"
#include "ops/move/move.params.h"
#include "ops/signal/signal.params.h"
#include "ops/text/text.params.h"

namespace monza {
namespace {

template <typename T>
TensorView view(std::vector<T>& elements, DType dtype, const Shape& shape) {
  return dense_view(elements.data(), dtype, shape);
}

/// The status of a run; extents go to `extents`.
std::string said(const char* kernel, const void* params, const std::vector<TensorView>& in,
                 const std::vector<TensorView>& out, ValuePool* pool = nullptr) {
  const Kernel* k = find_kernel(kernel);
  if (k == nullptr) return "there is no such kernel";
  Serial serial;
  std::int64_t extents[kMaxRank] = {};
  return k
      ->run({.params = params,
             .in = in.data(),
             .in_count = static_cast<int>(in.size()),
             .out = out.data(),
             .out_count = static_cast<int>(out.size()),
             .parallel = &serial,
             .extents = extents,
             .pool = pool})
      .message();
}

std::vector<float> x(16), y(16);

TEST(Elements, IndexesOfNGramsStayInTheOutput) {
  TfIdfParams p;
  p.shortest = p.longest = p.lengths = 1;
  p.begin[1] = 2;
  std::vector<std::int64_t> tokens{1, 2}, pool{1, 2}, indexes{0, 3};
  const auto run = [&] {
    return said("tfidf_vectorizer_ref", &p,
                {view(tokens, DType::i64, {2}), view(pool, DType::i64, {2}), view(indexes, DType::i64, {2})},
                {view(y, DType::f32, {3})});
  };
  EXPECT_EQ(run(), "TfIdfVectorizer: an index lies outside of the output");
  indexes = {0, -1};
  EXPECT_EQ(run(), "TfIdfVectorizer: an index lies outside of the output");
  indexes = {0, 2};
  EXPECT_EQ(run(), "ok");
}

TEST(Elements, TheLengthOfATransformFitsTheOutput) {
  DftParams p;
  p.length = -2;  // read
  std::vector<std::int64_t> length{10};
  const auto run = [&] {
    return said("dft_ref", &p, {view(x, DType::f32, {4, 1}), view(length, DType::i64, {})},
                {view(y, DType::f32, {4, 2})});
  };
  EXPECT_EQ(run(), "DFT: the length does not fit the output");
  length = {4};
  EXPECT_EQ(run(), "ok");
}

TEST(Elements, SlicesStayInTheInput) {
  SliceParams p;
  p.count = 1;
  p.start[0] = 2;
  p.step[0] = 1;
  const auto run = [&](std::int64_t out) {
    return said("slice_ref", &p, {view(x, DType::f32, {4})}, {view(y, DType::f32, {out})});
  };
  EXPECT_EQ(run(3), "Slice: the output reaches over the input");
  EXPECT_EQ(run(2), "ok");
  p.step[0] = INT64_MIN;
  EXPECT_EQ(run(3), "Slice: the output reaches over the input");
  // One that reports its extents stays within what was planned for them.
  p.start[0] = 0;
  p.step[0] = p.reports = 1;
  std::vector<std::int64_t> end{4};
  EXPECT_EQ(
      said("slice_ref", &p, {view(x, DType::f32, {4}), {}, view(end, DType::i64, {1})}, {view(y, DType::f32, {3})}),
      "Slice: more elements than the bound set at build");
}

TEST(Elements, AStateIsThere) {
  const TensorView state{.dtype = DType::f32};
  EXPECT_EQ(said("state_append_ref", nullptr, {state, view(x, DType::f32, {2, 4})}, {state}), "no sequence is bound");
}

TEST(Elements, PatternsAreRegularExpressions) {
  const std::string text = "a(";
  ValuePool pool(text, nullptr, 0);
  std::vector<Handle> strings{{0, 1}}, pattern{{1, 1}};
  std::vector<char> matches(1);
  const auto said_of =
      said("regex_full_match_ref", nullptr, {view(strings, DType::string, {1}), view(pattern, DType::string, {1})},
           {view(matches, DType::boolean, {1})}, &pool);
  if (said_of.starts_with("this build")) GTEST_SKIP() << said_of;
  EXPECT_EQ(said_of, "the pattern is no regular expression");
}

}  // namespace
}  // namespace monza
