// Engines edited by hand, with sound checksums: plans (of several profiles, with states, lists, branches, loops),
// weights, the carried graph, the record, the header, and tables that share their texts. Each is refused when it is
// loaded, fails with a status when it is run, or runs within its memory, and none takes more of it than a small file
// may. Every one is tried in a child process, so that one finding does not hide the next.
//
//   MONZA_MUTATIONS=N   engines of each model (default 150): 5000 are more than 100 000 engines
//   MONZA_MUTATION=M:S  one model and seed alone, in this process: to look at a finding
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "base/log.h"
#include "engine/run/engine_impl.h"
#include "monza/error.h"
#include "support/edited_engine.h"
#include "support/hostile.h"

namespace monza {
namespace {

enum class Outcome { refused, ran };

/// One to four edits of the engine, loaded in one of the ways there are, and run.
Outcome try_mutation(const test::EngineParts& original, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<test::EngineEdit> edits(1 + random() % 4);
  for (test::EngineEdit& edit : edits) edit = test::random_edit(random);
  Limits limits;  // of an engine that is planned anew, from a graph that was edited too
  limits.nodes = 1000;
  limits.value_bytes = 1 << 24;
  limits.trips = 16;
  limits.fold_operations = 1 << 22;
  const auto way = static_cast<test::EngineWay>(random() % static_cast<int>(test::EngineWay::kCount));
  try {
    test::run_hostile(test::open_parts(original, edits, way, limits), seed, 1 << 16);
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

/// More than any of these engines may take, whose files have some 100 KiB; sanitizers keep what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kMostMutatedBytes = std::int64_t{512} << 20;
#else
constexpr std::int64_t kMostMutatedBytes = std::int64_t{64} << 20;
#endif
std::int64_t peak_bytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return std::int64_t{used.ru_maxrss} * 1024;
}

TEST(Mutation, NoEditedEngineLeavesItsMemory) {
  if (const char* one = std::getenv("MONZA_MUTATION")) {
    const std::string text = one;
    for (const test::HostileGraph& graph : test::hostile_graphs())
      if (text.rfind(graph.name, 0) == 0 && text[std::strlen(graph.name)] == ':')
        try_mutation(test::compile_parts(graph),
                     static_cast<unsigned>(std::atoi(text.c_str() + std::strlen(graph.name) + 1)));
    return;
  }
  set_log_level(LogLevel::off);  // engines that are planned anew say so
  const char* asked = std::getenv("MONZA_MUTATIONS");
  const unsigned count = asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : 150;
  auto* progress = static_cast<Progress*>(
      mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(progress, MAP_FAILED);
  int refused = 0, ran = 0, slow = 0;
  for (const test::HostileGraph& graph : test::hostile_graphs()) {
    SCOPED_TRACE(graph.name);
    const test::EngineParts original = test::compile_parts(graph);
    for (unsigned begin = 0; begin < count;) {
      *progress = {begin, 0, 0};
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        for (unsigned seed = begin; seed < count; ++seed) {
          progress->seed = seed;
          alarm(5);  // a plan may ask for more work than anybody waits for
          const std::int64_t before = peak_bytes();
          (try_mutation(original, seed) == Outcome::ran ? progress->ran : progress->refused) += 1;
          if (peak_bytes() - before > kMostMutatedBytes) {
            std::fprintf(stderr, "%s:%u takes %lld bytes\n", graph.name, seed,
                         static_cast<long long>(peak_bytes() - before));
            std::abort();
          }
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
    const Engine engine = test::open_parts(test::compile_parts(graph), {}, test::EngineWay::copied_file, Limits{});
    int ran = 0;
    for (unsigned seed = 1; seed < 9; ++seed) ran += test::run_hostile(engine, seed);
    EXPECT_GT(ran, 0);
  }
}

}  // namespace
}  // namespace monza
