// How --help looks: lines no longer than the terminal, and the long list of limits only where it is asked for.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace monza::tool {

/// The heading of the options that --help names in one line and --help-limits shows.
inline constexpr const char* kLimitsGroup = "Limits";

/// Gives the tool and the commands added later their form of --help.
void set_help_format(CLI::App& root);
/// Adds --help-limits to a command that has limits.
void add_limits_help(CLI::App& command);

/// Words of `text` in lines of at most `width` characters (a longer word stands alone), all but the first of them
/// behind `indent` spaces, which count. Line ends in the text stay.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent, std::size_t first_column = 0);

}  // namespace monza::tool
