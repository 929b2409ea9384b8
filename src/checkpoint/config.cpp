#include "checkpoint/config.h"

namespace monza::checkpoint {

Json parse_file(const std::filesystem::path& path, std::size_t most) {
  const auto file = MappedFile::open(path, most);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  constexpr int kMostDepth = 64;
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < kMostDepth; };
  Json json = Json::parse(text, shallow, false);
  if (json.is_discarded() || !json.is_object()) fail("'{}' is no JSON object", path.string());
  return json;
}

}  // namespace monza::checkpoint
