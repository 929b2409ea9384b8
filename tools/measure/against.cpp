#include "tools/measure/against.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "engine/compare.h"
#include "io/npz.h"
#include "tools/args/usage_error.h"
#include "tools/measure/identity.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Runs the model once and writes its outputs; then, for each number of seconds that it reads, runs it that long and
/// prints the milliseconds of each run. Outputs go to memory that is there already, as Monza's do.
constexpr const char* kPeer = R"(
import json, sys, time
try:
    import numpy as np, onnxruntime as ort
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit()
model, arrays, results, threads = sys.argv[1:5]
try:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = int(threads), 1, 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with np.load(arrays) as file:
        feed = {name: file[name] for name in file.files}
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, feed)))
    np.savez(results, **{name: value for name, value in outputs.items()
                         if isinstance(value, np.ndarray) and value.dtype != object})
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    for name in names:
        binding.bind_output(name)
except Exception as error:
    print(json.dumps({"refused": str(error)}), flush=True)
    sys.exit()
print(json.dumps({"version": ort.__version__}), flush=True)
for line in sys.stdin:
    times, end = [], time.perf_counter() + float(line)
    while not times or times[-1][1] < end:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append((start, time.perf_counter()))
    print(json.dumps([(end - start) * 1e3 for start, end in times]), flush=True)
)";

/// A process whose standard input and output are pipes to here.
class Peer {
 public:
  explicit Peer(const std::vector<std::string>& words) {
    int to[2], from[2];
    if (::pipe(to) != 0 || ::pipe(from) != 0) fail("no pipe to a process can be made");
    std::vector<char*> arguments;
    for (const std::string& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) fail("no process can be started");
    if (pid_ == 0) {
      ::dup2(to[0], STDIN_FILENO);
      ::dup2(from[1], STDOUT_FILENO);
      for (const int fd : {to[0], to[1], from[0], from[1]}) ::close(fd);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    in_ = ::fdopen(to[1], "w");
    out_ = ::fdopen(from[0], "r");
  }
  ~Peer() {
    std::fclose(in_);  // the end of its input is the end of its work
    std::fclose(out_);
    ::waitpid(pid_, nullptr, 0);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void say(const std::string& line) {
    std::fputs((line + "\n").c_str(), in_);
    std::fflush(in_);
  }
  /// Its next line as JSON; null when it ended.
  Json hear() {
    std::string line;
    for (int c; (c = std::fgetc(out_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return Json::parse(line, nullptr, false);
  }

 private:
  pid_t pid_ = -1;
  std::FILE *in_ = nullptr, *out_ = nullptr;
};

std::vector<double> run_for(Context& context, double seconds) {
  std::vector<double> ms;
  const Stopwatch all;
  while (ms.empty() || all.ms() < seconds * 1e3) {
    const Stopwatch one;
    check(context, context.run());
    ms.push_back(one.ms());
  }
  return ms;
}

Json to_json(const Summary& s, std::size_t runs) {
  return {{"min", s.min}, {"median", s.median}, {"p90", s.p90}, {"p99", s.p99}, {"mean", s.mean}, {"runs", runs}};
}

}  // namespace

void bench_against_onnxruntime(const BenchOptions& o, const std::string& given) {
  if (o.model.is_engine())
    throw UsageError(message("ONNX Runtime reads no engine, and '{}' is one\n  try: the ONNX file", o.model.model));
  if (o.streams > 1) throw UsageError("--against measures one stream\n  try: leave --streams out");
  const char* named = std::getenv("MONZA_PYTHON");
  const std::string python = !given.empty() ? given : named != nullptr && *named != 0 ? named : "python3";
  const Prepared prepared = prepare(o.model, o.inputs);
  const Engine& engine = prepared.opened.engine;
  const TemporaryFolder folder("what ONNX Runtime is given");
  std::vector<io::NamedRef> arrays;
  for (std::size_t k = 0; k < prepared.inputs.size(); ++k)
    arrays.push_back({engine.inputs()[k].name, prepared.inputs[k]});
  io::write_npz(folder.file("inputs.npz"), arrays);

  const int threads = o.model.threads > 0 ? o.model.threads : engine.stats().threads;
  ::signal(SIGPIPE, SIG_IGN);  // a peer that ended is told by what it did not say
  Peer peer({python, "-c", kPeer, std::filesystem::absolute(o.model.model).string(), folder.file("inputs.npz"),
             folder.file("outputs.npz"), std::to_string(threads)});
  const Json hello = peer.hear();
  if (!hello.is_object() || hello.contains("missing"))
    throw UsageError(
        message("'{}' has no ONNX Runtime{}\n  try: --python FILE, an interpreter with the packages "
                "onnxruntime and numpy",
                python, hello.is_object() ? ": " + hello.at("missing").get<std::string>() : ""));
  if (hello.contains("refused"))
    throw RunError("ONNX Runtime does not run it: " + hello.at("refused").get<std::string>());

  Context context = engine.create_context(o.model.context_options());
  bind_inputs(engine, context, prepared.inputs);
  (void)run_for(context, o.warmup);
  Progress progress(!o.json && !o.model.quiet());
  constexpr int kRounds = 6;
  std::vector<double> ours, theirs;
  for (int round = 0; round < kRounds; ++round) {
    progress.update("measuring", static_cast<double>(round) / kRounds);
    peer.say(fmt::format("{}", o.duration / kRounds));
    const Json times = peer.hear();
    if (!times.is_array()) throw RunError("ONNX Runtime ended while it was measured");
    for (const Json& ms : times) theirs.push_back(ms.get<double>());
    for (const double ms : run_for(context, o.duration / kRounds)) ours.push_back(ms);
  }
  progress.clear();

  const Summary us = summarize(ours), them = summarize(theirs);
  const std::string version = hello.at("version").get<std::string>();
  double furthest = 0;
  std::vector<std::string> strange;
  for (const io::NamedTensor& want : io::read_npz(folder.file("outputs.npz"))) {
    const TensorRef got = context.output(want.name);
    const Comparison c = compare(got, io::as_model_type(want.tensor, got.dtype), 0, 0);
    if (std::isnan(c.max_abs_error)) strange.push_back("output '" + want.name + "': " + c.reason);
    else if (c.largest > 0) furthest = std::max(furthest, c.max_abs_error / c.largest);
  }
  if (o.json) {
    Json report = {{"monza", to_json(us, ours.size())},
                   {"onnxruntime", to_json(them, theirs.size())},
                   {"ratio", us.median / them.median},
                   {"largest_difference", furthest},
                   {"about", identity_of(o.model, engine.stats())}};
    report["onnxruntime"]["version"] = version;
    if (!strange.empty()) report["differ"] = strange;
    print_json(report);
    return;
  }
  print("{:>20} {:>11} {:>11} {:>11} {:>8}\n", count_text(threads, "thread"), "min", "median", "p99", "runs");
  const auto row = [](const std::string& name, const Summary& s, std::size_t runs) {
    print("{:>20} {:>11} {:>11} {:>11} {:>8}\n", name, time_text(s.min), time_text(s.median), time_text(s.p99), runs);
  };
  row("Monza", us, ours.size());
  row("ONNX Runtime " + version, them, theirs.size());
  print("{:>20} {:>11.2f} {:>11.2f} {:>11.2f}   of ONNX Runtime's time\n", "ratio", us.min / them.min,
        us.median / them.median, us.p99 / them.p99);
  print("outputs differ by {:.2g} of an output's largest value at most\n", furthest);
  for (const std::string& text : strange) note("warning: " + text);
}

}  // namespace monza::tool
