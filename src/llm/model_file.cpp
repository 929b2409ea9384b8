#include "llm/model_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "decoder/open_model.h"
#include "llm/json_tokenizer.h"
#include "monza/carried_file.h"

namespace monza::llm {
namespace {

constexpr const char* kTake = "a GGUF file or folder of a language model, or an engine file built from one";

}  // namespace

void require_language_model(const std::string& path) {
  const FileKind kind = file_kind(path);
  if (kind == FileKind::gguf || kind == FileKind::engine || is_language_model(path)) return;
  if (kind == FileKind::missing) (void)MappedFile::open(path);  // says why
  fail_hint(kTake, "'{}' is {}, no language model", path,
            kind == FileKind::other ? "an ONNX file or another one" : file_kind_name(kind));
}

bool is_language_model_file(const std::string& path) {
  if (Engine::is_engine_file(path)) return carried_file(Engine::load(path), "gguf").has_value();
  return file_kind(path) == FileKind::gguf || is_language_model(path);
}

std::shared_ptr<const gguf::File> carried_gguf(const Engine& engine, const std::string& path) {
  const auto bytes = carried_file(engine, "gguf");
  if (!bytes) fail_hint(kTake, "'{}' is an engine file that was not built from a language model's file", path);
  return gguf::File::of_bytes({bytes->begin(), bytes->end()}, path);
}

ModelTokenizer carried_tokenizer(const Engine& engine, const std::string& path) {
  const auto gguf = carried_gguf(engine, path);
  const auto json = carried_file(engine, "tokenizer.json");
  if (!json) return gguf_tokenizer(*gguf);
  return json_tokenizer({reinterpret_cast<const char*>(json->data()), json->size()}, *gguf, path);
}

ModelTokenizer open_tokenizer(const std::string& path) {
  require_language_model(path);
  if (Engine::is_engine_file(path)) return carried_tokenizer(Engine::load(path), path);
  if (!std::filesystem::is_directory(path)) return gguf_tokenizer(*gguf::File::open(path));
  const std::string file = path + "/tokenizer.json";
  const auto json = MappedFile::open(file);
  return json_tokenizer({reinterpret_cast<const char*>(json->bytes().data()), json->bytes().size()},
                        *open_language_model(path), file);
}

}  // namespace monza::llm
