// How a command joins the tool: tools/commands/<name>.cpp defines add_<name>(), which CMake finds by the file's name.
#pragma once

#include <functional>
#include <string>

#include "tools/args/options.h"
#include "tools/args/usage_error.h"

namespace monza::tool {

/// What the process ends with. Scripts depend on these numbers.
enum ExitCode : int {
  kExitOk = 0,
  kExitMismatch = 1,  ///< a comparison or a conformance test failed
  kExitUsage = 2,     ///< the command line is wrong
  kExitRefused = 3,   ///< the model or a file is refused (monza::Error)
  kExitRuntime = 4,   ///< a run failed
};

/// The commands of one invocation.
class Commands {
 public:
  explicit Commands(CLI::App& root) : root_(root) {}

  /// Adds `monza NAME`. `examples` follow the options in --help: whole command lines with a comment each.
  /// After parsing, `run` of the chosen command is called, and its result is the exit code; it may throw
  /// UsageError, RunError and monza::Error, which main() reports.
  CommandOptions add(const std::string& name, const std::string& purpose, const std::string& examples,
                     std::function<int()> run);
  const std::function<int()>& chosen() const { return chosen_; }
  /// Throws Error when an option names a file to write that another one names to read (refuse_overwriting).
  void check_files() const;
  /// Loads the plugins that the command line names, in its order. Throws Error.
  void load_plugins() const;
  const CLI::App& root() const { return root_; }

 private:
  CLI::App& root_;
  std::vector<FileOption> files_;
  std::function<int()> chosen_;
};

}  // namespace monza::tool
