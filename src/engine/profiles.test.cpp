// Several profiles over one copy of the weights, the memory cap, and what new shapes cost: nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>

#include "engine/compile.h"
#include "engine/run/engine_impl.h"
#include "ir/text.h"
#include "monza/engine.h"
#include "passes/evaluate.h"
#include "passes/pass.h"
#include "support/allocations.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza {
namespace {

constexpr const char* kProfilesModel = R"(graph "main" (%x: f32[batch,sequence,32]) {
  %w = constant f32[32,48] random 1
  %v = constant f32[48,32] random 2
  %a = MatMul(%x, %w)
  %b = Relu(%a)
  %c = MatMul(%b, %v)
  %d = Softmax(%c) {axis=-1}
  %t = Transpose(%d) {perm=[0,2,1]}
  %e = MatMul(%d, %t)
  return (y: %d, z: %e)
})";

engine_file::Image compiled(const std::vector<plan::Profile>& profiles, std::int64_t max_memory = 0) {
  const auto graph = ir::parse(kProfilesModel);
  optimize(*graph, {.strict_rewrites = true});
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.max_memory = max_memory;
  BuildReport report;
  return compile(*graph, options, profiles, report);
}
plan::Profile profile(plan::Extent batch, plan::Extent sequence) { return {{"batch", batch}, {"sequence", sequence}}; }

Tensor random_input(std::int64_t batch, std::int64_t sequence) {
  Tensor x(DType::f32, {batch, sequence, 32});
  std::mt19937 random(static_cast<unsigned>(batch * 1000 + sequence));
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(-1, 1)(random);
  return x;
}

TEST(Profiles, AContextTakesTheSmallestThatFits) {
  const Engine engine = make_engine(
      compiled({profile({1, 4, 8}, {1, 64, 128}), profile({1, 1, 1}, {16, 16, 16}), profile({1, 1, 1}, {1, 32, 64})}),
      {});
  ASSERT_EQ(engine.profiles().size(), 3u);
  EXPECT_EQ(engine.inputs()[0].max, (std::vector<std::int64_t>{8, 128, 32}));
  EXPECT_EQ(engine.inputs()[0].min, (std::vector<std::int64_t>{1, 1, 32}));
  EXPECT_GT(engine.profiles()[0].arena_bytes, engine.profiles()[1].arena_bytes);
  EXPECT_EQ(engine.stats().arena_bytes, engine.profiles()[0].arena_bytes);
  Context context = engine.create_context();
  EXPECT_EQ(context.arena_bytes(), engine.stats().arena_bytes) << "one arena serves all profiles";
  for (const auto& [batch, sequence, want] :
       {std::array<std::int64_t, 3>{1, 16, 1}, {1, 20, 2}, {2, 16, 0}, {8, 128, 0}, {1, 64, 2}, {1, 16, 1}}) {
    const Tensor x = random_input(batch, sequence);
    Tensor y(DType::f32, {batch, sequence, 32});
    ASSERT_TRUE(context.bind_input("x", x).ok());
    ASSERT_TRUE(context.bind_output("y", y).ok());
    const Status s = context.run();
    ASSERT_TRUE(s.ok()) << context.describe(s);
    EXPECT_EQ(context.profile_index(), static_cast<std::size_t>(want)) << batch << " x " << sequence;
    EXPECT_EQ(context.output("y").data, y.ref().data);
    EXPECT_EQ(context.output("z").shape, (std::vector<std::int64_t>{batch, sequence, sequence}));
    const auto graph = ir::parse(kProfilesModel);
    const auto expected =
        run_reference(*graph, {ir::make_constant(DType::f32, Shape{batch, sequence, 32},
                                                 {static_cast<const std::byte*>(x.ref().data), x.bytes()})});
    for (std::int64_t i = 0; i < y.numel(); ++i) ASSERT_NEAR(y.as<float>()[i], expected[0]->as<float>()[i], 1e-5);
  }
}

