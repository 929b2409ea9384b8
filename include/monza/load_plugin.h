// Plugins: shared libraries with operators of their own (monza/plugin.h is what they are written against).
//
//   monza::load_plugin("libexample.so");
//   monza::Engine engine = monza::Engine::build("model_with_example_nodes.onnx");
#pragma once

#include <string>
#include <vector>

namespace monza {

/// What a loaded plugin brought.
struct PluginInfo {
  std::string file;                    ///< as it was given
  std::string name;                    ///< what it calls itself
  std::vector<std::string> operators;  ///< as graphs and engines name them: "org.example.Positive.v1"
};

/// Loads a plugin: its operators are there for models that are built and engines that are loaded from then on, in the
/// whole process, until it ends. A plugin is trusted: its code runs with the rights of the process, at once. A file
/// that is loaded already is not loaded again. Throws Error when it cannot be loaded, is no plugin or one of another
/// ABI, or brings an operator that is there already; nothing of it is there then. Thread-safe.
PluginInfo load_plugin(const std::string& path);

/// Those that are loaded, in their order.
std::vector<PluginInfo> loaded_plugins();

}  // namespace monza
