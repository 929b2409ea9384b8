#include "engine/file/composed.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/file/format.h"

namespace monza::engine_file {
namespace fs = std::filesystem;

namespace {

std::int64_t whole_pages(std::int64_t bytes) {
  return checked_round_up(bytes, static_cast<std::int64_t>(kSectionAlignment), "the size of the weights");
}

}  // namespace

std::shared_ptr<const Region> compose_weights(std::size_t own, const std::function<void(std::byte* to)>& put,
                                              std::span<const ExternalFile> files, bool copy) {
  std::int64_t total = whole_pages(static_cast<std::int64_t>(own));
  for (const ExternalFile& f : files)
    total =
        checked_add(total, whole_pages(static_cast<std::int64_t>(f.file->bytes().size())), "the size of the weights");
  const auto region = std::make_shared<Region>(total);
  put(region->data());
  std::byte* at = region->data() + whole_pages(static_cast<std::int64_t>(own));
  for (const ExternalFile& f : files) {
    const std::size_t bytes = f.file->bytes().size();
    if (copy) f.file->read(0, {at, bytes}, "the weights");
    else f.file->map_over(at, 0, bytes);
    at += whole_pages(static_cast<std::int64_t>(bytes));
  }
  return region;
}

std::span<const std::byte> own_weights(const Image& image) {
  return image.external.empty() ? image.weights : image.weights.first(image.own_weights);
}

std::string path_beside(const ExternalFile& file, const fs::path& folder) {
  std::error_code error;
  const fs::path root = fs::canonical(folder.empty() ? fs::path(".") : folder, error);
  const fs::path inner = fs::path(file.file->path()).lexically_relative(root);
  if (error || inner.empty() || *inner.begin() == "..")
    fail_hint("write the engine there, or build it without --external-weights",
              "weights of the engine lie in '{}', which is not in its folder '{}' or below", file.file->path().string(),
              root.string());
  return inner.string();
}

ExternalFile open_external(const fs::path& folder, std::string_view path, std::uint64_t bytes, std::uint64_t sample) {
  static constexpr const char* kHint = "put the file there as it was, or rebuild with: monza build MODEL --output FILE";
  ExternalFile external{.path = std::string(path)};
  try {
    external.file = MappedFile::open_to_read(resolve_confined(folder, path));
  } catch (const Error& e) {
    fail_hint(kHint, "the engine's weights lie in a file beside it, which cannot be read: {}", e.fact());
  }
  if (external.file->bytes().size() != bytes)
    fail_hint(kHint, "the engine's weights lie in '{}', which has {} bytes and had {} when the engine was built", path,
              external.file->bytes().size(), bytes);
  if (external.file->sample() != sample)
    fail_hint(kHint, "the engine's weights lie in '{}', which has changed since the engine was built", path);
  return external;
}

}  // namespace monza::engine_file
