#include "tools/args/help.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr std::size_t kColumn = 30;  ///< where descriptions begin

/// Longer lines than these are hard to read in the widest terminal.
std::size_t help_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::clamp<std::size_t>(size.ws_col, 60, 110);
  return 100;
}

class HelpFormat : public CLI::Formatter {
 public:
  bool shows_limits = false;

  std::string make_group(std::string group, bool positional, std::vector<const CLI::Option*> options) const override {
    if (group != kLimitsGroup) return CLI::Formatter::make_group(std::move(group), positional, std::move(options));
    if (shows_limits) {
      std::string text = "\nLimits on what a model may ask for:\n";
      for (const CLI::Option* o : options) text += make_option(o, positional);
      return text;
    }
    return fmt::format("\nLimits: {} of what a model may ask for (--help-limits shows them)\n",
                       count_text(static_cast<std::int64_t>(options.size()), "option"));
  }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string head = "  " + make_option_name(option, positional);
    if (option->get_type_size() != 0) {
      // Behind the colon stands what is checked, which descriptions say in words.
      const std::string type = option->get_type_name();
      head += " " + type.substr(0, type.find(':'));
      if (!option->get_default_str().empty()) head += "=" + option->get_default_str();
    }
    std::string description = make_option_desc(option);
    for (const CLI::Option* other : option->get_needs()) description += " (needs " + other->get_name() + ")";
    if (head.size() + 2 > kColumn) head += "\n" + std::string(kColumn, ' ');
    else head.resize(kColumn, ' ');
    return head + wrapped(description, help_width(), kColumn, kColumn) + "\n";
  }

  /// Command lines, which begin with two spaces, stay as they are; what is said around them fits the terminal.
  std::string make_footer(const CLI::App* app) const override {
    std::string text, prose;
    const std::string footer = app->get_footer();
    const auto close = [&] {
      if (!prose.empty()) text += wrapped(prose, help_width(), 0) + "\n";
      prose.clear();
    };
    for (std::size_t at = 0; at < footer.size();) {
      const std::size_t end = std::min(footer.find('\n', at), footer.size());
      const std::string line = footer.substr(at, end - at);
      at = end + 1;
      if (line.starts_with("  ") || line.ends_with(':')) close(), text += line + "\n";
      else prose += (prose.empty() ? "" : " ") + line;
    }
    close();
    return text;
  }
};

}  // namespace

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent, std::size_t first_column) {
  std::string out;
  std::size_t column = first_column;
  const auto new_line = [&] {
    out += "\n" + std::string(indent, ' ');
    column = indent;
  };
  bool fresh = true;  // no word stands in this line
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\n') {
      new_line();
      fresh = true;
      ++at;
      continue;
    }
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (!fresh && column + 1 + word.size() > width) {
      new_line();
      fresh = true;
    }
    if (!fresh) out += ' ', ++column;
    out += word;
    column += word.size();
    fresh = false;
    at = end;
  }
  return out;
}

void set_help_format(CLI::App& root) { root.formatter(std::make_shared<HelpFormat>()); }

void add_limits_help(CLI::App& command) {
  command.add_flag_callback(
      "--help-limits",
      [&command] {
        const auto format = std::dynamic_pointer_cast<HelpFormat>(command.get_formatter());
        if (format != nullptr) format->shows_limits = true;
        throw CLI::CallForHelp();
      },
      "the limits on what a model may ask for, and exit");
}

}  // namespace monza::tool