TEST(Profiles, ShapesThatFitNoneListThem) {
  const Engine engine = make_engine(compiled({profile({1, 4, 8}, {1, 64, 128}), profile({16, 16, 16}, {8, 8, 8})}), {});
  Context context = engine.create_context();
  const Tensor x = random_input(9, 8);
  ASSERT_TRUE(context.bind_input("x", x).ok());
  const Status s = context.run();
  ASSERT_EQ(s.code(), StatusCode::invalid_argument);
  EXPECT_EQ(context.describe(s),
            "the shapes of the inputs fit no profile of the engine: 'x' 9x8x32\n"
            "  profile 0: batch 1..8 (best 4), sequence 1..128 (best 64)\n"
            "  profile 1: batch 16, sequence 8");
  // The context goes on.
  const Tensor good = random_input(16, 8);
  ASSERT_TRUE(context.bind_input("x", good).ok());
  EXPECT_TRUE(context.run().ok());
  EXPECT_EQ(context.profile_index(), 1u);
  Tensor wrong(DType::i64, {1, 8, 32});
  EXPECT_FALSE(context.bind_input("x", wrong).ok());
  EXPECT_FALSE(context.run().ok()) << "what was refused is not bound";
}

TEST(Profiles, ShareTheWeightsAndSurviveTheFile) {
  const test::TemporaryFolder folder;
  const engine_file::Image one = compiled({profile({1, 4, 8}, {1, 64, 128})});
  const engine_file::Image two = compiled({profile({1, 4, 8}, {1, 64, 128}), profile({1, 1, 1}, {1, 32, 64})});
  EXPECT_EQ(one.weights.size(), two.weights.size()) << "packed alike, stored once";
  engine_file::write_engine(folder / "a.engine", two);
  const Engine engine = Engine::load(folder / "a.engine", {.verify = true});
  ASSERT_EQ(engine.profiles().size(), 2u);
  EXPECT_NE(engine.describe_plan().find("profile 1: batch 1, sequence 1..64 (best 32)"), std::string::npos);
  Context context = engine.create_context();
  const Tensor x = random_input(1, 40);
  ASSERT_TRUE(context.bind_input("x", x).ok());
  ASSERT_TRUE(context.run().ok());
  EXPECT_EQ(context.profile_index(), 1u);
}

TEST(Profiles, TheMemoryCapHoldsForEachProfile) {
  const auto small = profile({1, 1, 1}, {1, 8, 8}), large = profile({1, 4, 8}, {1, 64, 128});
  const Engine engine = make_engine(compiled({small, large}), {});
  const std::int64_t needed = engine.stats().weights_bytes + engine.stats().arena_bytes;
  EXPECT_NO_THROW(compiled({small, large}, needed));
  try {
    compiled({small, large}, needed - 1);
    FAIL() << "the cap does not hold";
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("profile 1 (batch 1..8 (best 4), sequence 1..128 (best 64)): at its largest shape the engine "
                        "needs " +
                        std::to_string(needed) + " bytes"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("a smaller --max-shape for 'batch' (axis 0 of input 'x', up to 8), 'sequence' (axis 1 of input "
                        "'x', up to 128), or --max-memory " +
                        std::to_string(needed)),
              std::string::npos)
        << text;
    // Biggest first.
    std::int64_t last = INT64_MAX;
    int values = 0;
    for (std::size_t at = text.find("\n  "); at != text.npos && text[at + 3] == ' '; at = text.find("\n  ", at + 1)) {
      const std::int64_t bytes = std::stoll(text.substr(at + 1));
      EXPECT_LE(bytes, last) << text;
      last = bytes;
      ++values;
    }
    EXPECT_GE(values, 3) << text;
  }
}

// --- what a profile fixes inside of bodies -------------------------------------------------------------------------

