// The monza tool: parses the command line, runs one command, reports what stopped it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>

#include "base/printable.h"
#include "commands.h"  // generated: add_all()
#include "monza/error.h"
#include "tools/args/command.h"
#include "tools/args/help.h"
#include "tools/args/suggestions.h"
#include "tools/text/terminal.h"
#include "tools/text/version.h"

namespace {

using namespace monza::tool;

/// The last net, for what no message made printable itself. Lines of ours stand two spaces in: no other begins one.
int report(std::string_view text, ExitCode code) {
  std::string shown = monza::printable_lines(text);
  for (std::size_t at = 0; (at = shown.find('\n', at)) != std::string::npos; ++at)
    if (shown.compare(at + 1, 2, "  ") != 0) shown.replace(at, 1, "\\n");
  std::fflush(stdout);
  fmt::print(stderr, "monza: error: {}\n", shown);
  return code;
}
int report(const monza::Error& e, ExitCode code) {
  // Not what(), which a zero byte would cut short.
  return report(
      (e.where().empty() ? "" : e.where() + ": ") + e.fact() + (e.hint().empty() ? "" : "\n  try: " + e.hint()), code);
}

/// Where the caller closed a standard stream, no file that is opened later may take its number: messages would be
/// written into it. What is opened here in its place cannot be used, so that output is refused and not lost.
void reserve_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int run(int argc, char** argv) {
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
  set_help_format(root);
  Commands commands(root);
  add_all(commands);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      std::ostringstream text;
      root.exit(e, text, text);
      try {
        write_output(text.str());
      } catch (const monza::Error& failure) {
        return report(failure, kExitRefused);
      }
      return kExitOk;
    }
    const auto chosen = root.get_subcommands();
    if (chosen.empty() && argc > 1 && argv[1][0] != '-')
      return report(monza::message("there is no command '{}'", argv[1]) + "\n  try: " + suggest_command(root, argv[1]),
                    kExitUsage);
    const std::string command = chosen.empty() ? "" : chosen.front()->get_name() + " ";
    // What is left over stands behind an option that there is not: that one is named, not its value.
    const std::string option = chosen.empty() ? "" : unknown_option(root.remaining(true));
    if (!option.empty() && dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr)
      return report(monza::message("monza {} has no option {}", chosen.front()->get_name(), option) +
                        "\n  try: " + suggest_option(*chosen.front(), option),
                    kExitUsage);
    return report(std::string(e.what()) + "\n  try: monza " + command + "--help", kExitUsage);
  }
  try {
    commands.load_plugins();
    commands.check_files();
    return commands.chosen()();
  } catch (const UsageError& e) {
    return report(e.what(), kExitUsage);
  } catch (const monza::eval::SettingsError& e) {
    return report(e, kExitUsage);
  } catch (const RunError& e) {
    return report(e.what(), kExitRuntime);
  } catch (const monza::Error& e) {
    return report(e, kExitRefused);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kExitRuntime);
  } catch (const std::exception& e) {
    return report(e.what(), kExitRuntime);
  }
}

}  // namespace

int main(int argc, char** argv) {
  reserve_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error that the write reports
  const int code = run(argc, argv);
  if (code != kExitOk && code != kExitMismatch) return code;
  try {
    flush_output();  // what was lost on the way out is no success
  } catch (const monza::Error& e) {
    return report(e, kExitRefused);
  }
  return code;
}
