// Many sequences in one run, through planner, engine and context: each must get what it gets alone, to the bit, in
// pages of other lengths too, whatever was forked or cut before; and a batch that is refused or fails changes none of
// them.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "monza/sequence.h"
#include "support/allocations.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"

namespace monza {
namespace {

constexpr std::int64_t kHeads = 4, kKvHeads = 2, kWidth = 16, kMost = 200;

/// y = attention over everything that its sequence holds, of new positions n.
Engine attention(const char* encoding) {
  const std::string text = fmt::format(
      "graph \"main\" (%q: f32[n,{0},{2}], %k: f32[n,{1},{2}], %v: f32[n,{1},{2}], %ks: state({3}[4096,{1},{2}]), "
      "%vs: state({3}[4096,{1},{2}])) {{\n"
      "  %k2 = StateAppend(%ks, %k)\n  %v2 = StateAppend(%vs, %v)\n  %y = StateAttention(%q, %k2, %v2)\n"
      "  return (y: %y)\n}}",
      kHeads, kKvHeads, kWidth, encoding);
  plan::PlanScope scope;
  scope.profile["n"] = {0, 8, kMost};
  return test::engine_from_text(text, scope).engine;
}

struct Inputs {
  std::vector<float> q, k, v;
  explicit Inputs(std::int64_t n = 0) : q(sized(n, kHeads)), k(sized(n, kKvHeads)), v(sized(n, kKvHeads)) {}
  Inputs(std::int64_t n, std::mt19937& random) : Inputs(n) {
    for (auto* list : {&q, &k, &v})
      for (float& x : *list) x = std::uniform_real_distribution<float>(-2, 2)(random);
  }
  static std::vector<float> sized(std::int64_t n, std::int64_t heads) {
    return std::vector<float>(static_cast<std::size_t>(n * heads * kWidth));
  }
  void append(const Inputs& other) {
    for (auto member : {&Inputs::q, &Inputs::k, &Inputs::v})
      (this->*member).insert((this->*member).end(), (other.*member).begin(), (other.*member).end());
  }
  Status bind(Context& context) {
    const auto n = static_cast<std::int64_t>(q.size()) / (kHeads * kWidth);
    Status s = context.bind_input("q", {DType::f32, {n, kHeads, kWidth}, q.data(), q.size() * 4});
    if (s) s = context.bind_input("k", {DType::f32, {n, kKvHeads, kWidth}, k.data(), k.size() * 4});
    if (s) s = context.bind_input("v", {DType::f32, {n, kKvHeads, kWidth}, v.data(), v.size() * 4});
    return s;
  }
};

/// A sequence of a batch, and the same one fed alone.
struct Pair {
  Sequence batched, alone;
};

TEST(Batches, EachSequenceAsAlone) {
  for (const char* encoding : {"f32", "f16", "bf16", "i8"}) {
    SCOPED_TRACE(encoding);
    const Engine engine = attention(encoding);
    Context together = engine.create_context({.threads = 1}), single = engine.create_context({.threads = 1});
    const SequencePool pool(engine, {.block_length = 4, .blocks = 400, .max_positions = 1000}),
        other(engine, {.block_length = 7, .blocks = 400, .max_positions = 1000});
    std::mt19937 random(5);
    std::vector<Pair> pairs;
    for (int i = 0; i < 3; ++i) pairs.push_back({pool.create(), other.create()});
    for (int step = 0; step < 12; ++step) {
      const std::size_t chosen = random() % pairs.size();
      if (step % 3 == 1) pairs.push_back({pairs[chosen].batched.fork(), pairs[chosen].alone.fork()});
      if (step % 3 == 2) {
        const auto length =
            static_cast<std::int64_t>(random() % static_cast<unsigned>(pairs[chosen].batched.length() + 1));
        ASSERT_TRUE(pairs[chosen].batched.truncate(length) && pairs[chosen].alone.truncate(length));
      }
      std::vector<SequenceRun> batch;
      std::vector<Inputs> each;
      Inputs all;
      std::vector<std::int64_t> lengths;
      for (Pair& p : pairs) {
        const std::int64_t n = static_cast<std::int64_t>(random() % 3 * (random() % 12));
        ASSERT_TRUE(p.batched.reserve(n) && p.alone.reserve(n));
        batch.push_back({&p.batched, n});
        lengths.push_back(p.batched.length() + n);
        all.append(each.emplace_back(n, random));
      }
      const std::int64_t before = test::allocations();
      const Status bound = together.bind_sequences(batch);
      EXPECT_EQ(test::allocations(), before) << "binding allocated memory";
      ASSERT_TRUE(bound && all.bind(together));
      const std::int64_t running = test::allocations();
      const Status ran = together.run();
      EXPECT_EQ(test::allocations(), running) << "running allocated memory";
      ASSERT_TRUE(ran) << together.describe(ran);
      const float* y = together.output("y").as<float>();
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        EXPECT_EQ(pairs[i].batched.length(), lengths[i]);
        if (batch[i].positions == 0) continue;
        ASSERT_TRUE(single.bind_sequence(pairs[i].alone) && each[i].bind(single) && single.run());
        EXPECT_EQ(pairs[i].alone.length(), lengths[i]);
        const TensorRef want = single.output("y");
        ASSERT_EQ(std::memcmp(y, want.data, want.bytes), 0) << "step " << step << ", sequence " << i;
        y += want.numel();
      }
    }
  }
}

TEST(Batches, WhatIsRefused) {
  const Engine engine = attention("bf16"), elsewhere = attention("bf16");
  const SequencePool pool(engine, {.block_length = 4, .blocks = 4, .max_positions = 100}),
      longer(engine, {.block_length = 8, .blocks = 4, .max_positions = 100}), foreign(elsewhere, {.blocks = 1});
  Sequence a = pool.create(), b = pool.create(), c = pool.create(), d = longer.create(), e = foreign.create();
  Context context = engine.create_context({.threads = 1, .max_sequences = 2});
  const auto refused = [&](std::vector<SequenceRun> batch) {
    const std::string said = context.describe(context.bind_sequences(batch));
    EXPECT_EQ(context.describe(context.run()).substr(0, 12), "an input is ");
    return said;
  };
  EXPECT_EQ(refused({}), "the batch has no sequence");
  EXPECT_EQ(refused({{&a, 1}, {&b, 1}, {&c, 1}}),
            "the batch has more sequences than the context was made for: ContextOptions::max_sequences");
  EXPECT_EQ(refused({{&a, 1}, {nullptr, 1}}), "a sequence of the batch is null (sequence 1 of the batch)");
  EXPECT_EQ(refused({{&a, 1}, {&e, 1}}), "the sequence belongs to another engine (sequence 1 of the batch)");
  EXPECT_EQ(refused({{&a, 1}, {&a, 1}}), "a sequence comes twice in one batch (sequence 1 of the batch)");
  EXPECT_EQ(refused({{&a, 1}, {&d, 1}}),
            "the sequences of a batch come from pools with blocks of different lengths (sequence 1 of the batch)");
  const std::string count = "a number of new positions is negative, or all together are too many";
  EXPECT_EQ(refused({{&a, -1}}), count + " (sequence 0 of the batch)");
  EXPECT_EQ(refused({{&a, INT64_MAX}, {&b, 1}}), count + " (sequence 1 of the batch)");
  EXPECT_EQ(test::error_of([&] { (void)engine.create_context({.max_sequences = 0}); }),
            "a context takes a sequence at least, but ContextOptions::max_sequences is 0");
}

TEST(Batches, ARunThatFailsChangesNoSequence) {
  const Engine engine = attention("bf16");
  const SequencePool pool(engine, {.block_length = 4, .blocks = 8, .max_positions = 100});
  Sequence a = pool.create(), b = pool.create();
  Context context = engine.create_context({.threads = 1});
  std::mt19937 random(1);
  Inputs five(5, random);
  ASSERT_TRUE(five.bind(context) && a.reserve(8));
  const auto run = [&](std::vector<SequenceRun> batch) {
    EXPECT_TRUE(context.bind_sequences(batch));
    const Status s = context.run();
    EXPECT_EQ(a.length() + b.length(), 0);
    return context.describe(s);
  };
  const std::string no_room = run({{&a, 3}, {&b, 2}});
  EXPECT_EQ(no_room.substr(0, 56), "the sequence has no room for the rows: reserve it first ") << no_room;
  EXPECT_NE(no_room.find("(sequence 1 of the batch)"), std::string::npos) << no_room;
  const std::string other = run({{&a, 3}, {&b, 3}});
  EXPECT_EQ(other.substr(0, 74), "the run has another number of new positions than the batch of sequences (i") << other;
  ASSERT_TRUE(b.reserve(2));
  const SequenceRun fits[] = {{&a, 3}, {&b, 2}};
  ASSERT_TRUE(context.bind_sequences(fits) && context.run());
  EXPECT_EQ(a.length(), 3);
  EXPECT_EQ(b.length(), 2);
  // Runs go on with what is bound, and again alone.
  ASSERT_TRUE(b.reserve(2));
  ASSERT_TRUE(context.run());
  EXPECT_EQ(a.length(), 6);
  ASSERT_TRUE(b.reserve(5) && context.bind_sequence(b) && context.run());
  EXPECT_EQ(b.length(), 9);
  context.unbind_sequences();
  EXPECT_EQ(context.describe(context.run()), "the model keeps state, and no sequence is bound");
}

}  // namespace
}  // namespace monza
