#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "base/hash.h"
#include "engine/file/format.h"
#include "engine/file/image.h"
#include "engine/file/verify.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "ops/elementwise/elementwise.params.h"
#include "support/plan_builder.h"
#include "support/temporary.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using test::PlanBuilder;
using test::TemporaryFolder;

/// y = (x + w) * x, as an engine would hold it.
engine_file::Image sample_image() {
  PlanBuilder b;
  b.input("x", DType::f32, {64}, {64});
  std::array<float, 64> w{};
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i);
  const Operand x = b.operand(Base::input, DType::f32, {64});
  const Operand weight = b.operand(Base::weights, DType::f32, {64}, b.weight("w", std::as_bytes(std::span(w))));
  const Operand sum = b.in_arena(DType::f32, {64}), y = b.operand(Base::output, DType::f32, {64});
  b.output("y", y);
  const BinaryParams add{BinaryKind::add}, mul{BinaryKind::mul};
  b.step("add", *find_kernel("add_ref"), {x, weight}, {sum}, std::as_bytes(std::span(&add, 1)));
  b.step("mul", *find_kernel("mul_ref"), {sum, x}, {y}, std::as_bytes(std::span(&mul, 1)));
  b.finish();
  engine_file::Parts parts;
  parts.weights = Region(static_cast<std::int64_t>(b.weights().size()));
  std::memcpy(parts.weights.data(), b.weights().data(), b.weights().size());
  parts.plan = b.storage;
  parts.graph = "graph {}";
  parts.info.metadata = {{"names", "cat,dog"}, {"empty", ""}};
  return engine_file::make_image(std::move(parts));
}

std::vector<char> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_all(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
/// What loading says, or "" when it succeeds.
std::string load_error(const std::string& path, const LoadOptions& options = {}) {
  try {
    Engine::load(path, options);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}
float run_once(const Engine& engine) {
  Context context = engine.create_context();
  Tensor x(DType::f32, {64});
  x.as<float>()[5] = 2;
  EXPECT_TRUE(context.bind_input("x", x).ok());
  const Status s = context.run();
  EXPECT_TRUE(s.ok()) << context.describe(s);
  return context.output("y").as<float>()[5];
}

TEST(EngineFile, RoundTrip) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  EXPECT_TRUE(Engine::is_engine_file(path));
  const Engine engine = Engine::load(path, {.verify = true, .prefault = true});
  EXPECT_EQ(run_once(engine), 14);
  EXPECT_EQ(engine.metadata().at("names"), "cat,dog");
  EXPECT_EQ(engine.graph_text(), "graph {}");
  EXPECT_EQ(engine.inputs().at(0).name, "x");
  EXPECT_EQ(engine.stats().steps, 2);
  EXPECT_GT(engine.stats().load_ms, 0);
  EXPECT_EQ(engine.stats().arena_bytes, 256);
  EXPECT_NE(engine.describe_plan().find("add_ref"), std::string::npos);
  // Saved again from the mapping: the same bytes.
  const std::string again = folder / "b.engine";
  engine.save(again);
  EXPECT_EQ(read_all(path), read_all(again));
}

TEST(EngineFile, EveryFlippedByteIsFoundOrDoesNotMatter) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  const std::vector<char> good = read_all(path);
  const std::string broken = folder / "b.engine";
  int found = 0, harmless = 0;
  for (std::size_t i = 0; i < good.size(); i += i < 64 ? 1 : i < 3000 ? 5 : 131) {
    std::vector<char> bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    write_all(broken, bad);
    const std::string error = load_error(broken, {.verify = true});
    if (!error.empty()) {
      ++found;
      EXPECT_NE(error.find("try: "), std::string::npos) << error;
    } else {
      ++harmless;  // padding between sections
      EXPECT_EQ(run_once(Engine::load(broken)), 14) << "byte " << i;
    }
  }
  EXPECT_GT(found, 300);
  EXPECT_GT(harmless, 0);
}

TEST(EngineFile, AFlippedWeightIsFoundByVerify) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  std::vector<char> bytes = read_all(path);
  bytes[bytes.size() - 10] ^= 1;  // weights come last
  write_all(path, bytes);
  EXPECT_EQ(load_error(path), "");
  EXPECT_NE(load_error(path, {.verify = true}).find("weight 'w' (256 bytes) has changed"), std::string::npos);
}

