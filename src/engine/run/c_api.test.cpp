// Sequences through the C API. What a C program sees beside them is in tests/c_api.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/run/c_api.h"
#include "support/engine_from_text.h"

namespace monza {
namespace {

constexpr std::int64_t kWidth = 8;

/// y = attention over everything that its sequence holds, of n new positions of one head.
monza_engine* attention() {
  plan::PlanScope scope;
  scope.profile["n"] = {0, 2, 16};
  return c_api::make_handle(test::engine_from_text(R"(graph "main" (%q: f32[n,1,8], %k: f32[n,1,8], %v: f32[n,1,8],
    %ks: state(f32[64,1,8]), %vs: state(f32[64,1,8])) {
  %k2 = StateAppend(%ks, %k)
  %v2 = StateAppend(%vs, %v)
  %y = StateAttention(%q, %k2, %v2)
  return (y: %y)
})",
                                                   scope)
                                .engine);
}

std::vector<float> rows(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> data(static_cast<std::size_t>(n * kWidth));
  for (float& x : data) x = std::uniform_real_distribution<float>(-1, 1)(random);
  return data;
}

/// Binds q, k and v to the same rows, runs, and returns y.
std::vector<float> run(monza_context* context, std::vector<float>& data) {
  const auto n = static_cast<std::int64_t>(data.size()) / kWidth;
  const monza_tensor in = {MONZA_F32, 3, {n, 1, kWidth}, data.data(), data.size() * sizeof(float)};
  for (const char* name : {"q", "k", "v"})
    EXPECT_EQ(monza_context_bind_input(context, name, &in), MONZA_OK) << monza_last_error();
  EXPECT_EQ(monza_context_run(context), MONZA_OK) << monza_last_error();
  monza_tensor y;
  EXPECT_EQ(monza_context_output(context, "y", &y), MONZA_OK);
  const auto* begin = static_cast<const float*>(y.data);
  return {begin, begin + n * kWidth};
}

class CApiSequences : public ::testing::Test {
 protected:
  CApiSequences() {
    monza_sequence_pool_options options = {};
    options.struct_size = sizeof options;
    options.blocks = 8;
    options.block_length = 4;
    options.max_positions = 20;
    EXPECT_EQ(monza_sequence_pool_create(engine_, &options, &pool_), MONZA_OK) << monza_last_error();
    monza_context_options two = {};
    two.struct_size = sizeof two;
    two.threads = 1;
    two.max_sequences = 2;
    EXPECT_EQ(monza_context_create(engine_, &two, &context_), MONZA_OK) << monza_last_error();
    EXPECT_EQ(monza_sequence_create(pool_, &a_), MONZA_OK);
  }
  ~CApiSequences() override {
    monza_context_release(context_);
    for (monza_sequence* s : {a_, b_, c_}) monza_sequence_release(s);
    monza_sequence_pool_release(pool_);
    monza_engine_release(engine_);
  }

  monza_engine* engine_ = attention();
  monza_sequence_pool* pool_ = nullptr;
  monza_context* context_ = nullptr;
  monza_sequence *a_ = nullptr, *b_ = nullptr, *c_ = nullptr;
};