/// An engine of a model with an input x: f32[n,3], whose first profile is a range of n and whose second fixes it.
Engine ranged_and_fixed(const std::string& notation) {
  const test::TemporaryFolder folder;
  const auto noted = test::parse_onnx_notation(notation);
  std::ofstream(folder / "m.onnx", std::ios::binary) << noted.model.SerializeAsString();
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.profiles = {{{"x", {.min = {1, 3}, .opt = {4, 3}, .max = {9, 3}}}},
                      {{"x", {.min = {2, 3}, .opt = {2, 3}, .max = {2, 3}}}}};
  return Engine::build(folder / "m.onnx", options);
}

/// The model's first output for x = 1, 2, 3, ... of n rows, which `profile` runs.
std::vector<float> run_rows(const Engine& engine, std::int64_t n, std::size_t profile) {
  Context context = engine.create_context();
  Tensor x(DType::f32, {n, 3}), no(DType::boolean, {});
  *no.as<bool>() = false;
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(i + 1);
  EXPECT_TRUE(context.bind_input("x", x).ok());
  if (engine.inputs().size() > 1) EXPECT_TRUE(context.bind_input("c", no).ok());
  const Status status = context.run();
  EXPECT_TRUE(status.ok()) << context.describe(status);
  EXPECT_EQ(context.profile_index(), profile);
  const TensorRef y = context.output(std::size_t{0});
  return {y.as<float>(), y.as<float>() + y.numel()};
}

void expect_rows_are_negated(const Engine& engine) {
  for (const auto& [n, profile] : {std::pair<std::int64_t, std::size_t>{2, 1}, {1, 0}, {9, 0}}) {
    std::vector<float> want;
    for (std::int64_t i = 0; i < n * 3; ++i) want.push_back(static_cast<float>(-i - 1));
    EXPECT_EQ(run_rows(engine, n, profile), want) << n;
  }
}

TEST(Profiles, GiveEmptyOutputsTheExtentsThatTheRangeGives) {
  // Two axes more make one Reshape, whose inferred extent is that of x x^T's last column beside rows that there are
  // not.
  const Engine engine = ranged_and_fixed(
      "t = Transpose(x: f32[n,3]) p = MatMul(x, t) s = Slice(p, i64[2] = [2, -1], i64[2] = [100, 100], i64[2] = [0, "
      "1]) "
      "u = Unsqueeze(s, i64[1] = [1]) y = Unsqueeze(u, i64[1] = [3]) return y");
  for (const auto& [n, profile] : {std::pair<std::int64_t, std::size_t>{2, 1}, {1, 0}, {9, 0}}) {
    Context context = engine.create_context();
    const Tensor x(DType::f32, {n, 3});
    ASSERT_TRUE(context.bind_input("x", x).ok());
    ASSERT_TRUE(context.run().ok());
    EXPECT_EQ(context.profile_index(), profile);
    const auto shape = context.output(std::size_t{0}).shape;
    EXPECT_EQ(std::vector<std::int64_t>(shape.begin(), shape.end()),
              (std::vector<std::int64_t>{std::max<std::int64_t>(0, n - 2), 1, 1, 1}))
        << n;
  }
}

TEST(Profiles, FixWhatABodyPutsIntoASequence) {
  expect_rows_are_negated(
      ranged_and_fixed("s = SequenceConstruct(x: f32[n,3]) m = SequenceMap(s; body = (b: f32) { Neg(b) return out }) "
                       "y = SequenceAt(m, -1) return y"));
}

