// Engines that carry their graph: complete, without a second copy of the weights, and planned anew where they must be.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "backend/reference/reference_device.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/build_record.h"
#include "engine/carried_graph.h"
#include "engine/compile.h"
#include "engine/file/format.h"
#include "engine/run/engine_impl.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::TemporaryFolder;

/// Convolutions of every kind, a product, shapes that depend on the batch: most packings that there are.
constexpr const char* kReplanModel = R"(graph "main" (%x: f32[batch,3,32,32]) {
  %image = constant f32[16,3,3,3] random 1
  %bias = constant f32[16] random 2
  %winograd = constant f32[32,16,3,3] random 3
  %depthwise = constant f32[32,1,3,3] random 4
  %pointwise = constant f32[48,32,1,1] random 5
  %w = constant f32[48,40] random 6
  %b = constant f32[40] random 7
  %a = Conv(%x, %image, %bias) {pads=[1,1,1,1], strides=[2,2]}
  %a2 = Relu(%a)
  %c = Conv(%a2, %winograd) {pads=[1,1,1,1]}
  %d = Conv(%c, %depthwise) {pads=[1,1,1,1], group=32}
  %e = Conv(%d, %pointwise)
  %e2 = Relu(%e)
  %p = ReduceMean(%e2) {axes=[2,3], keepdims=0}
  %g = MatMul(%p, %w)
  %h = Add(%g, %b)
  return (y: %h, map: %e2)
})";

const std::vector<plan::Profile> kProfiles = {{{"batch", {1, 2, 4}}}};

BuildOptions untuned() {
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  return options;
}

engine_file::Image compiled(const char* text, const BuildOptions& options = untuned()) {
  const auto graph = ir::parse(text);
  optimize(*graph, {.strict_rewrites = true});
  BuildReport report;
  return compile(*graph, options, kProfiles, report);
}

std::vector<std::vector<float>> outputs_of(const Engine& engine, std::int64_t batch) {
  Context context = engine.create_context();
  Tensor x(DType::f32, {batch, 3, 32, 32});
  std::mt19937 random(5);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(-1, 1)(random);
  EXPECT_TRUE(context.bind_input("x", x).ok());
  const Status s = context.run();
  EXPECT_TRUE(s.ok()) << context.describe(s);
  std::vector<std::vector<float>> all;
  for (std::size_t o = 0; o < engine.outputs().size(); ++o) {
    const TensorRef y = context.output(o);
    all.emplace_back(y.as<float>(), y.as<float>() + y.numel());
  }
  return all;
}
void expect_near(const std::vector<std::vector<float>>& got, const std::vector<std::vector<float>>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t o = 0; o < got.size(); ++o) {
    ASSERT_EQ(got[o].size(), want[o].size());
    for (std::size_t i = 0; i < got[o].size(); ++i)
      ASSERT_NEAR(got[o][i], want[o][i], 2e-4 + 2e-4 * std::fabs(want[o][i])) << "output " << o << ", element " << i;
  }
}

