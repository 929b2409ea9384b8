// What `monza detect` and `monza classify` share: the model that takes pictures, and the cache of its engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "tools/args/model_args.h"
#include "vision/preprocess.h"

namespace monza::tool {

/// Milliseconds since it was made or last asked: for the stages of a frame.
class LapTimer {
 public:
  double lap_ms() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// $XDG_CACHE_HOME/monza, or ~/.cache/monza. Not created. Throws Error when neither variable is set.
std::filesystem::path user_cache_folder();

/// The model that scripts/demo fetches, in the user's cache folder. Throws Error that says how to get it when absent.
std::filesystem::path default_detector();

/// The one input of a network that takes a picture: [1, 3, height, width] or [1, height, width, 3], float or 8-bit.
struct PictureInput {
  std::string name;
  DType dtype = DType::invalid;
  std::vector<std::int64_t> shape;
  int width = 0, height = 0;
  vision::PixelLayout layout = vision::PixelLayout::nchw;
};

/// Closes what a picture's extents leave open (-1): one picture, three channels, `side` for height and width.
void close_extents(std::vector<std::int64_t>& shape, int side);

/// `size` is what --size asks for, 0 for nothing. Throws UsageError when the engine takes pictures of another size: the
/// model fixes it.
void check_size(const Engine& engine, int size);

/// Throws Error that shows the inputs when the network takes something else.
PictureInput picture_input(const Engine& engine);

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

/// The class names: from `label_file` if given, else from the model's metadata, else none.
std::vector<std::string> class_names(const Engine& engine, const std::string& label_file);

/// Runs the context and throws RunError with its words when that fails.
void run_or_throw(Context& context);

/// From now on the first interrupt (Ctrl-C) only sets a flag, so that a video can be finished; the second one ends the
/// process. The flag belongs to the process, as the signal does.
void catch_interrupt();
bool interrupted() noexcept;

}  // namespace monza::tool
