// Timings in a cache: a build that finds them all measures nothing and gives the same bytes.
#include "plan/tactics.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/pass.h"
#include "support/data.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::TemporaryFolder;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Convolutions that the host and the reference device may compute, each with a kernel at least, under shapes that
/// differ by `seed`.
std::string convolutions(int count, int seed = 0) {
  const int size = 14 + seed;
  std::string text = "graph \"g\" (%x: f32[1,32," + std::to_string(size) + ",14]";
  for (int i = 0; i < count; ++i) text += ", %w" + std::to_string(i) + "_in: f32[32,32,3,3]";
  text += ") {\n %a0 = Relu(%x)\n";
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i), m = std::to_string(i + 1);
    text += " %c" + n + " = Conv(%a" + n + ", %w" + n +
            "_in) {pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1} @device=\"cpu,reference\"\n %s" + n +
            " = Sigmoid(%c" + n + ")\n %a" + m + " = Mul(%c" + n + ", %s" + n + ")\n";
  }
  return text + " %y = Softmax(%a" + std::to_string(count) + ") {axis=1}\n return (y: %y)\n}";
}

struct Build {
  std::string bytes;
  std::int64_t measured, cached, over_budget;
};

/// One thread, timings in that file, a budget of seconds (0: none).
BuildOptions timed(const std::string& cache, double seconds = 0) {
  return {.threads = 1, .max_build_seconds = seconds, .timing_cache = cache};
}

Build build(const std::string& text, const BuildOptions& options, const std::string& engine) {
  plan::Tactics timings(options);
  auto made = test::engine_from_text(text, {.tactics = &timings}, true);
  made.engine.save(engine);
  return {read(engine), timings.measured(), timings.cached(), timings.over_budget()};
}

TEST(Tactics, BuildFromAFullCacheMeasuresNothingAndIsTheSameFile) {
  const TemporaryFolder folder;
  const std::string cache = folder / "timings", text = convolutions(2);
  const Build first = build(text, timed(cache), folder / "a.engine");
  EXPECT_GT(first.measured, 2);
  const std::string timings = read(cache);
  EXPECT_EQ(lines(timings), static_cast<std::size_t>(first.measured) + 1);
  const Build second = build(text, timed(cache), folder / "b.engine");
  EXPECT_EQ(second.measured, 0);
  EXPECT_GE(second.cached, first.measured);
  EXPECT_TRUE(second.bytes == first.bytes) << "two builds with the same timings differ";
  // No time at all to measure, and nothing to measure.
  const Build third = build(text, timed(cache, 1e-9), folder / "c.engine");
  EXPECT_EQ(third.measured, 0);
  EXPECT_TRUE(third.bytes == first.bytes) << "a build without a budget differs";
  EXPECT_EQ(read(cache), timings);
}

TEST(Tactics, BuildWithoutTimeTakesTheFirstThatFits) {
  const TemporaryFolder folder;
  const std::string text = convolutions(1);
  const Build none = build(text, timed("", 1e-9), folder / "a.engine");
  EXPECT_EQ(none.measured, 0);
  EXPECT_GT(none.over_budget, 0);
  test::engine_from_text(text, {}, true).engine.save(folder / "b.engine");
  EXPECT_TRUE(none.bytes == read(folder / "b.engine"));
}

TEST(Tactics, DamagedLinesOfTheCacheCostOnlyTime) {
  const TemporaryFolder folder;
  const std::string cache = folder / "timings", text = convolutions(1);
  const Build first = build(text, timed(cache), folder / "a.engine");
  std::string timings = read(cache);
  // A number that is none, an empty line, and a last line cut short, as a kill may leave it.
  timings.replace(timings.find('\n') + 1, 1, "x");
  timings.insert(timings.find('\n') + 1, "\n");
  timings.resize(timings.size() - 5);
  std::ofstream(cache, std::ios::binary) << timings;
  const Build second = build(text, timed(cache), folder / "b.engine");
  EXPECT_EQ(second.measured, 2);
  const Build third = build(text, timed(cache), folder / "c.engine");
  EXPECT_EQ(third.measured, 0);
  EXPECT_TRUE(third.bytes == second.bytes);
  EXPECT_EQ(third.cached, first.measured + first.cached);

  std::ofstream(cache, std::ios::binary) << "monza timings 0\nold\n";
  EXPECT_EQ(build(text, timed(cache), folder / "d.engine").measured, first.measured);
  EXPECT_EQ(build(text, timed(cache), folder / "d.engine").measured, 0);
}

