#include "decoder/open_model.h"

#include "base/error.h"
#include "gguf/file.h"
#if MONZA_WITH_JSON
#include "checkpoint/folder.h"
#include "checkpoint/tokenizer_metadata.h"
#endif

namespace monza {
namespace {

bool is_folder(const std::filesystem::path& path) {
#if MONZA_WITH_JSON
  return checkpoint::is_model_folder(path);
#else
  std::error_code ignored;
  return std::filesystem::is_regular_file(path / "config.json", ignored);
#endif
}

std::shared_ptr<const gguf::Contents> open_folder(const std::filesystem::path& path, const Limits& limits) {
#if MONZA_WITH_JSON
  return checkpoint::open_folder(path, limits);
#else
  (void)limits;
  fail_hint("a build with nlohmann-json, or a GGUF file", "folders of models, as '{}', are not read by this build",
            path.string());
#endif
}

}  // namespace

std::shared_ptr<const gguf::Contents> folder_tokenizer_metadata(const std::filesystem::path& path) {
#if MONZA_WITH_JSON
  if (is_folder(path)) return checkpoint::tokenizer_metadata(path);
#else
  (void)path;  // open_language_model has refused it
#endif
  return nullptr;
}

bool is_language_model(const std::filesystem::path& path) { return is_folder(path) || gguf::File::is_gguf(path); }

std::shared_ptr<const gguf::Contents> open_language_model(const std::filesystem::path& path, const Limits& limits) {
  if (is_folder(path)) return open_folder(path, limits);
  return gguf::File::open(path, limits);
}

}  // namespace monza
