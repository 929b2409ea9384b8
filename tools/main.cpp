// The monza tool: parses the command line, runs one command, reports what stopped it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "commands.h"  // generated: add_all()
#include "monza/error.h"
#include "tools/command.h"
#include "tools/version.h"

namespace {

int report(const char* text, monza::tool::ExitCode code) {
  std::fflush(stdout);
  std::fprintf(stderr, "monza: error: %s\n", text);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace monza::tool;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error that the write reports
  CLI::App root("Compiles ONNX models for this machine and runs them.", "monza");
  root.require_subcommand(1);
  root.set_version_flag("--version", version_text());
  root.footer(
      "Start here:\n"
      "  monza doctor                                    what this machine offers\n"
      "  monza build yolov8n.onnx --output yolov8n.engine\n"
      "  monza bench yolov8n.engine --duration 5\n"
      "  monza run yolov8n.engine --random --output out.npz\n"
      "'monza COMMAND --help' shows the options of a command, with examples.\n"
      "Exit codes: 0 done, 1 a comparison failed, 2 wrong usage, 3 the model or a file is refused, 4 a run failed.");
  Commands commands(root);
  add_all(commands);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return root.exit(e);  // --help, --version
    const auto chosen = root.get_subcommands();
    if (chosen.empty() && argc > 1 && argv[1][0] != '-')
      std::fprintf(stderr, "monza: error: there is no command '%s'\n", argv[1]);
    else std::fprintf(stderr, "monza: error: %s\n", e.what());
    std::fprintf(stderr, "  try: monza %s--help\n", chosen.empty() ? "" : (chosen.front()->get_name() + " ").c_str());
    return kExitUsage;
  }
  try {
    return commands.chosen()();
  } catch (const UsageError& e) {
    return report(e.what(), kExitUsage);
  } catch (const RunError& e) {
    return report(e.what(), kExitRuntime);
  } catch (const monza::Error& e) {
    return report(e.what(), kExitRefused);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kExitRuntime);
  } catch (const std::exception& e) {
    return report(e.what(), kExitRuntime);
  }
}
