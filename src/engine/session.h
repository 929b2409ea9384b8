// Many builds of one model: what they have in common is made once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/build_report.h"
#include "monza/engine.h"

namespace monza {

/// Owns the imported graph, what the last passes made of it, the packed weights and the timings of a model, so that a
/// second build (another precision of a node, a pass less, other kernels) imports nothing, runs passes only from where
/// others are asked for on, packs and times only what is new, and plans. An engine of a session is that of
/// Engine::build, unless BuildHooks::weights_in_place is asked for. Other shapes, values or element types of inputs,
/// and other limits, are imported again. Not thread-safe; its engines may be used while it builds, and outlive it.
class BuildSession {
 public:
  explicit BuildSession(std::string model_path);
  ~BuildSession();
  BuildSession(const BuildSession&) = delete;
  BuildSession& operator=(const BuildSession&) = delete;

  /// Throws Error as Engine::build does; the session can go on after it.
  Engine build(const BuildOptions& options, const BuildHooks& hooks = {});

  /// What the last build made itself; the rest was there.
  struct Work {
    bool imported = false;
    int passes = 0;                  ///< ran; those before them had run for a recent build
    std::int64_t new_weights = 0;    ///< bytes, packed or not, that no build before had
    std::int64_t timed_kernels = 0;  ///< measured, not looked up
  };
  const Work& last() const;
  const std::string& model_path() const;

 private:
  friend Engine build_engine(const std::string& model_path, const BuildOptions& options, const BuildHooks& hooks);
  BuildSession(std::string model_path, bool keep);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace monza
