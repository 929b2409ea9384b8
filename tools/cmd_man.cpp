// monza man: the manual page, made from the options themselves.
#include <fmt/core.h>

#include "tools/command.h"
#include "tools/command_tree.h"

namespace monza::tool {

void add_man(Commands& commands) {
  commands.add("man", "Prints the manual page of all commands.",
               "  monza man | man -l -\n"
               "  monza man > ~/.local/share/man/man1/monza.1",
               [&commands] {
                 const CLI::App& root = commands.root();
                 fmt::print("{}", man_page(command_tree(root), root.get_description(), root.get_footer()));
                 return int(kExitOk);
               });
}

}  // namespace monza::tool
