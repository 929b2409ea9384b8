#include "tools/serve/served_engine.h"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "serve/served_model.h"
#include "tools/text/version.h"

namespace monza::tool {
namespace fs = std::filesystem;
namespace {

/// Rows of the largest batch of an ONNX file whose batch is open, where nothing is said.
constexpr std::int64_t kDefaultBatch = 8;
/// Tokens of a text that plans are made for, where there may be many more.
constexpr std::int64_t kUsualTokens = 64;

/// Of an ONNX file: one plan for single rows and one for 1 to `rows`, where the first dimension counts rows and the
/// command line says nothing else of it. `tokens`, not 0: the second dimension counts at most so many.
void open_batches(const ModelArgs& args, std::int64_t rows, std::int64_t tokens, BuildOptions& options) {
  if (!options.profiles.empty() || rows == 1) return;
  std::map<std::string, ShapeProfile> one = options.shapes, many = options.shapes;
  bool any = false;
  for (const ModelInput& input : args.declared_inputs()) {
    if (!input.has_shape || input.shape.empty() || input.shape[0] >= 0) continue;
    if (rows == 0 && !serve::names_a_batch(input.symbols[0])) return;
    const auto given = options.shapes.find(input.name);
    ShapeProfile base =
        given != options.shapes.end() ? given->second : ShapeProfile{input.shape, input.shape, input.shape};
    if (base.max[0] >= 0) return;
    if (tokens > 0 && base.max.size() == 2 && base.max[1] < 0) {
      base.min[1] = 1;
      base.opt[1] = std::min(tokens, kUsualTokens);
      base.max[1] = tokens;
    }
    one[input.name] = many[input.name] = base;
    one[input.name].min[0] = one[input.name].opt[0] = one[input.name].max[0] = many[input.name].min[0] = 1;
    many[input.name].opt[0] = many[input.name].max[0] = rows > 0 ? rows : kDefaultBatch;
    any = true;
  }
  if (!any) return;
  options.shapes.clear();
  options.profiles = {one, many};
}

std::string file_stamp(const fs::path& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return "none";
  return fmt::format("{}@{}.{}#{}", about.st_size, about.st_mtim.tv_sec, about.st_mtim.tv_nsec, about.st_ino);
}

constexpr const char *kPrefix = ".monza-", *kSuffix = ".engine";

/// Names what is said of the engine, this tool, and every file of the model's folder as it is.
std::string kept_name(const ModelArgs& args, std::int64_t rows) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(args.model).parent_path()))
    if (const std::string name = entry.path().filename().string(); !name.starts_with('.'))
      files.push_back(name + file_stamp(entry.path()));
  std::sort(files.begin(), files.end());
  const std::string key = fmt::format("{}|{}|{}|{}|{}", version_text(), file_stamp("/proc/self/exe"), rows,
                                      args.cache_key({}), fmt::join(files, "|"));
  return fmt::format("{}{:016x}{}", kPrefix, hash64(key), kSuffix);
}

/// Engines that were kept of what is no more.
void remove_others(const fs::path& folder, const std::string& kept) {
  std::error_code failure;
  std::vector<fs::path> old;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure))
    if (const std::string name = entry.path().filename().string();
        name != kept && name.starts_with(kPrefix) && name.ends_with(kSuffix))
      old.push_back(entry.path());
  for (const fs::path& file : old) fs::remove(file, failure);
}

}  // namespace

Engine open_served(const ModelArgs& args, std::int64_t rows, std::int64_t tokens) {
  return args.open([&](BuildOptions& options) { open_batches(args, rows, tokens, options); }).engine;
}

Engine open_beside(const ModelArgs& args, std::int64_t rows) {
  if (args.is_engine()) return open_served(args, rows, 0);
  const fs::path folder = fs::path(args.model).parent_path();
  const std::string name = kept_name(args, rows);
  const fs::path kept = folder / name;
  std::error_code failure;
  if (fs::is_regular_file(kept, failure)) {
    try {
      return Engine::load(kept.string(), args.load_options());
    } catch (const Error& e) {
      log(LogLevel::info, "serve: the engine that was kept of {} is built again: {}", args.model, e.fact());
    }
  }
  Engine engine = open_served(args, rows, 0);
  try {
    engine.save(kept.string());
    remove_others(folder, name);
  } catch (const Error& e) {
    log(LogLevel::info, "serve: the engine of {} is not kept: {}", args.model, e.fact());
  }
  return engine;
}

}  // namespace monza::tool
