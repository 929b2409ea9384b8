// Damaged plans with sound checksums: each is refused when it is loaded, fails with a status when it is run, or runs
// within its memory. Every plan is taken apart in a child process, so that one finding does not hide the next.
//
//   MONZA_MUTATIONS=N   mutations of each model (default 150)
//   MONZA_MUTATION=M:S  one model and seed alone, in this process: to look at a finding
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "engine/file/image.h"
#include "engine/run/engine_impl.h"
#include "monza/error.h"
#include "support/engine_from_text.h"
#include "support/hostile.h"

namespace monza {
namespace {

using plan::PlanStorage;

/// The plan and weights of an engine, to be changed.
struct Original {
  PlanStorage plan;
  std::vector<std::byte> weights;
};

Original original_of(const test::HostileGraph& graph) {
  const test::TextEngine made = test::engine_from_text(graph.text, graph.options, graph.optimized);
  const engine_file::Image& image = made.engine.impl().image;
  Original o;
  std::vector<std::span<const std::byte>> from;
  plan::for_each_array(image.plan, [&](const char*, const auto& array) { from.push_back(std::as_bytes(array)); });
  std::size_t next = 0;
  plan::for_each_array(o.plan, [&](const char*, auto& array) {
    array.resize(from[next].size() / sizeof(array[0]));
    if (!from[next].empty()) std::memcpy(array.data(), from[next].data(), from[next].size());
    ++next;
  });
  o.plan.params.resize(o.plan.params.size() - plan::kParamsRoom);  // make_image adds them again
  o.plan.weights_bytes = image.plan.weights_bytes;
  o.plan.threads = image.plan.threads;
  o.plan.event_count = image.plan.event_count;
  o.weights.assign(image.weights.begin(), image.weights.end());
  return o;
}

/// Changes one to three numbers of the plan: to a value that tends to hurt, or to one from elsewhere in the array.
void mutate(PlanStorage& p, std::mt19937_64& random) {
  const int changes = 1 + static_cast<int>(random() % 3);
  for (int c = 0; c < changes; ++c) {
    // Steps, operands, registers and parameters are what kernels see: half of all changes.
    static constexpr int kLikely[] = {1, 2, 4, 17};
    const int target = random() % 2 == 0 ? kLikely[random() % 4] : static_cast<int>(random() % 18);
    int number = 0;
    plan::for_each_array(p, [&](const char*, auto& array) {
      if (number++ != target || array.empty()) return;
      auto* bytes = reinterpret_cast<std::byte*>(array.data());
      const std::size_t total = array.size() * sizeof(array[0]);
      const std::size_t width = std::min<std::size_t>(std::size_t{1} << random() % 4, sizeof(array[0]));
      const std::size_t at = random() % (total / width) * width;
      std::int64_t value = 0;
      std::memcpy(&value, bytes + at, width);
      switch (random() % 8) {
        case 0: value = 0; break;
        case 1: value += 1; break;
        case 2: value -= 1; break;
        case 3: value = static_cast<std::int64_t>(random() % 16); break;
        case 4: value = -1; break;
        case 5: value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value) * 2); break;
        case 6: value = static_cast<std::int64_t>(std::uint64_t{1} << random() % (8 * width)); break;
        default: std::memcpy(&value, bytes + random() % (total / width) * width, width);
      }
      std::memcpy(bytes + at, &value, width);
    });
  }
}

enum class Outcome { refused, ran };

Outcome try_mutation(const Original& o, unsigned seed) {
  std::mt19937_64 random(seed);
  engine_file::Parts parts;
  parts.plan = o.plan;
  mutate(parts.plan, random);
  // No machine lends so much, and a loop may count as far as it likes: neither is what is looked for here.
  for (plan::DeviceRef& d : parts.plan.devices) d.arena_bytes = std::min<std::int64_t>(d.arena_bytes, 1 << 26);
  for (plan::LoopInfo& l : parts.plan.loops) l.max_trips = std::min<std::int64_t>(l.max_trips, 100);
  parts.weights = Region(static_cast<std::int64_t>(o.weights.size()));
  if (!o.weights.empty()) std::memcpy(parts.weights.data(), o.weights.data(), o.weights.size());
  try {
    const Engine engine = make_engine(engine_file::make_image(std::move(parts)), {});
    test::run_hostile(engine, seed);
    return Outcome::ran;
  } catch (const Error&) {
    return Outcome::refused;
  }
}

/// What the child says of itself while it works.
struct Progress {
  unsigned seed;
  int refused, ran;
};

TEST(Mutation, NoDamagedPlanLeavesItsMemory) {
  if (const char* one = std::getenv("MONZA_MUTATION")) {
    const std::string text = one;
    for (const test::HostileGraph& graph : test::hostile_graphs())
      if (text.rfind(graph.name, 0) == 0 && text[std::strlen(graph.name)] == ':')
        try_mutation(original_of(graph), static_cast<unsigned>(std::atoi(text.c_str() + std::strlen(graph.name) + 1)));
    return;
  }
  const char* asked = std::getenv("MONZA_MUTATIONS");
  const unsigned count = asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : 150;
  auto* progress = static_cast<Progress*>(
      mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(progress, MAP_FAILED);
  int refused = 0, ran = 0, slow = 0;
  for (const test::HostileGraph& graph : test::hostile_graphs()) {
    SCOPED_TRACE(graph.name);
    const Original original = original_of(graph);
    for (unsigned begin = 0; begin < count;) {
      *progress = {begin, 0, 0};
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        for (unsigned seed = begin; seed < count; ++seed) {
          progress->seed = seed;
          alarm(5);  // a plan may ask for more work than anybody waits for
          (try_mutation(original, seed) == Outcome::ran ? progress->ran : progress->refused) += 1;
        }
        _exit(0);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      refused += progress->refused;
      ran += progress->ran;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
      begin = progress->seed + 1;
      if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) ++slow;
      else ADD_FAILURE() << "look at it with MONZA_MUTATION=" << graph.name << ":" << progress->seed;
    }
  }
  munmap(progress, sizeof(Progress));
  std::printf("%d refused, %d ran, %d took too long\n", refused, ran, slow);
  // Both happen, or the test tests nothing.
  EXPECT_GT(refused, 0);
  EXPECT_GT(ran, 0);
}

/// The models themselves load and run.
TEST(Mutation, TheModelsAreSound) {
  for (const test::HostileGraph& graph : test::hostile_graphs()) {
    SCOPED_TRACE(graph.name);
    const Engine engine = test::engine_from_text(graph.text, graph.options, graph.optimized).engine;
    int ran = 0;
    for (unsigned seed = 1; seed < 9; ++seed) ran += test::run_hostile(engine, seed);
    EXPECT_GT(ran, 0);
  }
}

}  // namespace
}  // namespace monza
