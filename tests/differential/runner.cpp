// Plans and runs the cases of the differential tester: monza_differential < cases > results
//
// A process of its own, without Python in it, so that a sanitizer can watch it, a lower instruction set can be forced
// (MONZA_ISA=avx2) and a crash loses one case. It says what it is about to do before it does it. A result is a line,
// its words parted by tabs (tests/peers/differential/protocol.py reads them):
//   begin CASE                                  end CASE
//   step WAY build|run FEED THREADS             what comes next, for the one who finds no line behind it
//   bad WAY build|run|threads|again|type FEED THREADS OUTPUT TEXT
//   bad WAY value FEED THREADS OUTPUT COUNT     then: at INDEX GOT WANT for the worst
//   kernels WAY OP:KERNEL ...                   after a way that was bad
//   count pass|kernel NAME NUMBER               since it was last asked; then: counted
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "differential/case.h"
#include "differential/judge.h"
#include "engine/build_report.h"
#include "engine/file/image.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "passes/pass.h"

namespace monza::differential {
namespace {

constexpr std::size_t kMostElements = 48;
constexpr int kThreads[] = {1, 2};

/// A file that no disk sees.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes)
      : fd_(::memfd_create("case", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      fail("there is no memory for a model of {} bytes", bytes.size());
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

/// One line of words, at once in the driver's hands.
template <typename... Words>
void say(const Words&... words) {
  std::string line;
  const auto add = [&](std::string_view word) {
    if (!line.empty()) line += '\t';
    for (const char c : word) line += c == '\n' || c == '\t' ? ' ' : c;
  };
  (add(words), ...);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

class Runner {
 public:
  void run(const Case& c) {
    say("begin", c.id);
    const MemoryFile model(c.model);
    for (const Way& way : c.ways) run(c, way, model.path());
    say("end", c.id);
  }

  void tell_counts() {
    for (const auto& [name, count] : passes_) say("count", "pass", name, std::to_string(count));
    for (const auto& [name, count] : kernels_) say("count", "kernel", name, std::to_string(count));
    passes_.clear();
    kernels_.clear();
    say("counted");
  }

 private:
  void run(const Case& c, const Way& way, const std::string& model) {
    say("step", way.name, "build", "-", "-");
    BuildReport report;
    bad_ = false;
    try {
      const Engine engine = build(c, way, model, report);
      count(report);
      std::vector<std::vector<Tensor>> first;  // outputs of each feed at the first number of threads
      for (const int threads : kThreads) run(c, way, engine, threads, first);
    } catch (const std::exception& e) {  // a rewrite that strict_rewrites does not let pass is no Error
      bad(way, "build", "-", "-", "-", e.what());
    }
    if (!bad_) return;
    std::string kernels;
    for (const plan::Choice& choice : report.choices) kernels += (kernels.empty() ? "" : " ") + choice.kernel;
    say("kernels", way.name, kernels);
  }

  static Engine build(const Case& c, const Way& way, const std::string& model, BuildReport& report) {
    BuildOptions options;
    options.threads = kThreads[std::size(kThreads) - 1];
    options.optimize = way.optimize;
    options.tune = way.kernels == Kernels::timed;
    options.max_build_seconds = 0.01;
    if (way.kernels == Kernels::drawn) options.tactic_seed = way.seed;
    options.strict_rewrites = true;
    options.disabled_passes = way.disabled_passes;
    options.shape_values = c.shape_values;
    std::map<std::string, ShapeProfile> fixed;
    for (const auto& [name, tensor] : c.feeds[0].inputs) fixed[name] = {tensor.shape(), tensor.shape(), tensor.shape()};
    if (way.profiles) options.profiles = {c.ranges, fixed};
    else options.shapes = way.ranged ? c.ranges : fixed;
    BuildHooks hooks;
    hooks.report = &report;
    const Engine engine = build_engine(model, options, hooks);
    if (!way.reload) return engine;
    const std::vector<std::byte> bytes = engine_file::engine_bytes(engine.impl().image);
    const MemoryFile file({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return Engine::load(file.path(), {.verify = true});
  }

  /// All feeds, then the first once more: what lies in memory from other runs changes nothing.
  void run(const Case& c, const Way& way, const Engine& engine, int threads, std::vector<std::vector<Tensor>>& first) {
    Context context = engine.create_context({.threads = threads});
    const std::size_t feeds = way.ranged || way.profiles ? c.feeds.size() : 1;
    for (std::size_t k = 0; k <= feeds; ++k) {
      const std::size_t f = k % feeds;
      const std::string feed = std::to_string(f), workers = std::to_string(threads);
      say("step", way.name, "run", feed, workers);
      Status status;
      for (const auto& [name, tensor] : c.feeds[f].inputs)
        if (status) status = context.bind_input(name, tensor);
      if (status) status = context.run();
      if (!status) {
        bad(way, "run", feed, workers, "-", context.describe(status));
        return;
      }
      if (first.size() <= f) {
        first.push_back(judge(c, way, context, f, workers));
        continue;
      }
      for (std::size_t o = 0; o < first[f].size(); ++o)
        if (const std::string unequal = first_unequal(first[f][o], context.output(o)); !unequal.empty())
          bad(way, k == feeds ? "again" : "threads", feed, workers, c.feeds[f].outputs[o].name, unequal);
    }
  }

  std::vector<Tensor> judge(const Case& c, const Way& way, const Context& context, std::size_t feed,
                            const std::string& threads) {
    std::vector<Tensor> outputs;
    for (std::size_t o = 0; o < c.feeds[feed].outputs.size(); ++o) {
      const Expected& want = c.feeds[feed].outputs[o];
      const TensorRef got = context.output(o);
      outputs.push_back(Tensor::copy_of(got));
      const Difference d = compare(got, want, kMostElements);
      if (!d.what.empty()) bad(way, "type", std::to_string(feed), threads, want.name, d.what);
      if (d.count == 0) continue;
      bad(way, "value", std::to_string(feed), threads, want.name, std::to_string(d.count));
      for (const Element& e : d.worst) say("at", std::to_string(e.index), e.got, e.want);
    }
    return outputs;
  }

  void bad(const Way& way, std::string_view kind, std::string_view feed, std::string_view threads,
           std::string_view output, std::string_view text) {
    bad_ = true;
    say("bad", way.name, kind, feed, threads, output, text);
  }

  void count(const BuildReport& report) {
    for (const PassRun& pass : report.passes.passes)
      if (pass.rewrites > 0) passes_[pass.name] += pass.rewrites;
    for (const plan::Choice& choice : report.choices) ++kernels_[choice.kernel];
  }

  std::map<std::string, std::int64_t> passes_, kernels_;
  bool bad_ = false;
};

/// What there is to be counted: every pass, and every kernel of this machine.
void list() {
  std::map<std::string, int> seen;
  for (const Pass* pass : pipeline())
    if (seen[pass->name]++ == 0) say("pass", pass->name);
  for (const Kernel* kernel : all_kernels())
    if (kernel->device == DeviceKind::cpu && covers(cpu_info().isa, kernel->needs))
      say("kernel", kernel->name, kernel->op);
}

}  // namespace
}  // namespace monza::differential

int main(int argc, char** argv) {
  using namespace monza;
  if (argc > 1) {
    if (std::string_view(argv[1]) != "--list") {
      std::fputs(
          "usage: monza_differential < CASES > RESULTS, or monza_differential --list\n"
          "tests/peers/differential/differ.py makes the cases and reads the results\n",
          stderr);
      return 2;
    }
    differential::list();
    return 0;
  }
  // A crash is the driver's to keep, not the system's.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  set_log_level(LogLevel::error);
  try {
    differential::Runner runner;
    for (std::optional<differential::Case> next; differential::read_case(stdin, next);)
      if (next) runner.run(*next);
      else runner.tell_counts();
  } catch (const Error& e) {
    std::fprintf(stderr, "monza_differential: %s\n", e.what());
    return 1;
  }
  return 0;
}