TEST(Profiles, BroadcastOneAndNothingAndCarryAGraphForAllRanges) {
  // The sum stands in the graph and in a branch; its rows are of x, which may be none, and of one other.
  const test::TemporaryFolder folder;
  const auto noted = test::parse_onnx_notation(
      "x: f32[n,3] z: f32[m,3] c: bool[] s = Add(x, z) t = If(c; then_branch = { a = Mul(x, z) return a }, "
      "else_branch = { b = Sub(x, z) return b }) y = Add(s, t) e = Shape(y) return y, e");
  std::ofstream(folder / "m.onnx", std::ios::binary) << noted.model.SerializeAsString();
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.shapes = {{"x", {.min = {0, 3}, .opt = {4, 3}, .max = {9, 3}}},
                    {"z", {.min = {0, 3}, .opt = {1, 3}, .max = {9, 3}}}};
  Engine::build(folder / "m.onnx", options).save(folder / "m.engine");
  // On two threads it is planned anew, from the graph that it carries.
  for (const int threads : {1, 2}) {
    const Engine engine = Engine::load(folder / "m.engine", {.threads = threads});
    for (const auto& [n, m] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 0}, {0, 0}, {1, 4}, {4, 4}}) {
      Context context = engine.create_context();
      const Tensor x(DType::f32, {n, 3}), z(DType::f32, {m, 3}), no(DType::boolean, {});
      ASSERT_TRUE(context.bind_input("x", x).ok() && context.bind_input("z", z).ok() &&
                  context.bind_input("c", no).ok());
      const Status status = context.run();
      ASSERT_TRUE(status.ok()) << context.describe(status);
      const std::int64_t rows = n * m == 0 ? 0 : std::max(n, m);
      EXPECT_EQ(context.output("y").shape, (std::vector<std::int64_t>{rows, 3}));
      EXPECT_EQ(context.output("e").as<std::int64_t>()[0], rows);
    }
  }
}

TEST(Profiles, FixTheBoundOfWhatGrows) {
  // Each of two iterations adds a row in front of what there is; the first rows are left out again.
  expect_rows_are_negated(ranged_and_fixed(
      "x: f32[n,3] g = Loop(2, _, x; body = (i: i64[], k: bool[], a: f32) { z = ConstantOfShape([1, 3]) "
      "b = Concat(z, a; axis = 0) l = Identity(k) return l, b }) t = Slice(g, [2], [99], [0]) y = Neg(t) return y"));
}

TEST(Profiles, FixTheOutputsOfABranchThatRefuses) {
  expect_rows_are_negated(
      ranged_and_fixed("x: f32[n,3] c: bool[] y = If(c; then_branch = { a = MatMul(x, w: f32[2,3] = 0) return a }, "
                       "else_branch = { b = Neg(x) return b }) return y"));
}

std::int64_t resident_pages() {
  long total = 0, resident = 0;
  if (FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return resident;
}

TEST(Profiles, TenThousandRunsOfRandomShapesAllocateNothing) {
  const Engine engine = make_engine(compiled({profile({1, 4, 8}, {1, 32, 64}), profile({1, 1, 1}, {1, 16, 32})}), {});
  Context context = engine.create_context({.prefault = true});
  std::vector<float> x(8 * 64 * 32, 0.5f), y(8 * 64 * 32), z(8 * 64 * 64);
  TensorRef in{DType::f32, {1, 1, 32}, x.data(), x.size() * 4}, out{DType::f32, {}, y.data(), y.size() * 4},
      second{DType::f32, {}, z.data(), z.size() * 4};
  std::mt19937 random(11);
  const auto run = [&](std::int64_t batch, std::int64_t sequence) {
    in.shape[0] = batch;
    in.shape[1] = sequence;
    return context.bind_input(0, in).ok() && context.bind_output("y", out).ok() &&
           context.bind_output("z", second).ok() && context.run().ok();
  };
  ASSERT_TRUE(run(8, 64));
  ASSERT_TRUE(run(1, 1));
  const std::int64_t before = test::allocations(), pages = resident_pages();
  bool ok = true;
  for (int i = 0; i < 10000; ++i) {
    const auto r = random();
    ok = ok && run(r % 4 == 0 ? 1 + r / 4 % 8 : 1, 1 + r / 32 % (r % 4 == 0 ? 64 : 16));
  }
  EXPECT_TRUE(ok);
  EXPECT_EQ(test::allocations(), before) << "running allocated memory";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow memory grows as pages are touched
  EXPECT_LE(resident_pages(), pages + 16) << "running made the process grow";
#else
  static_cast<void>(pages);
#endif
}

}  // namespace
}  // namespace monza
