// A toy decoder whose keys and values live in sequences: two of them interleaved, on pages that are not
// contiguous, one forked, one truncated; nothing shared is copied and nothing is allocated while it runs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "engine/run/context_impl.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "monza/sequence.h"
#include "ops/matmul/matmul.params.h"
#include "ops/state/state.params.h"
#include "support/allocations.h"
#include "support/plan_builder.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using plan::ScalarOp;
using test::Dim;
using test::PlanBuilder;

constexpr int kDecoderWidth = 8, kDecoderHeads = 4, kDecoderKvHeads = 2, kHeadWidth = 2,
              kKvWidth = kDecoderKvHeads * kHeadWidth, kMaxRows = 6;
constexpr float kScale = 0.7f;

struct Weights {
  std::vector<float> q, k, v;  // [kDecoderWidth, kDecoderWidth], [kDecoderWidth, kKvWidth] twice
  Weights() : q(kDecoderWidth * kDecoderWidth), k(kDecoderWidth * kKvWidth), v(kDecoderWidth * kKvWidth) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> values(-1, 1);
    for (auto* list : {&q, &k, &v})
      for (float& w : *list) w = values(random);
  }
};

/// x [n, 8] -> q, k, v; k and v are appended; y [n, 8] = attention over everything the sequence holds.
Engine decoder(const Weights& w) {
  PlanBuilder b;
  b.input("x", DType::f32, {1, kDecoderWidth}, {kMaxRows, kDecoderWidth});
  const int keys = b.state("keys", DType::f32, {kDecoderKvHeads, kHeadWidth}),
            values = b.state("values", DType::f32, {kDecoderKvHeads, kHeadWidth});
  const plan::Register r = b.variable();
  const Dim n = Dim::in(r, kMaxRows);
  const auto weight = [&](const char* name, const std::vector<float>& data, int columns) {
    return b.operand(Base::weights, DType::f32, {kDecoderWidth, columns},
                     b.weight(name, std::as_bytes(std::span(data))));
  };
  const Operand x = b.operand(Base::input, DType::f32, {n, kDecoderWidth});
  const Operand q = b.in_arena(DType::f32, {n, kDecoderWidth}), k = b.in_arena(DType::f32, {n, kKvWidth}),
                v = b.in_arena(DType::f32, {n, kKvWidth});
  const auto heads = [&](const Operand& flat, int count) {
    return b.operand(flat.base, DType::f32, {n, count, kHeadWidth}, flat.byte_offset);
  };
  const Operand y = b.operand(Base::output, DType::f32, {n, kDecoderWidth});
  b.output("y", y);
  const auto state = [&](int index) {
    return b.operand(Base::state, DType::f32, {1, kDecoderKvHeads, kHeadWidth}, 0, index);
  };
  const MatMulParams product{};
  const StateAttentionParams attention{.scale = kScale, .causal = 1};
  const auto product_bytes = std::as_bytes(std::span(&product, 1));
  b.step("q", *find_kernel("matmul_ref"), {x, weight("wq", w.q, kDecoderWidth)}, {q}, product_bytes,
         {{ScalarOp::input_extent, {}, r, 0, 0}});
  b.step("k", *find_kernel("matmul_ref"), {x, weight("wk", w.k, kKvWidth)}, {k}, product_bytes);
  b.step("v", *find_kernel("matmul_ref"), {x, weight("wv", w.v, kKvWidth)}, {v}, product_bytes);
  b.step("append k", *find_kernel("state_append_ref"), {state(keys), heads(k, kDecoderKvHeads)}, {state(keys)});
  b.step("append v", *find_kernel("state_append_ref"), {state(values), heads(v, kDecoderKvHeads)}, {state(values)});
  b.step("attention", *find_kernel("state_attention_ref"), {heads(q, kDecoderHeads), state(keys), state(values)},
         {heads(y, kDecoderHeads)}, std::as_bytes(std::span(&attention, 1)));
  b.finish();
  engine_file::Parts parts;
  parts.weights = Region(static_cast<std::int64_t>(b.weights().size()));
  std::memcpy(parts.weights.data(), b.weights().data(), b.weights().size());
  parts.plan = b.storage;
  return make_engine(engine_file::make_image(std::move(parts)), {});
}

