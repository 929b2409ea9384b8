#include "tools/vision/model.h"

#include <fmt/core.h>

#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "base/hash.h"
#include "import/onnx/onnx_import.h"
#include "tools/args/shape_text.h"
#include "tools/args/usage_error.h"
#include "tools/text/terminal.h"
#include "tools/text/version.h"

namespace monza::tool {
namespace fs = std::filesystem;
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

void on_interrupt(int signal) {
  interrupt_seen = 1;
  std::signal(signal, SIG_DFL);
}

/// Gives every dimension that the model and the command line leave open one extent, and says so.
void close_shapes(const ModelArgs& args, int side, BuildOptions& options) {
  const std::vector<ModelInput> inputs = args.declared_inputs();
  for (const ModelInput& input : inputs) {
    if (!input.has_shape || input.shape.size() != 4) continue;
    const auto given = options.shapes.find(input.name);
    const ShapeProfile before =
        given != options.shapes.end() ? given->second : ShapeProfile{input.shape, input.shape, input.shape};
    ShapeProfile profile = before;
    for (auto* shape : {&profile.min, &profile.opt, &profile.max})
      if (shape->size() == 4) eval::close_extents(*shape, side);
    if (profile.min == before.min && profile.opt == before.opt && profile.max == before.max) continue;
    note(message("input {} is open in the model and taken as {}", input.name, extents_text(profile.opt)));
    options.shapes[input.name] = profile;
  }
}

/// Changes with the content of a file: when either was written, or another took its name.
std::string file_stamp(const fs::path& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return "none";
  const auto ns = [](const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; };
  return fmt::format("{}@{}/{}#{}", st.st_size, ns(st.st_mtim), ns(st.st_ctim), st.st_ino);
}

/// All that was said of the engine.
std::string cache_key(const ModelArgs& args, const std::map<std::string, std::string>& metadata, int side) {
  return fmt::format("{}|{}|{}", fs::canonical(args.model).string(), side, args.cache_key(metadata));
}

/// What a cached engine was made of: what was said, the tool, whose kernels were chosen by their time, and the model as
/// it was, with its weights in other files, whose names are kept too: a start from the cache does not read the model.
constexpr const char *kStamp = "monza.cache.stamp", *kData = "monza.cache.data";
std::string cache_stamp(const ModelArgs& args, const std::string& key, const std::string& data) {
  std::string stamp = fmt::format("{} {} {:016x} {}", version_text(), file_stamp("/proc/self/exe"), hash64(key, 1),
                                  file_stamp(args.model));
  std::istringstream names(data);
  for (std::string name; std::getline(names, name);)
    stamp += " " + file_stamp(fs::path(args.model).parent_path() / name);
  return stamp;
}

/// The names of the files with the model's weights, a line each.
std::string data_names(const ModelArgs& args) {
  std::string names;
  for (const std::string& name : onnx_data_files(args.model, args.limits())) names += name + "\n";
  return names;
}

}  // namespace

bool has_cache_folder() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  return (cache != nullptr && *cache == '/') || (home != nullptr && *home != 0);
}

fs::path user_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') return fs::path(cache) / "monza";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "monza";
  fail_hint("set HOME or XDG_CACHE_HOME, or name an engine file with --model",
            "there is no cache folder: neither HOME nor XDG_CACHE_HOME is set");
}

fs::path default_detector() {
  const fs::path path = user_cache_folder() / "yolov8n.onnx";
  if (!fs::exists(path))
    fail_hint("run scripts/demo once, which fetches it, or name a model: --model FILE",
              "no model was named and {} does not exist", path.string());
  return path;
}

OpenedModel open_picture_model(const ModelArgs& args, const std::map<std::string, std::string>& metadata, int side,
                               bool use_cache) {
  std::error_code ignored;
  if (!fs::is_regular_file(args.model, ignored))
    fail_hint("--model FILE with an ONNX or engine file", "there is no model file '{}'", args.model);
  if (args.is_engine()) {
    auto opened = args.open();
    return {std::move(opened.engine), 0, opened.load_ms, args.model};
  }
  if (use_cache && !has_cache_folder()) {
    note("neither HOME nor XDG_CACHE_HOME is set: the engine is built for this run alone");
    use_cache = false;
  }
  fs::path engine_file;
  std::string key, data;
  if (use_cache) {
    key = cache_key(args, metadata, side);
    // A newer model or tool takes the place of the older.
    engine_file =
        user_cache_folder() / fmt::format("{}-{:016x}.engine", fs::canonical(args.model).stem().string(), hash64(key));
    if (fs::exists(engine_file)) {
      try {
        eval::LapTimer watch;
        Engine engine = Engine::load(engine_file.string(), args.load_options());
        const double load_ms = watch.lap_ms();
        const auto found = engine.metadata();
        const auto stamp = found.find(kStamp), names = found.find(kData);
        if (stamp != found.end() && names != found.end() && stamp->second == cache_stamp(args, key, names->second))
          return {std::move(engine), 0, load_ms, engine_file};
      } catch (const Error& e) {
        note(message("the cached engine is built again: {}", e.fact()));
      }
    }
  }
  std::string stamp;
  if (use_cache) {
    // Before anything is read: what changes while the engine is built makes it stale.
    data = data_names(args);
    stamp = cache_stamp(args, key, data);
  }
  auto opened = args.open([&](BuildOptions& options) {
    close_shapes(args, side, options);
    for (const auto& [name, value] : metadata) options.metadata[name] = value;
    if (use_cache) {
      options.metadata[kStamp] = stamp;
      options.metadata[kData] = data;
    }
  });
  if (use_cache) {
    try {
      fs::create_directories(engine_file.parent_path(), ignored);
      opened.engine.save(engine_file.string());
    } catch (const Error& e) {
      note(message("the engine is not cached: {}", e.what()));
      engine_file.clear();
    }
  }
  return {std::move(opened.engine), opened.build_ms, 0, engine_file};
}

void catch_interrupt() { std::signal(SIGINT, on_interrupt); }
bool interrupted() noexcept { return interrupt_seen != 0; }

}  // namespace monza::tool
