// What `monza detect` and `monza classify` share: the model that takes pictures, and the cache of its engine.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "eval/picture_network.h"
#include "eval/run.h"
#include "monza/engine.h"
#include "tools/args/model_args.h"

namespace monza::tool {

/// Whether the environment names a folder for caches.
bool has_cache_folder();
/// $XDG_CACHE_HOME/monza, or ~/.cache/monza. Not created. Throws Error when neither variable is set.
std::filesystem::path user_cache_folder();

/// The model that scripts/demo fetches, in the user's cache folder. Throws Error that says how to get it when absent.
std::filesystem::path default_detector();

struct OpenedModel {
  Engine engine;
  double build_ms = 0;                // 0 when a ready engine was loaded
  double load_ms = 0;                 // of the engine file, when there was one
  std::filesystem::path engine_file;  // where the engine lies; empty when it was neither loaded nor saved
};

/// Opens an engine file, or the engine of an ONNX file from the cache, or builds that engine and saves it there.
/// The cache's file is named after the model and a hash of where it lies and of everything in `args` and `metadata`
/// that changes the engine. One of an older model or tool, or one that does not load, is built again. `side` is taken
/// for the height and width that the model leaves open, 1 for the batch.
OpenedModel open_picture_model(const ModelArgs& args, const std::map<std::string, std::string>& metadata, int side,
                               bool use_cache);

/// From now on the first interrupt (Ctrl-C) only sets a flag, so that a video can be finished; the second one ends the
/// process. The flag belongs to the process, as the signal does.
void catch_interrupt();
bool interrupted() noexcept;

}  // namespace monza::tool
