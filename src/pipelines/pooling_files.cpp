// The files that sentence-transformers writes beside a model.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "pipelines/text_model.h"

namespace monza::pipelines {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Null where there is no such file.
Json read(const fs::path& path) {
  if (!fs::exists(path)) return nullptr;
  const auto file = MappedFile::open(path, 1 << 20);
  const auto* text = reinterpret_cast<const char*>(file->bytes().data());
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < 16; };
  const Json json = Json::parse(text, text + file->bytes().size(), shallow, false);
  if (json.is_discarded()) fail("{} is not JSON", path.string());
  return json;
}

bool is_set(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_boolean() && json[key].get<bool>();
}

}  // namespace

PoolingOptions pooling_beside(const fs::path& folder) {
  PoolingOptions options;
  const fs::path path = folder / "1_Pooling" / "config.json";
  const Json pooling = read(path);
  if (is_set(pooling, "pooling_mode_cls_token")) options.pooling = Pooling::cls;
  for (const char* other : {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                            "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"})
    if (is_set(pooling, other))
      fail_hint("mean or CLS pooling", "{} asks for '{}', which is not supported", path.string(), other);
  if (const Json modules = read(folder / "modules.json"); modules.is_array())
    options.normalize = std::any_of(modules.begin(), modules.end(), [](const Json& module) {
      return module.is_object() && module.contains("type") && module["type"].is_string() &&
             module["type"].get<std::string>().ends_with("Normalize");
    });
  if (const Json config = read(folder / "sentence_bert_config.json");
      config.is_object() && config.contains("max_seq_length") && config["max_seq_length"].is_number_unsigned())
    options.max_tokens = config["max_seq_length"].get<std::size_t>();
  return options;
}

}  // namespace monza::pipelines
