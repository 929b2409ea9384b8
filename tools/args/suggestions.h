// What a word of a command line that Monza does not know may have been meant for.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace monza::tool {

/// A hint for `word`, which is no command: the nearest ones, or where they are listed.
std::string suggest_command(const CLI::App& root, const std::string& word);

/// The first of `words` that looks like an option, which `command` has not, as "--x" without its value; "" for none.
std::string unknown_option(const std::vector<std::string>& words);
/// A hint for that option: what stands for the option of another tool (trtexec, Polygraphy, benchmark_app, yolo), the
/// nearest options of the command, or where they are listed.
std::string suggest_option(const CLI::App& command, const std::string& option);

}  // namespace monza::tool
