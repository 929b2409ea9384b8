// monza man: the manual page, made from the options themselves.
#include "tools/args/command.h"
#include "tools/args/command_tree.h"
#include "tools/text/terminal.h"

namespace monza::tool {

void add_man(Commands& commands) {
  commands.add("man", "Prints the manual page of all commands.",
               "  monza man | man -l -\n"
               "  monza man > ~/.local/share/man/man1/monza.1",
               [&commands] {
                 write_output(man_page(commands.root()));
                 return static_cast<int>(kExitOk);
               });
}

}  // namespace monza::tool
