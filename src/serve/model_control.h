// Loading and unloading models while the server runs, as protocols ask for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace monza::serve {

/// Thread-safe.
class ModelControl {
 public:
  virtual ~ModelControl() = default;
  /// 200, or the status and words of a refusal. Called once: on any thread, from within load() or unload(), too.
  using Done = std::function<void(int status, const std::string& words)>;
  virtual void load(std::string name, Done done) = 0;
  virtual void unload(std::string name, Done done) = 0;

  struct IndexEntry {
    std::string name, version, state, reason;
  };
  /// Every version that is served or could not be.
  virtual std::vector<IndexEntry> index() = 0;
};

}  // namespace monza::serve