TEST(EngineFile, EveryTruncationIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  const std::vector<char> good = read_all(path);
  for (std::size_t n : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{63}, std::size_t{64},
                        std::size_t{500}, good.size() / 2, good.size() - 1}) {
    write_all(path, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n)});
    const std::string error = load_error(path);
    EXPECT_NE(error.find(n < 64 ? "not an engine file" : "truncated"), std::string::npos) << n << ": " << error;
    EXPECT_EQ(Engine::is_engine_file(path), n >= 8);
  }
  std::vector<char> longer = good;
  longer.push_back(0);
  write_all(path, longer);
  EXPECT_NE(load_error(path).find("damaged"), std::string::npos);
  EXPECT_NE(load_error(folder / "none").find("cannot open"), std::string::npos);
  EXPECT_NE(load_error(folder.path()).find("not a regular file"), std::string::npos);
}

TEST(EngineFile, AWriterThatIsKilledLeavesTheOldEngineAndNothingBeside) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  const engine_file::Image image = sample_image();
  engine_file::write_engine(path, image);
  std::mt19937 random(2);
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0)
      for (;;) engine_file::write_engine(path, image);
    usleep(random() % 8000);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(load_error(path, {.verify = true}), "");
  }
  // A kill may fall between the naming of the new file and the renaming: then it is whole, and lies beside.
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_EQ(load_error(entry.path().string(), {.verify = true}), "") << entry.path();
}

TEST(EngineFile, AFileThatMayNotGrowIsAnErrorAndLeavesTheOldEngine) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  const engine_file::Image image = sample_image();
  engine_file::write_engine(path, image);
  const std::vector<char> before = read_all(path);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, 8192};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      engine_file::write_engine(path, image);
    } catch (const Error& e) {
      _exit(std::string(e.what()).find("cannot write") != std::string::npos ? 7 : 8);
    }
    _exit(9);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_all(path), before);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 1) << "something is left beside";
}