using Tokens = std::vector<std::vector<float>>;  // rows of x

/// What the decoder should say about the last `n` of `tokens`: the whole sequence at once, in plain arrays.
std::vector<float> expected(const Weights& w, const Tokens& tokens, std::size_t n) {
  const auto product = [&](const std::vector<float>& x, const std::vector<float>& m, int columns) {
    std::vector<double> y(static_cast<std::size_t>(columns));
    for (int c = 0; c < columns; ++c)
      for (int i = 0; i < kDecoderWidth; ++i)
        y[static_cast<std::size_t>(c)] +=
            double{x[static_cast<std::size_t>(i)]} * m[static_cast<std::size_t>(i * columns + c)];
    return y;
  };
  std::vector<std::vector<double>> keys, values;
  for (const auto& t : tokens) {
    keys.push_back(product(t, w.k, kKvWidth));
    values.push_back(product(t, w.v, kKvWidth));
  }
  std::vector<float> y;
  for (std::size_t at = tokens.size() - n; at < tokens.size(); ++at) {
    const std::vector<double> q = product(tokens[at], w.q, kDecoderWidth);
    for (int h = 0; h < kDecoderHeads; ++h) {
      const int kv = h / (kDecoderHeads / kDecoderKvHeads);
      double norm = 0, sums[kHeadWidth] = {};
      for (std::size_t t = 0; t <= at; ++t) {
        double score = 0;
        for (int e = 0; e < kHeadWidth; ++e)
          score +=
              q[static_cast<std::size_t>(h * kHeadWidth + e)] * keys[t][static_cast<std::size_t>(kv * kHeadWidth + e)];
        const double weight = std::exp(score * kScale);
        norm += weight;
        for (int e = 0; e < kHeadWidth; ++e)
          sums[e] += weight * values[t][static_cast<std::size_t>(kv * kHeadWidth + e)];
      }
      for (double s : sums) y.push_back(static_cast<float>(s / norm));
    }
  }
  return y;
}

/// A sequence with the tokens it should hold, and a way to feed it more and check what comes out.
class Decoding {
 public:
  Decoding(const Weights& w, Context& context, Sequence sequence)
      : w_(w), context_(context), sequence(std::move(sequence)) {}

  void feed(int rows) {
    std::vector<float> flat;
    for (int i = 0; i < rows; ++i) {
      std::vector<float> token(kDecoderWidth);
      for (float& t : token) t = std::uniform_real_distribution<float>(-1, 1)(random());
      tokens.push_back(token);
      flat.insert(flat.end(), token.begin(), token.end());
    }
    const TensorRef x{DType::f32, {rows, kDecoderWidth}, flat.data(), flat.size() * 4};
    const std::int64_t before = test::allocations();
    const Status reserved = sequence.reserve(rows), bound = context_.bind_sequence(sequence),
                 input = context_.bind_input("x", x);
    const Status ran = context_.run();
    EXPECT_EQ(test::allocations(), before) << "running allocated memory";
    ASSERT_TRUE(reserved && bound && input) << reserved.message();
    ASSERT_TRUE(ran) << context_.describe(ran);
    ASSERT_EQ(sequence.length(), static_cast<std::int64_t>(tokens.size()));
    const std::vector<float> want = expected(w_, tokens, static_cast<std::size_t>(rows));
    const TensorRef y = context_.output("y");
    ASSERT_EQ(y.numel(), static_cast<std::int64_t>(want.size()));
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(y.as<float>()[i], want[i], 1e-5) << "element " << i;
  }