std::vector<char> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Makes the file one of another build: its header names other kernels of the first family that it uses.
void age(const std::string& path) {
  std::vector<char> bytes = read_all(path);
  engine_file::Prefix prefix;
  std::memcpy(&prefix, bytes.data(), sizeof prefix);
  std::uint64_t hash = engine_file::read_engine(path, {}).info.families.at(0).hash;
  const auto begin = bytes.begin() + sizeof prefix, end = begin + static_cast<std::ptrdiff_t>(prefix.header_bytes);
  const auto* key = reinterpret_cast<const char*>(&hash);
  const auto at = std::search(begin, end, key, key + sizeof hash);
  ASSERT_NE(at, end);
  ++hash;
  std::copy(key, key + sizeof hash, at);
  prefix.header_checksum =
      hash64(std::as_bytes(std::span(bytes.data() + sizeof prefix, prefix.header_bytes)), prefix.file_bytes);
  std::memcpy(bytes.data(), &prefix, sizeof prefix);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

const char* const kOfAnotherBuild =
    "the engine was written by another build of monza (the kernels of 'conv' are others)";

std::string load_error(const std::string& path, const LoadOptions& options = {}) {
  try {
    Engine::load(path, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Replan, TheCarriedGraphGivesTheSameBytesAgain) {
  for (const Isa isa : {Isa::none, Isa::avx2, cpu_info().isa}) {
    if (!covers(cpu_info().isa, isa)) continue;
    BuildOptions options = untuned();
    options.isa = isa == Isa::none ? "baseline" : isa_name(isa);
    const engine_file::Image image = compiled(kReplanModel, options);
    BuildReport report = read_record(image);
    const engine_file::Image second =
        compile(*report.planned, options_to_replan(image, options), image.info.profiles, report);
    const TemporaryFolder folder;
    engine_file::write_engine(folder / "a.engine", image);
    engine_file::write_engine(folder / "b.engine", second);
    EXPECT_EQ(image.graph, second.graph) << isa_name(isa);
    EXPECT_TRUE(read_all(folder / "a.engine") == read_all(folder / "b.engine")) << isa_name(isa);
  }
}

TEST(Replan, WeightsLieInTheFileOnceUnlessPackingLosesBits) {
  BuildOptions options = untuned();
  const engine_file::Image image = compiled(kReplanModel, options);
  bool winograd = false;
  for (const plan::KernelRef& k : image.plan.kernels)
    winograd |= image.plan.text(k.name).find("winograd") != std::string_view::npos;
  // Only the weight that Winograd's transform rounds has its original beside.
  const std::size_t original = winograd ? 32 * 16 * 3 * 3 * 4 : 0;
  EXPECT_EQ(image.graph_data.size(), original) << image.graph;
  if (covers(cpu_info().isa, Isa::avx2)) {
    EXPECT_NE(image.graph.find("format=\"conv_"), std::string_view::npos) << image.graph;
    EXPECT_NE(image.graph.find("format=\"matmul_panels_"), std::string_view::npos) << image.graph;
  }
  options.strip = true;
  const engine_file::Image stripped = compiled(kReplanModel, options);
  EXPECT_EQ(stripped.graph, "");
  EXPECT_EQ(stripped.graph_data.size(), 0u);
  EXPECT_EQ(stripped.record.size(), 0u);
}

TEST(Replan, AnEngineOfAnotherBuildIsPlannedAnewAndSaysSo) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, compiled(kReplanModel));
  const auto want = outputs_of(Engine::load(path), 3);
  EXPECT_EQ(Engine::load(path).stats().replanned, "");
  age(path);
  testing::internal::CaptureStderr();
  const Engine engine = Engine::load(path);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("another build of monza"), std::string::npos) << said;
  EXPECT_NE(said.find("planned anew"), std::string::npos) << said;
  EXPECT_NE(engine.stats().replanned.find("another build of monza"), std::string::npos);
  expect_near(outputs_of(engine, 3), want);
  // Saved, it is this build's.
  engine.save(folder / "b.engine");
  const Engine saved = Engine::load(folder / "b.engine", {.replan = false});
  EXPECT_EQ(saved.stats().replanned, "");
  EXPECT_EQ(outputs_of(saved, 3), outputs_of(engine, 3));
  EXPECT_EQ(load_error(path, {.replan = false}),
            fmt::format("engine file '{}': {}\n  try: rebuild with: monza build MODEL --output FILE, or load it with "
                        "LoadOptions::replan",
                        path, kOfAnotherBuild));
}

TEST(Replan, AnEngineNamesTheFamiliesOfItsKernelsAlone) {
  std::vector<std::string> names;
  const engine_file::Image image = compiled(kReplanModel);
  for (const engine_file::FamilyHash& used : image.info.families) names.push_back(used.name);
  for (const char* used : {"conv", "matmul", "reduce"})
    EXPECT_EQ(std::count(names.begin(), names.end(), used), 1) << used;
  for (const char* unused : {"attention", "qconv", "qmatmul", "rnn", "strings", "text"})
    EXPECT_EQ(std::count(names.begin(), names.end(), unused), 0) << unused;
}

TEST(Replan, AnEngineForAnotherInstructionSetIsPlannedAnew) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::Image image = compiled(kReplanModel);
  const Engine same = make_engine(image, {});
  image.info.isa = image.info.isa | Isa::amx_bf16 | Isa::avx512fp16;  // a machine that has more
  if (covers(cpu_info().isa, image.info.isa)) GTEST_SKIP() << "this CPU has every instruction set";
  engine_file::write_engine(path, image);
  const Engine engine = Engine::load(path);
  EXPECT_NE(engine.stats().replanned.find("was built for"), std::string::npos);
  expect_near(outputs_of(engine, 2), outputs_of(same, 2));
}

TEST(Replan, MoreThreadsThanPlannedArePlannedFor) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, compiled(kReplanModel));
  EXPECT_EQ(Engine::load(path, {.threads = 1}).stats().replanned, "");
  const Engine engine = Engine::load(path, {.threads = 2});
  EXPECT_EQ(engine.stats().threads, 2);
  EXPECT_EQ(engine.stats().replanned, "the engine was planned for 1 threads, and 2 are asked for");
  expect_near(outputs_of(engine, 4), outputs_of(Engine::load(path), 4));
}

TEST(Replan, AStrippedEngineSaysHowToRebuild) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  BuildOptions options = untuned();
  options.strip = true;
  engine_file::write_engine(path, compiled(kReplanModel, options));
  EXPECT_EQ(load_error(path), "");
  age(path);
  EXPECT_EQ(load_error(path),
            fmt::format("engine file '{}': {}; it was built with --strip, so it carries no graph to plan anew\n  try: "
                        "rebuild with: monza build MODEL --output FILE",
                        path, kOfAnotherBuild));
}

