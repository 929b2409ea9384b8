#include "tools/args/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fmt/core.h>

#include <cstdint>

#include "monza/load_plugin.h"
#include "tools/args/command.h"
#include "tools/args/help.h"
#include "tools/args/named_files.h"

namespace monza::tool {

Option& Option::required() { return option_->required(), *this; }
Option& Option::type_name(const std::string& name) { return option_->type_name(name), *this; }
Option& Option::group(const std::string& heading) { return option_->group(heading), *this; }
Option& Option::allow_extra_args(bool several) { return option_->allow_extra_args(several), *this; }
Option& Option::delimiter(char between) { return option_->delimiter(between), *this; }
Option& Option::needs(const Option& other) { return option_->needs(other.option_), *this; }
Option& Option::capture_default_str() { return option_->capture_default_str(), *this; }
Option& Option::one_of(std::vector<std::string> choices) {
  return option_->check(CLI::IsMember(std::move(choices))), *this;
}
Option& Option::range(int low, int high) { return option_->check(CLI::Range(low, high)), *this; }
Option& Option::range(double low, double high) { return option_->check(CLI::Range(low, high)), *this; }
Option& Option::file(FileRole role) {
  files_.push_back({option_, role});
  return *this;
}
// CLI11's own checks of these say that a value is not between 0 and a number of 309 digits, and take NaN.
Option& Option::positive() {
  option_->check([](const std::string& text) {
    double value = 0;
    return CLI::detail::lexical_cast(text, value) && value > 0 ? "" : fmt::format("{} is no number above 0", text);
  });
  return *this;
}
Option& Option::non_negative() {
  option_->check([](const std::string& text) {
    double value = 0;
    return CLI::detail::lexical_cast(text, value) && value >= 0 ? "" : fmt::format("{} is no number from 0 on", text);
  });
  return *this;
}

template <typename T>
Option CommandOptions::add_option(const std::string& name, T& value, const std::string& help) {
  return {app_.add_option(name, value, help), files_};
}
Option CommandOptions::add_flag(const std::string& name, bool& value, const std::string& help) {
  return {app_.add_flag(name, value, help), files_};
}
void CommandOptions::add_help_of_limits() { add_limits_help(app_); }
Option CommandOptions::add_flag_callback(const std::string& name, std::function<void()> given,
                                         const std::string& help) {
  return {app_.add_flag_callback(name, std::move(given), help), files_};
}

#define MONZA_OPTION_TYPE(...) \
  template Option CommandOptions::add_option(const std::string&, __VA_ARGS__&, const std::string&);
MONZA_OPTION_TYPE(std::string)
MONZA_OPTION_TYPE(std::vector<std::string>)
MONZA_OPTION_TYPE(int)
MONZA_OPTION_TYPE(std::int64_t)
MONZA_OPTION_TYPE(std::uint64_t)
MONZA_OPTION_TYPE(float)
MONZA_OPTION_TYPE(std::vector<float>)
MONZA_OPTION_TYPE(double)
#undef MONZA_OPTION_TYPE

CommandOptions Commands::add(const std::string& name, const std::string& purpose, const std::string& examples,
                             std::function<int()> run) {
  CLI::App* command = root_.add_subcommand(name, purpose);
  command->footer("Examples:\n" + examples);
  command->callback([this, run = std::move(run)] { chosen_ = run; });
  return {*command, files_};
}

void Commands::check_files() const {
  std::vector<NamedFile> files;
  for (const FileOption& f : files_)
    for (const std::string& value : f.option->results()) files.push_back({f.option->get_name(), value, f.role});
  refuse_overwriting(files);
}

void Commands::load_plugins() const {
  for (const FileOption& f : files_)
    if (f.role == FileRole::loads)
      for (const std::string& path : f.option->results()) (void)load_plugin(path);
}

}  // namespace monza::tool
