// monza conformance: the ONNX backend tests, or any folders in their layout.
#include <fmt/core.h>

#include <map>
#include <memory>
#include <regex>

#include "base/cpu.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/conformance/conformance.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct ConformanceArgs {
  std::string folder, filter, expectations, write_expectations, device = "cpu", isa;
  int jobs = 0, threads = 1;
  double seconds = 60;
  bool json = false, no_optimize = false, tune = false, passed = false;
};

int run(const ConformanceArgs& o) {
  if (o.folder.empty())
    throw UsageError("which folder?\n  try: monza conformance DIR (`monza ops` lists the operators)");
  std::vector<ConformanceCase> cases = find_cases(o.folder);
  if (!o.filter.empty()) {
    std::regex wanted;
    try {
      wanted = std::regex(o.filter);
    } catch (const std::regex_error& e) {
      throw UsageError(message("--filter '{}' is no regular expression: {}", o.filter, e.what()));
    }
    std::erase_if(cases, [&](const ConformanceCase& c) { return !std::regex_search(c.name, wanted); });
  }
  const auto expected =
      o.expectations.empty() ? std::map<std::string, std::string>{} : read_expectations(o.expectations);
  BuildOptions build;
  build.device = o.device == "cuda" ? Device::cuda : o.device == "reference" ? Device::reference : Device::cpu;
  build.isa = o.isa;
  build.threads = o.threads;
  build.tune = o.tune;
  build.strict_rewrites = true;
  build.optimize = !o.no_optimize;

  std::vector<std::string> reasons(cases.size());
  Progress progress;
  std::size_t ended = 0;
  const Stopwatch watch;
  run_isolated(
      cases.size(), o.jobs > 0 ? o.jobs : cpu_info().usable_threads, o.seconds,
      [&](std::size_t i) { return run_case(cases[i], build); },
      [&](const CaseResult& r) {
        reasons[r.index] = r.reason;
        progress.update("conformance", static_cast<double>(++ended) / static_cast<double>(cases.size()));
      });
  progress.clear();

  if (!o.write_expectations.empty()) {
    std::map<std::string, std::string> failing;
    for (std::size_t i = 0; i < cases.size(); ++i)
      if (const auto it = expected.find(cases[i].name);
          !reasons[i].empty() || (it != expected.end() && may_pass(it->second)))
        failing[cases[i].name] = it != expected.end() ? it->second : reasons[i];
    write_expectations(o.write_expectations, failing);
  }
  std::size_t passed = 0, failed = 0, expected_failures = 0;
  auto failures = Json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto it = expected.find(cases[i].name);
    std::string reason = reasons[i];
    if (reason.empty() && it == expected.end()) {
      ++passed;
      if (o.passed && !o.json) print("pass {}\n", cases[i].name);
      continue;
    }
    if (it != expected.end() && (!reason.empty() || may_pass(it->second))) {
      ++expected_failures;
      continue;
    }
    ++failed;
    if (reason.empty())
      reason = "passes now, but is expected to fail (" + it->second + "): remove its line from the expectations";
    if (o.json) failures.push_back({{"name", cases[i].name}, {"reason", reason}});
    else print("FAIL {}: {}\n", cases[i].name, reason);
  }
  if (o.json) {
    const Json report = {{"passed", passed},
                         {"failed", failed},
                         {"expected_failures", expected_failures},
                         {"total", cases.size()},
                         {"failures", failures}};
    print_json(report);
  } else {
    print("{} passed, {} failed, {} expected failures, {} in all, in {}\n", passed, failed, expected_failures,
          cases.size(), time_text(watch.ms()));
  }
  return failed == 0 ? kExitOk : kExitMismatch;
}

}  // namespace

void add_conformance(Commands& commands) {
  const auto o = std::make_shared<ConformanceArgs>();
  CommandOptions app = commands.add(
      "conformance", "Runs folders of ONNX backend tests.",
      "  monza conformance onnx/backend/test/data/node         folders with model.onnx and data, and light models\n"
      "  monza conformance node --filter '^test_conv'          only some\n"
      "  monza conformance node --expectations known.txt       known failures, one 'name: reason' a line\n"
      "  monza conformance node --device reference --json      the plain kernels, for a program to read\n"
      "A folder holds model.onnx and test_data_set_N/input_K.pb and output_K.pb. A test passes when floats are within\n"
      "rtol 1e-3 and atol 1e-7 (bfloat16: rtol 2^-6), and all else is equal. Exit 1 when a test fails that is not\n"
      "expected to, or passes that is expected to fail.",
      [o] { return run(*o); });
  app.add_option("DIR", o->folder, "searched for tests, with all folders below it").type_name("FOLDER");
  app.add_option("--filter", o->filter, "only tests whose name this regular expression finds").type_name("REGEX");
  app.add_option("--expectations", o->expectations, "file of tests that fail, with the reason").type_name("FILE");
  app.add_option("--write-expectations", o->write_expectations,
                 "write such a file from this run; known reasons are kept")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--device", o->device, "cpu (default), cuda or reference")
      .one_of({"cpu", "cuda", "reference"})
      .type_name("D");
  app.add_option("--isa", o->isa, "use a lower instruction set").type_name("ISA");
  app.add_option("--threads", o->threads, "of each run (default 1)").range(1, 4096).type_name("N");
  app.add_option("--jobs", o->jobs, "processes at work (default: all CPUs of this process)")
      .range(1, 4096)
      .type_name("N");
  app.add_option("--test-seconds", o->seconds, "give up on a test after this long (default 60)")
      .positive()
      .type_name("S");
  app.add_flag("--no-optimize", o->no_optimize, "no fusions, no layouts, reference kernels");
  app.add_flag("--tune", o->tune, "time candidate kernels; the default here is to take the first that fits");
  app.add_flag("--passed", o->passed, "list the tests that pass too");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
