// The options of a command. A thin front of CLI11, so that one source file alone compiles that library: it lies in
// headers, and cost every command six seconds of compile time.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace monza::tool {

/// What an option's value is to its command, where it names files: nothing that is read is written over (main() asks
/// refuse_overwriting() before the command runs).
enum class FileRole {
  reads,            ///< a file or folder; "NAME=FILE" too
  reads_model,      ///< a model, with the files that hold its weights
  loads,            ///< a plugin, which is loaded before the command runs
  writes,           ///< a file, which must not be read-only, a folder, ...
  updates,          ///< a cache: the same, but when it cannot be written it is done without
  writes_pictures,  ///< a file, or a folder for files of the names that are read
};
struct FileOption {
  const CLI::Option* option;
  FileRole role;
};

/// An option that was added; its settings chain. A value that breaks a setting is a wrong usage, reported by main().
class Option {
 public:
  Option(CLI::Option* option, std::vector<FileOption>& files) : option_(option), files_(files) {}

  Option& required();
  Option& type_name(const std::string& name);        ///< what --help writes for its value: "N", "FILE"
  Option& group(const std::string& heading);         ///< the heading it stands under in --help; "" hides it
  Option& allow_extra_args(bool several);            ///< false: one value each time it is given
  Option& delimiter(char between);                   ///< between the values of one argument
  Option& needs(const Option& other);                ///< given only together with `other`
  Option& capture_default_str();                     ///< --help shows the value that it has now
  Option& one_of(std::vector<std::string> choices);  ///< no other value is taken
  Option& range(int low, int high);                  ///< both ends included
  Option& range(double low, double high);
  Option& positive();
  Option& non_negative();
  Option& file(FileRole role);

 private:
  CLI::Option* option_;
  std::vector<FileOption>& files_;
};

/// The options of one command, in the order of --help.
class CommandOptions {
 public:
  CommandOptions(CLI::App& app, std::vector<FileOption>& files) : app_(app), files_(files) {}

  /// An option "--name,-n" or a positional argument "NAME" that is parsed into `value`, which must live until then.
  /// T: std::string, int, 64-bit integers, float, double, vectors of strings or floats.
  /// floats.
  template <typename T>
  Option add_option(const std::string& name, T& value, const std::string& help);
  Option add_flag(const std::string& name, bool& value, const std::string& help);
  /// --help-limits, for a command that has options of that group (help.h).
  void add_help_of_limits();
  Option add_flag_callback(const std::string& name, std::function<void()> given, const std::string& help);

 private:
  CLI::App& app_;
  std::vector<FileOption>& files_;
};

}  // namespace monza::tool
