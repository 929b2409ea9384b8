#include "checkpoint/folder.h"

#include <map>
#include <set>

#include "base/limits.h"
#include "checkpoint/generation.h"
#include "checkpoint/settings.h"
#include "checkpoint/tensors.h"

namespace monza::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostConfigBytes = 16 << 20, kMostIndexBytes = 64 << 20, kMostFiles = 4096;

using Files = std::map<std::string, std::shared_ptr<const safetensors::File>>;

/// A file of the folder that the index names. It may be a link, as in a cache of downloads: only its own name counts.
const safetensors::File& file_of(const fs::path& folder, const std::string& name, Files& files, const Limits& limits) {
  const auto found = files.find(name);
  if (found != files.end()) return *found->second;
  if (name.find('/') != name.npos || name.find('\0') != name.npos || name.starts_with('.') ||
      !name.ends_with(".safetensors"))
    fail("its index names '{}', which is no safetensors file of the folder", name);
  return *files.emplace(name, safetensors::File::open(folder / name, limits)).first->second;
}

/// All files count against the limit together.
void check_size(const Files& files, const Limits& limits) {
  std::int64_t total = 0;
  for (const auto& [name, file] : files) {
    total += static_cast<std::int64_t>(file->mapped()->bytes().size());
    check_limit(limits, &Limits::weight_bytes, total, "bytes of tensors");
  }
}

void place_all(const fs::path& folder, bool tied, TensorPlacer& placer, const Limits& limits) {
  const auto wanted = [&](std::string_view name) { return !tied || name != "lm_head.weight"; };
  const fs::path index = folder / "model.safetensors.index.json", single = folder / "model.safetensors";
  if (!fs::exists(index)) {
    if (!fs::exists(single))
      fail_hint("safetensors files: other formats are not read", "it holds no model.safetensors and no index of such");
    const auto file = safetensors::File::open(single, limits);
    for (const auto& [name, tensor] : file->tensors())
      if (wanted(name)) placer.place(name, tensor, file->mapped());
    return;
  }
  const Json json = parse_file(index, kMostIndexBytes);
  const Json* map = field(json, "weight_map");
  if (map == nullptr || !map->is_object()) fail("its index has no 'weight_map'");
  std::set<std::string> names;
  for (const auto& [name, where] : map->items()) {
    if (!where.is_string()) fail("its index has no file for tensor '{}'", name);
    names.insert(where.get<std::string>());
  }
  if (names.size() > kMostFiles) fail("its index names {} files; the limit is {}", names.size(), kMostFiles);
  Files files;
  for (const auto& [name, where] : map->items()) {
    const safetensors::File& file = file_of(folder, where.get<std::string>(), files, limits);
    const auto found = file.tensors().find(name);
    if (found == file.tensors().end())
      fail("tensor '{}' is not in '{}', where the index says", name, where.get<std::string>());
    if (wanted(name)) placer.place(name, found->second, file.mapped());
  }
  check_size(files, limits);
}

}  // namespace

bool is_model_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path / "config.json", ignored);
}

std::shared_ptr<const gguf::Contents> open_folder(const fs::path& path, const Limits& limits) {
  try {
    const Json config = parse_file(path / "config.json", kMostConfigBytes);
    const Architecture& architecture = architecture_of(config);
    if (const Json* quantised = field(config, "quantization_config"))
      fail("its weights are quantised by '{}', which is not supported",
           value_or<std::string>(*quantised, "quant_method", ""));
    auto made = std::make_shared<gguf::Draft>();
    made->set("monza.rope_halves", true);
    add_settings(config, architecture, *made);
    add_generation(path, *made);
    TensorPlacer placer(architecture, *made);
    place_all(path, value_or(config, "tie_word_embeddings", false), placer, limits);
    placer.finish();
    return made;
  } catch (const Error& e) {
    throw e.at(message("model folder '{}'", path.string()));
  }
}

}  // namespace monza::checkpoint
