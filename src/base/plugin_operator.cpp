#include "base/plugin_operator.h"

#include <algorithm>

#include "base/error.h"

namespace monza {

std::string plugin_operator_name(std::string_view domain, std::string_view name, int version) {
  return fmt::format("{}.{}.v{}", domain, name, version);
}

std::optional<PluginOperatorName> parse_plugin_operator(std::string_view name) {
  const std::size_t at = name.rfind(".v");
  if (at == name.npos) return std::nullopt;
  const PluginOperatorName parts{name.substr(0, at), name.substr(at + 2)};
  const bool number = !parts.version.empty() && std::all_of(parts.version.begin(), parts.version.end(),
                                                            [](char c) { return c >= '0' && c <= '9'; });
  return number && parts.qualified.find('.') != name.npos ? std::optional(parts) : std::nullopt;
}

void fail_missing_operators(const std::vector<std::string>& missing, const std::vector<std::string>& loaded) {
  std::string list;
  for (const std::string& name : missing) {
    const PluginOperatorName wanted = parse_plugin_operator(name).value();
    list += message("\n  {}, version {}", wanted.qualified, wanted.version);
    for (const std::string& other : loaded)
      if (const auto found = parse_plugin_operator(other); found && found->qualified == wanted.qualified)
        list += message(" (version {} is loaded)", found->version);
  }
  fail_hint("load the plugin that has it: --plugin FILE, monza::load_plugin(FILE) or monza_plugin_load(FILE)",
            "it needs {} of a plugin that is not loaded:{}",
            missing.size() == 1 ? "an operator" : fmt::format("{} operators", missing.size()), Lines{list});
}

}  // namespace monza
