// Language models as files: GGUF, or engines built from it.
#pragma once

#include <memory>
#include <string>

#include "gguf/file.h"
#include "llm/gguf_tokenizer.h"
#include "monza/engine.h"

namespace monza::llm {

/// Throws Error that says what `path` is and what to give, when it is no file that a language model may be in.
void require_language_model(const std::string& path);

/// Whether `path` is one: a GGUF file, a folder, or an engine that was built from one.
bool is_language_model_file(const std::string& path);

/// What the engine keeps of the GGUF file that it was built from: all but the tensors. `path` is the engine's name in
/// messages. Throws Error when the engine was not built from one.
std::shared_ptr<const gguf::File> carried_gguf(const Engine& engine, const std::string& path);

/// The tokenizer of what the engine was built from. `path` is the engine's name in messages. Throws Error.
ModelTokenizer carried_tokenizer(const Engine& engine, const std::string& path);

/// The tokenizer of a GGUF file, a model folder or of an engine file that was built from one; nothing is built. Throws
/// Error.
ModelTokenizer open_tokenizer(const std::string& path);

}  // namespace monza::llm
