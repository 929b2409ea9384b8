#include "tools/args/command_tree.h"

#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/text/version.h"

namespace monza::tool {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : std::string(between)) + w;
  return text;
}

/// In single quotes of a shell.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

OptionInfo describe(const CLI::Option& option) {
  OptionInfo info;
  for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
  if (info.names.empty()) info.positional = option.get_name(true);
  info.description = option.get_description();
  info.group = option.get_group();
  if (option.get_type_size() == 0) return info;
  // The type's name, then what its checks say: "P:{fp32,bf16}".
  const std::string type = option.get_type_name();
  info.value = type.substr(0, type.find(':'));
  const std::size_t open = type.find('{'), close = type.find('}');
  if (open != std::string::npos && close != std::string::npos && open < close)
    for (std::size_t at = open + 1; at < close;) {
      const std::size_t end = std::min(type.find(',', at), close);
      info.choices.push_back(type.substr(at, end - at));
      at = end + 1;
    }
  return info;
}

}  // namespace

std::vector<CommandInfo> command_tree(const CLI::App& root) {
  std::vector<CommandInfo> commands;
  for (const CLI::App* app : root.get_subcommands([](const CLI::App*) { return true; })) {
    if (app->get_group().empty()) continue;
    CommandInfo command{app->get_name(), app->get_description(), app->get_footer(), {}};
    for (const CLI::Option* option : app->get_options())
      if (!option->get_group().empty()) command.options.push_back(describe(*option));
    commands.push_back(std::move(command));
  }
  return commands;
}

std::string bash_completion(const std::vector<CommandInfo>& commands) {
  std::string names;
  for (const CommandInfo& c : commands) names += c.name + " ";
  std::string text = fmt::format(
      R"(# bash completion for monza, made by `monza completion bash`.
_monza() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${{COMP_WORDS[i]}} in
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $command in
    '') COMPREPLY=($(compgen -W '{}--help --version' -- "$cur")); return ;;
)",
      names);
  for (const CommandInfo& c : commands) {
    text += fmt::format("    {})\n      case $prev in\n", c.name);
    std::vector<std::string> all, plain, files;
    std::string fixed;  // the words of a positional argument
    for (const OptionInfo& o : c.options) {
      if (o.names.empty()) {
        fixed += joined(o.choices, " ");
        continue;
      }
      all.insert(all.end(), o.names.begin(), o.names.end());
      if (o.value.empty()) continue;
      if (!o.choices.empty())
        text += fmt::format("        {}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n", joined(o.names, "|"),
                            joined(o.choices, " "));
      else
        (o.takes_file() ? files : plain).insert((o.takes_file() ? files : plain).end(), o.names.begin(), o.names.end());
    }
    if (!plain.empty()) text += fmt::format("        {}) return ;;\n", joined(plain, "|"));
    if (!files.empty())
      text += fmt::format(
          "        {}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
          joined(files, "|"));
    text += "      esac\n";
    text += fmt::format("      [[ $cur == -* ]] && {{ COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return; }}\n",
                        joined(all, " "));
    if (!fixed.empty()) text += fmt::format("      COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return\n", fixed);
    text += "      ;;\n";
  }
  return text +
         "  esac\n  compopt -o filenames 2>/dev/null\n  COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -F _monza "
         "monza\n";
}

std::string zsh_completion(const std::vector<CommandInfo>& commands) {
  const auto described = [](std::string text) {
    for (const char* special : {"\\", "[", "]", ":"}) text = replaced(text, special, std::string("\\") + special);
    return replaced(text, "\n", " ");
  };
  std::string text =
      "#compdef monza\n# zsh completion for monza, made by `monza completion zsh`.\n_monza() {\n  local -a commands\n"
      "  commands=(\n";
  for (const CommandInfo& c : commands) text += "    " + quoted(c.name + ":" + replaced(c.purpose, ":", "\\:")) + "\n";
  text += "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n";
  for (const CommandInfo& c : commands) {
    text += fmt::format("    {})\n      shift words; (( CURRENT-- ))\n      _arguments", c.name);
    for (const OptionInfo& o : c.options) {
      const std::string action = !o.choices.empty() ? "(" + joined(o.choices, " ") + ")"
                                 : o.takes_file()   ? "_files"
                                                    : " ";
      const std::string value = o.value.empty() ? "" : ":" + described(o.value) + ":" + action;
      for (const std::string& name : o.names)
        text += " \\\n        " + quoted("*" + name + "[" + described(o.description) + "]" + value);
      if (o.names.empty()) text += " \\\n        " + quoted(":" + described(o.positional) + ":" + action);
    }
    text += "\n      ;;\n";
  }
  return text + "  esac\n}\n_monza \"$@\"\n";
}

std::string man_page(const CLI::App& root) {
  const auto roff = [](const std::string& text) {
    std::string out;
    bool line_begin = true;
    for (const char c : text) {
      if (line_begin && (c == '.' || c == '\'')) out += "\\&";
      line_begin = c == '\n';
      if (c == '\\') out += "\\e";
      else if (c == '-') out += "\\-";
      else if (c == '`') out += "\\(ga";
      else if (c == '^') out += "\\(ha";
      else if (c == '~') out += "\\(ti";
      else out += c;
    }
    return out;
  };
  std::string text = fmt::format(
      ".\\\" Made by `monza man`.\n.TH MONZA 1 \"\" \"{}\" \"User Commands\"\n.SH NAME\nmonza \\- {}\n.SH SYNOPSIS\n"
      ".B monza\n.I COMMAND\n.RI [ OPTION ...]\n.SH DESCRIPTION\n{}\n.SH COMMANDS\n",
      version_text(), roff("compiles ONNX models for this machine and runs them"), roff(root.get_description()));
  for (const CommandInfo& c : command_tree(root)) {
    std::string arguments;
    for (const OptionInfo& o : c.options)
      if (o.names.empty()) arguments += " " + o.positional;
    text += fmt::format(".SS monza {}{}\n{}\n", roff(c.name), roff(arguments), roff(c.purpose));
    for (const OptionInfo& o : c.options) {
      if (o.names.empty()) {
        text += fmt::format(".TP\n.I {}\n{}\n", roff(o.positional), roff(o.description));
        continue;
      }
      text += fmt::format(".TP\n.B {}{}\n{}\n", roff(joined(o.names, ", ")),
                          o.value.empty() ? "" : " \\fI" + roff(o.value) + "\\fR", roff(o.description));
    }
    if (!c.footer.empty()) text += ".PP\n.EX\n" + roff(c.footer) + "\n.EE\n";
  }
  return text + ".SH START\n.EX\n" + roff(root.get_footer()) +
         "\n.EE\n.SH ENVIRONMENT\n.TP\n.B XDG_CACHE_HOME\nengines that detect and classify built are kept in its "
         "folder "
         "monza; without it in ~/.cache/monza\n";
}

}  // namespace monza::tool
