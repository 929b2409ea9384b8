// What an Engine is inside: an image and its runnable program. Shared by load (here) and build (src/engine).
#pragma once

#include <memory>
#include <vector>

#include "engine/file/image.h"
#include "monza/engine.h"
#include "runtime/program.h"

namespace monza {

struct Engine::Impl {
  struct Profile {
    std::shared_ptr<const runtime::Program> program;
    double elements = 0;  ///< of the inputs at their largest: the smaller profile is taken first
  };
  engine_file::Image image;
  std::vector<Profile> profiles;
  std::vector<ProfileInfo> profile_infos;
  std::vector<std::size_t> by_size;  ///< profiles, smallest first
  std::vector<TensorInfo> inputs, outputs;
  Stats stats;
};

/// An engine from an image that was built or read. Times and names of the build come in `stats`; the rest of it
/// is filled here. Throws Error when a kernel is missing.
Engine make_engine(engine_file::Image image, Engine::Stats stats);

/// What the step's kernel computes in; null for steps that compute nothing: moves of elements, copies, branches, waits.
const Arithmetic* arithmetic_of(const plan::Plan& plan, const plan::Step& step);

}  // namespace monza
