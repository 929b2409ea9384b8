// Pictures as inputs of a network, prepared as its detector or classifier prepares them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "eval/classifier.h"
#include "eval/sample_source.h"
#include "monza/engine.h"

namespace monza::eval {

/// What is known of a network that takes pictures, beside its engine.
struct PictureSettings {
  ClassifySettings classify;
  std::string labels, head;  ///< of a detector, as Detector takes them
};

/// The pictures of a folder, video or file; at most `most`, 0 for all. `engine` is the float model: what its outputs
/// look like tells a detector from a classifier. `warn` is told of pictures that cannot be read, which are left out.
/// Throws Error when the model takes no picture, or is neither.
std::unique_ptr<SampleSource> open_picture_source(const std::string& source, std::int64_t most, const Engine& engine,
                                                  const PictureSettings& settings, WarnFn warn = {});

}  // namespace monza::eval
