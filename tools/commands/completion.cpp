// monza completion: a script that lets a shell complete commands and options.
#include <memory>

#include "tools/args/command.h"
#include "tools/args/command_tree.h"
#include "tools/text/terminal.h"

namespace monza::tool {

void add_completion(Commands& commands) {
  const auto shell = std::make_shared<std::string>();
  CommandOptions app = commands.add("completion", "Prints a completion script for a shell.",
                                    "  source <(monza completion bash)                        for this shell\n"
                                    "  monza completion bash > ~/.local/share/bash-completion/completions/monza\n"
                                    "  monza completion zsh > ~/.zsh/completions/_monza       a folder of $fpath",
                                    [shell, &commands] {
                                      const auto tree = command_tree(commands.root());
                                      write_output(*shell == "bash" ? bash_completion(tree) : zsh_completion(tree));
                                      return static_cast<int>(kExitOk);
                                    });
  app.add_option("SHELL", *shell, "bash or zsh").required().one_of({"bash", "zsh"}).type_name("SHELL");
}

}  // namespace monza::tool