TEST(Replan, ADamagedWeightIsNotPackedAgain) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, compiled(kReplanModel));
  age(path);
  std::vector<char> bytes = read_all(path);
  bytes[bytes.size() - 10] ^= 1;  // weights come last
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::string error = load_error(path);
  EXPECT_TRUE(
      error.starts_with(fmt::format("engine file '{}': {}; planning it anew failed: line ", path, kOfAnotherBuild)))
      << error;
  EXPECT_TRUE(error.ends_with(") have changed\n  try: rebuild with: monza build MODEL --output FILE")) << error;
}

TEST(Replan, HostileRecordsAreErrorsOrText) {
  engine_file::Image image = compiled(kReplanModel);
  const std::vector<std::byte> good(image.record.begin(), image.record.end());
  ASSERT_FALSE(read_record(image).choices.empty());
  std::mt19937 random(5);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::byte> bad(good.begin(),
                               good.end() - static_cast<std::ptrdiff_t>(i % 10 == 0 ? random() % good.size() : 0));
    for (int k = 0; k < 3 && !bad.empty(); ++k) bad[random() % bad.size()] = static_cast<std::byte>(random());
    image.record = bad;
    try {
      const BuildReport report = read_record(image);
      for (const plan::Choice& c : report.choices)
        ASSERT_TRUE(c.id == ir::kNone || report.planned->has_node(c.id)) << "a choice of no node";
    } catch (const Error& e) {
      ++refused;
      EXPECT_NE(std::string(e.what()).find("the record of the engine's build is damaged"), std::string::npos);
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Replan, HostileConstantsAreErrors) {
  const engine_file::Image image = compiled(kReplanModel);
  const std::string good(image.graph);
  ASSERT_NE(read_carried_graph(image), nullptr);
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    // Numbers and names of the descriptions, above all.
    const std::size_t stored = bad.find("stored {", random() % bad.size());
    const std::size_t at = std::min(bad.size() - 1, (stored == bad.npos ? 0 : stored) + random() % 120);
    bad[at] = "0123456789-abcdef,]}\""[random() % 21];
    engine_file::Image damaged = image;
    damaged.graph = bad;
    try {
      read_carried_graph(damaged);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Replan, AnEngineForAnotherChipOfItsDevice) {
  struct Chip {
    explicit Chip(const char* name) { backend::reference_chip = name; }
    ~Chip() { backend::reference_chip = ""; }
  };
  const TemporaryFolder folder;
  const std::string path = folder / "m.engine";
  BuildOptions options = untuned();
  options.device = Device::reference;
  const auto load = [&](const char* chip, bool replan = true) {
    const Chip here(chip);
    return Engine::load(path, {.replan = replan});
  };
  std::vector<std::vector<float>> want;
  {
    const Chip old("chip of 4 cores");
    engine_file::write_engine(path, compiled(kReplanModel, options));
    want = outputs_of(Engine::load(path), 2);
  }
  EXPECT_EQ(load("chip of 4 cores").stats().replanned, "");
  const Engine engine = load("chip\x1b[2J of 8");
  EXPECT_EQ(engine.stats().replanned, "the engine was built for chip of 4 cores, and here is chip\\x1b[2J of 8");
  expect_near(outputs_of(engine, 2), want);
  const std::string error = test::error_of([&] { (void)load("another", false); });
  EXPECT_NE(error.find("the engine was built for chip of 4 cores, and here is another"), std::string::npos) << error;
  EXPECT_NE(error.find("LoadOptions::replan"), std::string::npos) << error;
}

TEST(Replan, AnEngineWithAKernelThatLacksItsLibrary) {
  struct Missing {
    explicit Missing(const char* what) { backend::reference_missing = what; }
    ~Missing() { backend::reference_missing = ""; }
  };
  const TemporaryFolder folder;
  const std::string path = folder / "m.engine";
  BuildOptions options = untuned();
  options.device = Device::reference;
  engine_file::write_engine(path, compiled(kReplanModel, options));
  const auto want = outputs_of(Engine::load(path), 2);
  EXPECT_EQ(Engine::load(path).stats().replanned, "");
  const Missing here("library: not installed");
  const Engine engine = Engine::load(path);
  const std::string why = engine.stats().replanned;
  EXPECT_TRUE(why.starts_with("the engine uses ") && why.ends_with(", and here is no library: not installed")) << why;
  expect_near(outputs_of(engine, 2), want);
  const std::string error = test::error_of([&] { (void)Engine::load(path, {.replan = false}); });
  EXPECT_NE(error.find(why), std::string::npos) << error;
}

}  // namespace
}  // namespace monza
