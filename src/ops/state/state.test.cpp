// Every StateAttention kernel over random batches: sequences of different length with new positions of different number
// (none, too), on pages of several lengths, forked and cut in between, in every encoding. A sequence in a batch must
// give the bits that it gives alone, and those must be the reference's within rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "base/error.h"
#include "kernel/registry.h"
#include "kernel/state.h"
#include "memory/sequence_store.h"
#include "ops/state/state.params.h"
#include "support/error_text.h"
#include "support/kernel_check.h"
#include "tensor/dtype.h"
#include "tensor/view.h"

namespace monza {
namespace {

using Floats = std::vector<float>;

struct Heads {
  std::int64_t kv = 1, group = 1, d = 1, dv = 1;
};

/// Pages for keys and values of one encoding.
struct Pages {
  StateFormat formats[2];
  std::shared_ptr<const StateLayout> layout;
  std::shared_ptr<BlockStore> store;
  Pages(const Heads& h, DType encoding, std::int64_t block_length, int blocks)
      : formats{make_state_format(encoding, Shape{h.kv, h.d}), make_state_format(encoding, Shape{h.kv, h.dv})},
        layout(std::make_shared<const StateLayout>(
            make_state_layout(block_length, {formats[0].position_bytes, formats[1].position_bytes}))),
        store(std::make_shared<BlockStore>(layout->block_bytes, blocks)) {}
  std::unique_ptr<SequenceTable> make() const { return std::make_unique<SequenceTable>(store, layout, 4096); }
};

/// The states of a batch as a context would give them to kernels. Without starts: one sequence, all new positions its
/// own.
struct Batch {
  std::vector<StateRow> rows[2];
  std::vector<std::int64_t> starts;
  StateView views[2];
  Batch(const Pages& pages, const std::vector<SequenceTable*>& tables, std::vector<std::int64_t> starts_)
      : starts(std::move(starts_)) {
    for (std::size_t s = 0; s < 2; ++s) {
      for (const SequenceTable* t : tables)
        rows[s].push_back({.blocks = t->blocks(s), .length = t->length(), .capacity = t->capacity()});
      views[s] = {.rows = rows[s].data(),
                  .row_count = static_cast<std::int64_t>(tables.size()),
                  .starts = starts.empty() ? nullptr : starts.data(),
                  .block_length = pages.layout->block_length,
                  .format = pages.formats[s]};
    }
  }
};

TensorView state_operand(DType dtype) {
  TensorView v;
  v.dtype = dtype;
  v.shape.rank = 3;
  return v;
}

Status append(StateView& state, const TensorView& rows, const Kernel* kernel = find_kernel("state_append_ref"),
              int threads = 1) {
  ThreadPool::Options options{.threads = threads};
  Team team(options);
  const TensorView in[] = {state_operand(state.format.dtype), rows};
  KernelContext c;
  c.in = in;
  c.in_count = 2;
  c.out = in;
  c.out_count = 1;
  c.parallel = &team;
  c.state = &state;
  c.state_count = 1;
  return kernel->run(c);
}
Status append(StateView& state, const Floats& rows, const Heads& h, std::int64_t width,
              const Kernel* kernel = find_kernel("state_append_ref"), int threads = 1) {
  return append(state,
                dense_view(const_cast<float*>(rows.data()), DType::f32,
                           Shape{static_cast<std::int64_t>(rows.size()) / (h.kv * width), h.kv, width}),
                kernel, threads);
}

/// y [n, heads, dv] of q [n, heads, d]; both lie in wider tensors, and what lies between must stay as it is.
Floats attention(const Kernel& kernel, Batch& batch, const Floats& q, const Heads& h, const StateAttentionParams& p,
                 int threads) {
  constexpr std::int64_t kGap = 3;
  constexpr float kBetween = 12345;
  const std::int64_t heads = h.kv * h.group, n = static_cast<std::int64_t>(q.size()) / (heads * h.d);
  const auto wide = [&](std::int64_t width) {
    return Floats(static_cast<std::size_t>(n * (heads * width + kGap)), kBetween);
  };
  Floats wide_q = wide(h.d), wide_y = wide(h.dv);
  const auto view = [&](Floats& data, std::int64_t width) {
    TensorView v = dense_view(data.data(), DType::f32, Shape{n, heads, width});
    v.stride[0] = heads * width + kGap;
    return v;
  };
  for (std::int64_t i = 0; i < n; ++i)
    std::copy_n(q.data() + i * heads * h.d, heads * h.d, wide_q.data() + i * (heads * h.d + kGap));
  const TensorView in[] = {view(wide_q, h.d), state_operand(batch.views[0].format.dtype),
                           state_operand(batch.views[1].format.dtype)};
  const TensorView out = view(wide_y, h.dv);
  OperandDesc in_desc[3], out_desc;
  for (int i = 0; i < 3; ++i) in_desc[i] = {.dtype = in[i].dtype, .shape = in[i].shape};
  out_desc = {.dtype = DType::f32, .shape = out.shape};
  KernelQuery query;
  query.params = &p;
  query.in = in_desc;
  query.in_count = 3;
  query.out = &out_desc;
  query.out_count = 1;
  query.threads = threads;
  EXPECT_TRUE(kernel.accepts == nullptr || kernel.accepts(query) == nullptr);
  Region scratch(64 + (kernel.scratch_bytes == nullptr ? 0 : static_cast<std::int64_t>(kernel.scratch_bytes(query))));
  std::memset(scratch.data(), 0xff, static_cast<std::size_t>(scratch.bytes()));  // NaN
  ThreadPool::Options options{.threads = threads};
  Team team(options);
  KernelContext c;
  c.params = &p;
  c.in = in;
  c.in_count = 3;
  c.out = &out;
  c.out_count = 1;
  c.scratch = scratch.data();
  c.parallel = &team;
  c.state = batch.views;
  c.state_count = 2;
  const Status s = kernel.run(c);
  EXPECT_TRUE(s) << s.message();
  Floats y;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = wide_y.data() + i * (heads * h.dv + kGap);
    y.insert(y.end(), row, row + heads * h.dv);
    for (std::int64_t g = 0; g < kGap; ++g) EXPECT_EQ(row[heads * h.dv + g], kBetween);
  }
  return y;
}

/// Bit for bit, and NaN for NaN.
std::string other_bits(const float* a, const float* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (std::memcmp(a + i, b + i, 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return fmt::format("element {}: {} and {}", i, a[i], b[i]);
  return {};
}

/// A sequence, and all that was appended to it.
struct History {
  std::unique_ptr<SequenceTable> table;
  Floats keys, values, queries;
};

struct Case {
  Heads h;
  StateAttentionParams p;
  DType encoding;
  std::int64_t block_length;
  bool odd_values;  ///< some that are NaN, infinite or extreme
};

class StateKernels : public ::testing::TestWithParam<const Kernel*> {
 protected:
  void run(const Case& c, std::uint32_t seed);
  void check(const Case& c, const History& history, std::int64_t n, const float* y, std::mt19937& rng);
};

/// The last n positions of a sequence alone: fed at once, and one by one, in pages of another length.
void StateKernels::check(const Case& c, const History& history, std::int64_t n, const float* y, std::mt19937& rng) {
  const Heads& h = c.h;
  const auto total = static_cast<std::int64_t>(history.keys.size()) / (h.kv * h.d);
  const std::size_t query_row = static_cast<std::size_t>(h.kv * h.group * h.d),
                    result_row = static_cast<std::size_t>(h.kv * h.group * h.dv);
  const Pages pages(h, c.encoding, 1 + static_cast<std::int64_t>(rng() % 40), static_cast<int>(total) + 1);
  const auto table = pages.make();
  ASSERT_TRUE(table->reserve(total));
  const auto rows = [](const Floats& from, std::int64_t first, std::int64_t count, std::int64_t width) {
    return Floats(from.begin() + first * width, from.begin() + (first + count) * width);
  };
  // Appends positions; where they attend, their results.
  const auto feed = [&](std::int64_t first, std::int64_t count, bool attending) {
    Batch alone(pages, {table.get()}, {});
    EXPECT_TRUE(append(alone.views[0], rows(history.keys, first, count, h.kv * h.d), h, h.d));
    EXPECT_TRUE(append(alone.views[1], rows(history.values, first, count, h.kv * h.dv), h, h.dv));
    Floats result;
    if (attending) {
      const Floats q = rows(history.queries, first, count, static_cast<std::int64_t>(query_row));
      result = attention(*GetParam(), alone, q, h, c.p, 1 + static_cast<int>(rng() % 3));
      const Floats reference = attention(*find_kernel("state_attention_ref"), alone, q, h, c.p, 1);
      for (std::size_t i = 0; i < reference.size(); ++i) {
        const float a = result[i], b = reference[i];
        const bool same = std::isnan(b) ? std::isnan(a) : a == b || std::fabs(a - b) <= 2e-5f * (1 + std::fabs(b));
        EXPECT_TRUE(same) << "element " << i << ": " << a << " and " << b << " of the reference";
      }
    }
    table->commit(count);
    return result;
  };
  feed(0, total - n, false);
  if (c.p.causal != 0 && rng() % 2 == 0) {
    for (std::int64_t i = 0; i < n; ++i) {
      const Floats one = feed(total - n + i, 1, true);
      ASSERT_EQ(other_bits(one.data(), y + static_cast<std::size_t>(i) * result_row, result_row), "") << "one by one";
    }
  } else {
    const Floats at_once = feed(total - n, n, true);
    ASSERT_EQ(other_bits(at_once.data(), y, at_once.size()), "") << "at once";
  }
}

void StateKernels::run(const Case& c, std::uint32_t seed) {
  SCOPED_TRACE(fmt::format("seed {}: {} key heads, {} queries each, {} and {} wide, {}, blocks of {}, window {}", seed,
                           c.h.kv, c.h.group, c.h.d, c.h.dv, dtype_name(c.encoding), c.block_length, c.p.window));
  std::mt19937 rng(seed);
  const Heads& h = c.h;
  const Pages pages(h, c.encoding, c.block_length, 2000);
  std::vector<History> sequences;
  for (int i = 0; i < 3; ++i) sequences.push_back({pages.make(), {}, {}, {}});
  const auto random = [&](std::int64_t count) {
    test::Tensor t = test::random_f32(Shape{count}, rng, -2, 2);
    if (c.odd_values) test::sprinkle(t, rng, 50, false);
    return Floats(t.as<float>(), t.as<float>() + count);
  };
  for (int step = 0; step < 5; ++step) {
    // Forks share blocks; what is cut may lie in a shared one.
    if (step > 0) {
      const History& from = sequences[rng() % sequences.size()];
      sequences.push_back({from.table->fork(), from.keys, from.values, from.queries});
      History& cut = sequences[rng() % sequences.size()];
      const auto length = static_cast<std::int64_t>(rng() % static_cast<unsigned>(cut.table->length() + 1));
      ASSERT_TRUE(cut.table->truncate(length));
      cut.keys.resize(static_cast<std::size_t>(length * h.kv * h.d));
      cut.values.resize(static_cast<std::size_t>(length * h.kv * h.dv));
      cut.queries.resize(static_cast<std::size_t>(length * h.kv * h.group * h.d));
    }
    std::vector<SequenceTable*> tables;
    std::vector<std::int64_t> starts{0};
    Floats keys, values, queries;
    for (History& s : sequences) {
      const std::int64_t choices[] = {0, 1, 1, 1, 3, 17, 70};
      const std::int64_t n = choices[rng() % 7];
      ASSERT_TRUE(s.table->reserve(n));
      tables.push_back(s.table.get());
      starts.push_back(starts.back() + n);
      const Floats k = random(n * h.kv * h.d), v = random(n * h.kv * h.dv), q = random(n * h.kv * h.group * h.d);
      for (auto [all, own, its] :
           {std::tuple(&keys, &s.keys, &k), std::tuple(&values, &s.values, &v), std::tuple(&queries, &s.queries, &q)}) {
        all->insert(all->end(), its->begin(), its->end());
        own->insert(own->end(), its->begin(), its->end());
      }
    }
    Batch batch(pages, tables, starts);
    ASSERT_TRUE(append(batch.views[0], keys, h, h.d));
    ASSERT_TRUE(append(batch.views[1], values, h, h.dv));
    const Floats y = attention(*GetParam(), batch, queries, h, c.p, 3);
    for (std::size_t r = 0; r < sequences.size(); ++r) {
      SCOPED_TRACE(fmt::format("step {}, sequence {}", step, r));
      const std::int64_t n = starts[r + 1] - starts[r];
      EXPECT_EQ(batch.rows[0][r].appended, n);
      check(c, sequences[r], n, y.data() + starts[r] * h.kv * h.group * h.dv, rng);
      if (HasFatalFailure()) return;
      tables[r]->commit(n);
    }
  }
}

TEST_P(StateKernels, InABatchAsAlone) {
  if (!covers(cpu_info().isa, GetParam()->needs)) GTEST_SKIP() << "needs " << isa_name(GetParam()->needs);
  std::uint32_t seed = 1;
  for (const DType encoding : {DType::f32, DType::f16, DType::bf16, DType::i8})
    for (const Heads h : {Heads{1, 1, 1, 1}, Heads{2, 3, 16, 16}, Heads{3, 1, 33, 20}, Heads{1, 8, 64, 7}}) {
      std::mt19937 rng(++seed);
      const std::int64_t lengths[] = {1, 4, 7, 16, 100};
      const std::int32_t causal = rng() % 4 != 0 ? 1 : 0, window = seed % 2 == 0 ? 0 : 1 + static_cast<int>(rng() % 90);
      const float cap = seed % 3 == 0 ? 0.5f : 0.0f;
      Case c{h,
             {.scale = 0.3f, .cap = cap, .causal = causal, .window = window},
             encoding,
             lengths[rng() % 5],
             rng() % 3 == 0};
      run(c, seed);
      if (HasFatalFailure()) return;
    }
}

std::vector<const Kernel*> kernels(const char* op) {
  const auto list = kernels_of(op);
  return {list.begin(), list.end()};
}
INSTANTIATE_TEST_SUITE_P(StateAttention, StateKernels, ::testing::ValuesIn(kernels("StateAttention")),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(StateAttention, SayWhyTheyRefuse) {
  for (const Kernel* kernel : kernels("StateAttention")) {
    if (kernel->accepts == nullptr) continue;
    const auto refusal = [&](DType q, std::int64_t heads, std::int64_t d, std::int64_t kv_heads, std::int64_t dv) {
      const OperandDesc in[] = {{.dtype = q, .shape = {3, heads, d}},
                                {.dtype = DType::f16, .shape = {64, kv_heads, d}},
                                {.dtype = DType::f16, .shape = {64, kv_heads, dv}}};
      const OperandDesc out{.dtype = DType::f32, .shape = {3, heads, dv}};
      KernelQuery query;
      query.in = in;
      query.in_count = 3;
      query.out = &out;
      query.out_count = 1;
      const Refusal r = kernel->accepts(query);
      return std::string(r == nullptr ? "taken" : r);
    };
    EXPECT_EQ(refusal(DType::f32, 128, 256, 1, 256), "taken");
    EXPECT_EQ(refusal(DType::f64, 1, 1, 1, 1), "queries are not f32");
    EXPECT_EQ(refusal(DType::f32, 1, 257, 1, 1), "the head size is above 256");
    EXPECT_EQ(refusal(DType::f32, 1, 1, 1, 257), "the head size is above 256");
    EXPECT_EQ(refusal(DType::f32, 1, 0, 1, 1), "the head size is 0");
    EXPECT_EQ(refusal(DType::f32, 129, 1, 1, 1), "more than 128 query heads share a key head");
  }
}

/// What a state gives back of `x`: attention over one position is its values.
Floats stored(DType encoding, const Floats& x) {
  const Heads h{1, 1, 1, static_cast<std::int64_t>(x.size())};
  const Pages pages(h, encoding, 4, 1);
  const auto table = pages.make();
  EXPECT_TRUE(table->reserve(1));
  Batch batch(pages, {table.get()}, {});
  EXPECT_TRUE(append(batch.views[0], {1}, h, 1));
  EXPECT_TRUE(append(batch.views[1], x, h, h.dv));
  return attention(*find_kernel("state_attention_ref"), batch, {1}, h, {}, 1);
}

TEST(StateEncodings, KeepWhatTheySay) {
  const Floats x{1, -2.5f, 0.001f, 127, -126.7f};
  EXPECT_EQ(stored(DType::f32, x), x);
  EXPECT_EQ(stored(DType::bf16, {1, -2.5f, 1.01f}), (Floats{1, -2.5f, 1.0078125f}));
  EXPECT_EQ(stored(DType::f16, {1, -2.5f, 1.001f}), (Floats{1, -2.5f, 1.0009765625f}));
  // The largest magnitude is 127, so the scale is 1.
  EXPECT_EQ(stored(DType::i8, x), (Floats{1, -2, 0, 127, -127}));
  EXPECT_EQ(stored(DType::i8, {0, 0, 0}), (Floats{0, 0, 0}));
  for (const float odd : {NAN, INFINITY, -INFINITY})
    for (const float y : stored(DType::i8, {1, odd, 2})) EXPECT_TRUE(std::isnan(y)) << odd;
  // The scale of a small vector is subnormal, or nothing.
  const Floats small = stored(DType::i8, {1e-43f, 1e-44f, -1e-45f});
  for (const float y : small) EXPECT_LE(std::fabs(y), 1.5e-43f);
}

TEST(StateEncodings, RowsOfTheStatesOwnType) {
  const Heads h{2, 1, 1, 3};
  const Pages pages(h, DType::bf16, 2, 4);
  const auto table = pages.make();
  ASSERT_TRUE(table->reserve(3));
  Batch batch(pages, {table.get()}, {});
  std::vector<std::uint16_t> bits(18);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(0x3f80 + i);
  ASSERT_TRUE(append(batch.views[1], dense_view(bits.data(), DType::bf16, Shape{3, 2, 3})));
  EXPECT_EQ(std::memcmp(position_at(batch.views[1], batch.rows[1][0], 2), bits.data() + 12, 12), 0);
}

TEST(StateFormats, SizesAndTypes) {
  EXPECT_EQ(make_state_format(DType::f16, Shape{2, 5}).position_bytes, 20);
  EXPECT_EQ(make_state_format(DType::i8, Shape{2, 5}).position_bytes, 2 * (8 + 4));
  EXPECT_EQ(make_state_format(DType::i8, Shape{}).position_bytes, 8);
  EXPECT_EQ(make_state_format(DType::f32, Shape{3, 0}).position_bytes, 0);
  EXPECT_EQ(test::error_of([] { make_state_format(DType::i64, Shape{1}); }),
            "the state of a sequence holds f32, f16, bf16 or i8, not i64");
  EXPECT_EQ(test::error_of([] { make_state_format(DType::f32, Shape{INT64_MAX, 2}); }),
            "a position of a sequence's state overflows 64 bits: 9223372036854775807 * 8");
}

class AppendKernels : public ::testing::TestWithParam<const Kernel*> {
 protected:
  void SetUp() override {
    if (!covers(cpu_info().isa, GetParam()->needs)) GTEST_SKIP() << "needs " << isa_name(GetParam()->needs);
  }
};

TEST_P(AppendKernels, WriteTheBytesOfTheReference) {
  std::mt19937 rng(11);
  for (const DType encoding : {DType::f32, DType::f16, DType::bf16, DType::i8})
    for (const Heads h : {Heads{1, 1, 1, 1}, Heads{2, 1, 16, 16}, Heads{3, 1, 33, 33}, Heads{8, 1, 128, 128}})
      for (const bool odd : {false, true}) {
        SCOPED_TRACE(fmt::format("{}, {} heads of {}", dtype_name(encoding), h.kv, h.d));
        // Rows of a batch, one of them without a position, appended twice in one run, by more threads than one.
        const std::vector<std::int64_t> starts{0, 5, 5, 90};
        const Pages got_pages(h, encoding, 7, 60), want_pages(h, encoding, 16, 60);
        std::vector<std::unique_ptr<SequenceTable>> got, want;
        for (std::size_t r = 0; r + 1 < starts.size(); ++r)
          for (auto* side : {&got, &want}) {
            side->push_back((side == &got ? got_pages : want_pages).make());
            ASSERT_TRUE(side->back()->reserve(2 * (starts[r + 1] - starts[r])));
          }
        const auto tables = [](const auto& list) {
          std::vector<SequenceTable*> plain;
          for (const auto& t : list) plain.push_back(t.get());
          return plain;
        };
        Batch mine(got_pages, tables(got), starts), theirs(want_pages, tables(want), starts);
        for (int twice = 0; twice < 2; ++twice) {
          test::Tensor t = test::random_f32(Shape{starts.back() * h.kv * h.d}, rng, -2, 2);
          if (odd) test::sprinkle(t, rng, 20);
          const Floats x(t.as<float>(), t.as<float>() + t.shape[0]);
          ASSERT_TRUE(append(mine.views[0], x, h, h.d, GetParam(), 3));
          ASSERT_TRUE(append(theirs.views[0], x, h, h.d));
        }
        const auto bytes = static_cast<std::size_t>(mine.views[0].format.position_bytes);
        for (std::size_t r = 0; r + 1 < starts.size(); ++r) {
          ASSERT_EQ(mine.rows[0][r].appended, 2 * (starts[r + 1] - starts[r]));
          for (std::int64_t p = 0; p < mine.rows[0][r].appended; ++p)
            ASSERT_EQ(std::memcmp(position_at(mine.views[0], mine.rows[0][r], p),
                                  position_at(theirs.views[0], theirs.rows[0][r], p), bytes),
                      0)
                << "row " << r << ", position " << p;
        }
      }
}

TEST_P(AppendKernels, AppendAllRowsOrNone) {
  const Heads h{1, 1, 2, 2};
  const Pages pages(h, DType::f32, 4, 4);
  const auto a = pages.make(), b = pages.make();
  ASSERT_TRUE(a->reserve(4));
  Batch batch(pages, {a.get(), b.get()}, {0, 2, 3});
  const Status full = append(batch.views[0], Floats(6), h, 2, GetParam());
  EXPECT_EQ(full.code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(full.message(), "the sequence has no room for the rows: reserve it first");
  EXPECT_EQ(full.row(), 1);
  EXPECT_EQ(batch.rows[0][0].appended, 0);
  const Status other = append(batch.views[0], Floats(4), h, 2, GetParam());
  EXPECT_STREQ(other.message(), "the run has another number of new positions than the batch of sequences");
  EXPECT_FALSE(append(batch.views[0], Floats(9), h, 3, GetParam())) << "wider positions than the state's";
}

INSTANTIATE_TEST_SUITE_P(StateAppend, AppendKernels, ::testing::ValuesIn(kernels("StateAppend")),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
