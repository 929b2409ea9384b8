#include "checkpoint/generation.h"

#include "checkpoint/config.h"

namespace monza::checkpoint {
namespace {

constexpr std::size_t kMostBytes = 16 << 20;

std::optional<std::string> chat_template(const std::filesystem::path& folder) {
  const std::filesystem::path own = folder / "chat_template.jinja", config = folder / "tokenizer_config.json";
  if (std::filesystem::exists(own)) {
    const auto file = MappedFile::open(own, kMostBytes);
    return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  }
  if (!std::filesystem::exists(config)) return std::nullopt;
  const Json json = parse_file(config, kMostBytes);
  const Json* found = field(json, "chat_template");
  if (found == nullptr || found->is_string()) return value<std::string>(json, "chat_template");
  if (found->is_array())  // several, each with a name
    for (const Json& one : *found)
      if (value_or<std::string>(one, "name", "") == "default") return value<std::string>(one, "template");
  return std::nullopt;
}

}  // namespace

std::vector<std::int64_t> end_tokens(const std::filesystem::path& folder) {
  constexpr std::size_t kMost = 256;
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    const Json config = parse_file(folder / name, kMostBytes);
    const Json* ends = field(config, "eos_token_id");
    if (ends == nullptr) continue;
    std::vector<std::int64_t> tokens;
    for (const Json& end : ends->is_array() ? *ends : Json::array({*ends})) {
      if (!end.is_number_integer() || tokens.size() == kMost)
        fail("'{}': 'eos_token_id' is no token, nor a list of at most {}", (folder / name).string(), kMost);
      tokens.push_back(end.get<std::int64_t>());
    }
    return tokens;
  }
  return {};
}

void add_generation(const std::filesystem::path& folder, gguf::Draft& to) {
  if (std::vector<std::int64_t> ends = end_tokens(folder); !ends.empty()) {
    to.set("tokenizer.ggml.eos_token_id", ends.front());
    to.set("monza.end_tokens", std::move(ends));
  }
  const std::filesystem::path config = folder / "config.json";
  if (const auto begin = std::filesystem::exists(config)
                             ? value<std::int64_t>(parse_file(config, kMostBytes), "bos_token_id")
                             : std::nullopt)
    to.set("tokenizer.ggml.bos_token_id", *begin);
  if (const auto text = chat_template(folder)) to.set("tokenizer.chat_template", std::string_view(*text));
}

}  // namespace monza::checkpoint