  std::vector<std::byte*> key_blocks() {
    const SequenceTable& table = *sequence.impl().table;
    return {table.blocks(0), table.blocks(0) + table.block_ids().size()};
  }

 private:
  static std::mt19937& random() {
    static std::mt19937 generator(5);
    return generator;
  }
  const Weights& w_;
  Context& context_;

 public:
  Sequence sequence;
  Tokens tokens;
};

TEST(Decoder, InterleavedForkedAndTruncatedSequences) {
  const Weights w;
  const Engine engine = decoder(w);
  Context context = engine.create_context();
  SequencePool pool(engine, {.block_length = 4, .blocks = 16, .max_positions = 40});
  Decoding a(w, context, pool.create()), b(w, context, pool.create());

  // Interleaved, of different lengths: prompts of 5 and 3, then single tokens.
  a.feed(5);
  b.feed(3);
  for (int i = 0; i < 6; ++i) {
    a.feed(1);
    if (i % 2 == 0) b.feed(2);
  }
  EXPECT_EQ(a.sequence.length(), 11);
  EXPECT_EQ(b.sequence.length(), 9);
  // Blocks were handed out in turn, so neither sequence lies in one piece.
  const std::vector<std::int32_t> ids = a.sequence.impl().table->block_ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_FALSE(ids[1] == ids[0] + 1 && ids[2] == ids[1] + 1);

  // A fork shares every block; only the partial last one becomes the fork's own when it grows.
  const std::int32_t free_before = pool.free_blocks();
  const std::vector<std::byte*> shared = a.key_blocks();
  Decoding c(w, context, a.sequence.fork());
  c.tokens = a.tokens;
  EXPECT_EQ(pool.free_blocks(), free_before);
  c.feed(1);
  EXPECT_EQ(pool.free_blocks(), free_before - 1);
  EXPECT_EQ(c.key_blocks()[0], shared[0]);
  EXPECT_EQ(c.key_blocks()[1], shared[1]);
  EXPECT_NE(c.key_blocks()[2], shared[2]);
  // Both go on, each with its own future.
  a.feed(2);
  c.feed(3);
  EXPECT_EQ(a.key_blocks()[0], shared[0]);

  // Truncation: forgets, frees, and never disturbs who shares.
  ASSERT_TRUE(a.sequence.truncate(6));
  a.tokens.resize(6);
  a.feed(3);
  c.feed(2);
  b.feed(1);
  EXPECT_EQ(a.key_blocks()[0], shared[0]);
  EXPECT_EQ(c.key_blocks()[1], shared[1]);
}

TEST(Decoder, WithoutRoomARunFailsAndChangesNothing) {
  const Weights w;
  const Engine engine = decoder(w);
  Context context = engine.create_context();
  SequencePool pool(engine, {.block_length = 4, .blocks = 2, .max_positions = 100});
  Decoding a(w, context, pool.create());
  Tensor x(DType::f32, {1, kDecoderWidth});
  ASSERT_TRUE(context.bind_input("x", x));
  EXPECT_EQ(context.run().code(), StatusCode::invalid_argument);  // no sequence
  ASSERT_TRUE(context.bind_sequence(a.sequence));
  const Status s = context.run();  // no block reserved
  EXPECT_EQ(s.code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(s.message(), "the sequence has no room for the rows: reserve it first");
  EXPECT_NE(context.describe(s).find("append k"), std::string::npos);
  EXPECT_EQ(a.sequence.length(), 0);
  a.feed(6);
  a.feed(2);
  EXPECT_EQ(a.sequence.reserve(1).code(), StatusCode::resource_exhausted);
  ASSERT_TRUE(context.bind_input("x", x));  // what was bound last is gone
  EXPECT_EQ(context.run().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(a.sequence.length(), 8);
  const Engine other = decoder(w);
  EXPECT_EQ(other.create_context().bind_sequence(a.sequence).code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace monza