TEST(Tactics, WhatIsNoTimingCacheIsLeftAlone) {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& name) {
    return test::error_of([&] { plan::Tactics(timed(folder / name)); }, folder.path());
  };
  const auto refused = [](const std::string& name) {
    return "'FOLDER/" + name +
           "' is no timing cache, so nothing is written to it\n  try: the name of a timing cache, or "
           "one that no file has yet";
  };
  // A model, a text that begins in the same way, and a folder.
  const std::string model("\x08\x08\x3a\x10", 4), text = "monza: a text\n";
  std::ofstream(folder / "model.onnx", std::ios::binary) << model;
  std::ofstream(folder / "text", std::ios::binary) << text;
  for (const char* name : {"model.onnx", "text", ""}) EXPECT_EQ(said(name), refused(name));
  EXPECT_EQ(read(folder / "model.onnx"), model);
  EXPECT_EQ(read(folder / "text"), text);
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(said("pipe"), refused("pipe"));

  // What a kill leaves of the first write, and an empty file, are taken.
  for (const char* begun : {"", "monza ti"}) {
    std::ofstream(folder / "begun", std::ios::binary) << begun;
    EXPECT_GT(build(convolutions(1), timed(folder / "begun"), folder / "a.engine").measured, 0) << begun;
    EXPECT_EQ(build(convolutions(1), timed(folder / "begun"), folder / "a.engine").measured, 0) << begun;
  }
}

TEST(Tactics, UnwritableCacheIsAWarning) {
  const TemporaryFolder folder;
  EXPECT_GT(build(convolutions(1), timed(folder / "no/such/folder/timings"), folder / "a.engine").measured, 0);
}

TEST(Tactics, KilledBuildKeepsItsTimings) {
  const TemporaryFolder folder;
  const std::string cache = folder / "timings";
  // The header, the timings of the first shape, and one of the second.
  const auto enough =
      2 + static_cast<std::size_t>(build(convolutions(1), timed(folder / "whole"), folder / "a.engine").measured);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // New shapes for ever: it is killed while it measures.
    plan::Tactics timings(timed(cache));
    for (int seed = 0;; ++seed) {
      test::engine_from_text(convolutions(1, seed), {.tactics = &timings}, true);
    }
  }
  const auto begin = std::chrono::steady_clock::now();
  while (lines(read(cache)) < enough && std::chrono::steady_clock::now() - begin < std::chrono::seconds(120))
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const std::string kept = read(cache);
  ASSERT_GE(lines(kept), enough);

  // The first shape was timed whole: nothing is measured again. A shape it never came to is added at the end.
  EXPECT_EQ(build(convolutions(1), timed(cache), folder / "a.engine").measured, 0);
  EXPECT_GT(build(convolutions(1, 900), timed(cache), folder / "b.engine").measured, 0);
  EXPECT_TRUE(read(cache).starts_with(kept));
}

TEST(Tactics, YoloFromAFullCacheIsTheSameFile) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  const TemporaryFolder folder;
  BuildOptions options;
  options.threads = 1;
  options.timing_cache = folder / "timings";
  options.max_build_seconds = 6;  // a part of the timings is enough to tell one build from the next
  Engine::build(model, options).save(folder / "a.engine");
  options.max_build_seconds = 1e-9;
  const std::string timings = read(options.timing_cache);
  EXPECT_GT(lines(timings), 2u) << "nothing was measured: the comparison below would say nothing";
  for (const char* name : {"b.engine", "c.engine"}) {
    Engine::build(model, options).save(folder / name);
    EXPECT_EQ(read(options.timing_cache), timings) << "something was measured again";
  }
  EXPECT_TRUE(read(folder / "b.engine") == read(folder / "c.engine"));
}

TEST(Tactics, DrawnFromASeedNothingIsMeasuredAndNoCacheIsTouched) {
  const TemporaryFolder folder;
  const std::string cache = folder / "timings", text = convolutions(2);
  std::set<std::string> plans;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    const BuildOptions drawn{.threads = 1, .timing_cache = cache, .tactic_seed = seed};
    const Build one = build(text, drawn, folder / "a.engine"), same = build(text, drawn, folder / "b.engine");
    EXPECT_TRUE(one.bytes == same.bytes) << "two builds of one seed differ";
    EXPECT_EQ(one.measured + one.cached, 0);
    plans.insert(one.bytes);
  }
  EXPECT_GT(plans.size(), 1u) << "every seed gives the same plan";
  EXPECT_FALSE(std::filesystem::exists(cache));
}

/// What a cache takes in memory stays in proportion to the file: lines that are no timings are not kept, and a file
/// that no machine gathers is not read.
TEST(Tactics, ACacheTakesNoMoreMemoryThanItIsWorth) {
  const TemporaryFolder folder;
  const auto peak = [] {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return std::int64_t{used.ru_maxrss} * 1024;
  };
  std::string text = "monza timings 1\n";
  for (int i = 0; i < 500'000; ++i) text += "1 " + std::to_string(i) + "\n";
  std::ofstream(folder / "short", std::ios::binary) << text;
  std::ofstream(folder / "large", std::ios::binary) << "monza timings 1\n";
  std::filesystem::resize_file(folder / "large", std::uintmax_t{512} << 20);
  for (const char* name : {"short", "large"}) {
    const std::int64_t before = peak();
    const plan::Tactics timings(timed(folder / name));
    EXPECT_LT(peak() - before, std::int64_t{24} << 20) << name;
  }
}

}  // namespace
}  // namespace monza