/// Changes the header's bytes and makes its checksum fit again: what another build or machine would write.
void rewrite_header(const std::string& path, const std::string& from, const std::string& to) {
  std::vector<char> bytes = read_all(path);
  engine_file::Prefix prefix;
  std::memcpy(&prefix, bytes.data(), sizeof prefix);
  const auto begin = bytes.begin() + sizeof prefix, end = begin + static_cast<std::ptrdiff_t>(prefix.header_bytes);
  const auto at = std::search(begin, end, from.begin(), from.end());
  ASSERT_NE(at, end);
  std::copy(to.begin(), to.end(), at);
  prefix.header_checksum =
      hash64(std::as_bytes(std::span(bytes.data() + sizeof prefix, prefix.header_bytes)), prefix.file_bytes);
  std::memcpy(bytes.data(), &prefix, sizeof prefix);
  write_all(path, bytes);
}
template <typename T>
std::string as_text(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(EngineFile, TheHashNoticesEveryChangeOfAKernel) {
  const auto kernels = all_kernels();
  std::vector<const Kernel*> list(kernels.begin(), kernels.end());
  ASSERT_GE(list.size(), 2u);
  // One with a packed input, which not every processor has.
  const PackedFormat format{.name = "braid"};
  const Packing packing{.input = 1, .format = &format};
  Kernel packed = *list[0];
  packed.packings = &packing;
  packed.packing_count = 1;
  list[0] = &packed;
  const auto hash = [&] { return engine_file::hash_kernels(list, "sources"); };
  const std::uint64_t before = hash();
  EXPECT_EQ(hash(), before);
  EXPECT_NE(engine_file::hash_kernels(list, "other parameters"), before);
  for (const KernelFamily& family : kernel_families())
    EXPECT_NE(engine_file::family_hash(family),
              engine_file::hash_kernels({family.kernels, static_cast<std::size_t>(family.count)}, ""))
        << "the text of " << family.name << " is left out";
  std::swap(list[0], list[1]);
  EXPECT_NE(hash(), before) << "order";
  std::swap(list[0], list[1]);
  const auto differs = [&](const char* what, auto change) {
    Kernel changed = packed;
    change(changed);
    list[0] = &changed;
    EXPECT_NE(hash(), before) << what;
    list[0] = &packed;
  };
  const PackedFormat another_format{.name = "another"};
  const Packing another{.input = 1, .format = &another_format};
  differs("name", [](Kernel& k) { k.name = "renamed"; });
  differs("version", [](Kernel& k) { ++k.version; });
  differs("instruction set", [](Kernel& k) { k.needs = k.needs == Isa::none ? Isa::avx2 : Isa::none; });
  differs("ports", [](Kernel& k) { k.in = Ports{Port::packed, Port::rows}; });
  differs("packing format", [&](Kernel& k) { k.packings = &another; });
  differs("packings", [](Kernel& k) { k.packing_count = 0; });
}

TEST(EngineFile, FamiliesHoldEveryKernelOnceInTheOrderOfTheTable) {
  std::vector<const Kernel*> all;
  for (const KernelFamily& family : kernel_families()) {
    EXPECT_GT(family.count, 0) << family.name;
    all.insert(all.end(), family.kernels, family.kernels + family.count);
  }
  const auto table = all_kernels();
  EXPECT_EQ(all, std::vector<const Kernel*>(table.begin(), table.end()));
}

TEST(EngineFile, OnlyAChangeOfAFamilyThatItUsesMakesAnEngineStale) {
  const auto kernels = all_kernels();
  ASSERT_GE(kernels.size(), 5u);
  const KernelFamily then[] = {{"mine", kernels.data(), 2, "text of mine"}, {"other", kernels.data() + 2, 2, "text"}};
  const engine_file::FamilyHash mine{"mine", engine_file::family_hash(then[0])},
      other{"other", engine_file::family_hash(then[1])};
  EXPECT_EQ(engine_file::changed_family(std::vector{mine, other}, then), nullptr);

  const KernelFamily more_kernels[] = {
      then[0], {"other", kernels.data() + 2, 3, "text"}, {"new", kernels.data(), 1, ""}};
  const KernelFamily more_text[] = {{"other", kernels.data() + 2, 2, "more text"}, then[0]};
  const KernelFamily without[] = {then[0]};
  for (const std::span<const KernelFamily> now :
       {std::span<const KernelFamily>(more_kernels), {more_text}, {without}}) {
    EXPECT_EQ(engine_file::changed_family(std::vector{mine}, now), nullptr);
    const std::vector both{mine, other};
    const engine_file::FamilyHash* changed = engine_file::changed_family(both, now);
    ASSERT_NE(changed, nullptr);
    EXPECT_EQ(changed->name, "other");
  }
}

TEST(EngineFile, AnotherBuildIsAnErrorThatSaysHowToRebuild) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  rewrite_header(path, as_text(engine_file::plan_hash()), as_text(engine_file::plan_hash() + 1));
  const std::string error = load_error(path, {.replan = false});
  EXPECT_NE(error.find("another build of monza"), std::string::npos) << error;
  EXPECT_NE(error.find("rebuild with: monza build"), std::string::npos) << error;
}

TEST(EngineFile, AnotherVersionIsAnErrorThatSaysHowToRebuild) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, sample_image());
  for (std::size_t field :
       {offsetof(engine_file::Prefix, format_version), offsetof(engine_file::Prefix, plan_version)}) {
    std::vector<char> bytes = read_all(path);
    bytes[field] = 77;
    const std::string other = folder / "b.engine";
    write_all(other, bytes);
    const std::string error = load_error(other);
    EXPECT_NE(error.find("another version of monza"), std::string::npos) << error;
    EXPECT_NE(error.find("monza build"), std::string::npos) << error;
  }
}

TEST(EngineFile, AnotherInstructionSetIsAnErrorThatSaysHowToRebuild) {
  if (covers(cpu_info().isa, Isa::amx_int8)) GTEST_SKIP() << "this CPU has every instruction set";
  const TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::Image image = sample_image();
  image.info.isa = Isa::amx_int8;
  engine_file::write_engine(path, image);
  const std::string error = load_error(path, {.replan = false});
  EXPECT_NE(error.find("was built for amx_int8; this CPU"), std::string::npos) << error;
  EXPECT_NE(error.find("rebuild with: monza build"), std::string::npos) << error;
}

}  // namespace
}  // namespace monza