TEST_F(CApiSequences, OfABatchSeeThemselvesAlone) {
  // Five positions of a prompt, then a fork: one more of each branch, together and alone.
  std::vector<float> prompt = rows(5, 1), next = rows(2, 2);
  EXPECT_EQ(monza_sequence_reserve(a_, 6), MONZA_OK);
  EXPECT_EQ(monza_sequence_capacity(a_), 8);
  EXPECT_EQ(monza_sequence_pool_free_blocks(pool_), 6);
  EXPECT_EQ(monza_context_bind_sequence(context_, a_), MONZA_OK);
  run(context_, prompt);
  EXPECT_EQ(monza_sequence_length(a_), 5);
  ASSERT_EQ(monza_sequence_fork(a_, &b_), MONZA_OK);
  ASSERT_EQ(monza_sequence_fork(a_, &c_), MONZA_OK);
  EXPECT_EQ(monza_sequence_reserve(b_, 1), MONZA_OK);
  EXPECT_EQ(monza_sequence_reserve(c_, 1), MONZA_OK);
  const monza_sequence_run batch[] = {{b_, 1}, {c_, 1}};
  EXPECT_EQ(monza_context_bind_sequences(context_, batch, 2), MONZA_OK) << monza_last_error();
  const std::vector<float> together = run(context_, next);
  EXPECT_EQ(monza_sequence_length(b_), 6);
  EXPECT_EQ(monza_sequence_length(a_), 5) << "a fork is another sequence";
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<float> one(next.begin() + static_cast<std::ptrdiff_t>(i) * kWidth,
                           next.begin() + static_cast<std::ptrdiff_t>(i + 1) * kWidth);
    EXPECT_EQ(monza_sequence_truncate(a_, 5), MONZA_OK);
    EXPECT_EQ(monza_context_bind_sequence(context_, a_), MONZA_OK);
    const std::vector<float> alone = run(context_, one);
    EXPECT_EQ(std::memcmp(alone.data(), together.data() + i * kWidth, sizeof(float) * kWidth), 0) << "sequence " << i;
  }
}

TEST_F(CApiSequences, OutliveTheirPoolAndEngine) {
  EXPECT_EQ(monza_sequence_reserve(a_, 2), MONZA_OK);
  EXPECT_EQ(monza_context_bind_sequence(context_, a_), MONZA_OK);
  monza_sequence_pool_release(pool_);
  monza_engine_release(engine_);
  pool_ = nullptr;
  engine_ = nullptr;
  std::vector<float> data = rows(2, 3);
  run(context_, data);
  EXPECT_EQ(monza_sequence_length(a_), 2);
}

TEST_F(CApiSequences, WhatIsRefused) {
  const auto said = [](monza_status status, monza_status want) {
    EXPECT_EQ(status, want);
    return std::string(monza_last_error());
  };
  EXPECT_EQ(said(monza_sequence_reserve(a_, 21), MONZA_RESOURCE_EXHAUSTED), "the sequence is at its greatest length");
  EXPECT_EQ(monza_sequence_truncate(a_, 1), MONZA_INVALID_ARGUMENT) << "it has none";
  ASSERT_EQ(monza_sequence_create(pool_, &b_), MONZA_OK);
  ASSERT_EQ(monza_sequence_create(pool_, &c_), MONZA_OK);
  const monza_sequence_run three[] = {{a_, 1}, {b_, 1}, {c_, 1}}, twice[] = {{a_, 1}, {a_, 1}},
                           none[] = {{a_, 1}, {nullptr, 1}};
  EXPECT_EQ(said(monza_context_bind_sequences(context_, three, 3), MONZA_RESOURCE_EXHAUSTED),
            "the batch has more sequences than the context was made for: ContextOptions::max_sequences");
  EXPECT_EQ(said(monza_context_bind_sequences(context_, twice, 2), MONZA_INVALID_ARGUMENT),
            "a sequence comes twice in one batch (sequence 1 of the batch)");
  EXPECT_EQ(said(monza_context_bind_sequences(context_, none, 2), MONZA_INVALID_ARGUMENT),
            "monza_context_bind_sequences: a sequence of the batch is NULL");
  EXPECT_EQ(said(monza_context_bind_sequences(context_, nullptr, 1), MONZA_INVALID_ARGUMENT),
            "monza_context_bind_sequences: batch is NULL");
  EXPECT_EQ(monza_context_bind_sequence(context_, a_), MONZA_OK);
  EXPECT_EQ(monza_context_unbind_sequences(context_), MONZA_OK);
  EXPECT_EQ(monza_context_run(context_), MONZA_INVALID_ARGUMENT);
  monza_sequence_pool_options options = {};
  options.struct_size = sizeof options;
  options.blocks = -1;
  monza_sequence_pool* pool = nullptr;
  EXPECT_EQ(said(monza_sequence_pool_create(engine_, &options, &pool), MONZA_REFUSED),
            "a number of monza_sequence_pool_options is negative\n  try: 0 for its default");
  EXPECT_EQ(pool, nullptr);
}

}  // namespace
}  // namespace monza
