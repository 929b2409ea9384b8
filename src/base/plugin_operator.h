// Names of plugins' operators in graphs and engines, and what is said when one is needed that is not loaded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monza {

/// "org.example.Positive.v1": the ONNX domain and type, and the version of the operator. Monza's own operators have no
/// dot in their names.
std::string plugin_operator_name(std::string_view domain, std::string_view name, int version);

/// The parts of such a name; nullopt for any other.
struct PluginOperatorName {
  std::string_view qualified;  ///< "org.example.Positive"
  std::string_view version;    ///< "1"
};
std::optional<PluginOperatorName> parse_plugin_operator(std::string_view name);

/// Throws Error: plugins with these operators have to be loaded. `loaded` are the names of those that are.
[[noreturn]] void fail_missing_operators(const std::vector<std::string>& missing,
                                         const std::vector<std::string>& loaded);

}  // namespace monza
