// The commands and their options as data: what shell completion and the man page are made from.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace monza::tool {

struct OptionInfo {
  std::vector<std::string> names;  ///< "--output", "-o"; empty for a positional argument
  std::string positional;          ///< "MODEL"
  std::string value;               ///< "FILE", "N"; "" for a flag
  std::string description;
  std::string group;                 ///< "Options", "Shapes"
  std::vector<std::string> choices;  ///< the only values it takes, if so
  bool takes_file() const { return value.find("FILE") != std::string::npos; }
};

struct CommandInfo {
  std::string name, purpose, footer;
  std::vector<OptionInfo> options;
};

/// All visible commands of the tool with their visible options, in the order of --help.
std::vector<CommandInfo> command_tree(const CLI::App& root);

std::string bash_completion(const std::vector<CommandInfo>& commands);
std::string zsh_completion(const std::vector<CommandInfo>& commands);
/// troff for man(1).
std::string man_page(const CLI::App& root);

}  // namespace monza::tool
