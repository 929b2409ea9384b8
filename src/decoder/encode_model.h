// Language models written as GGUF files, in another encoding.
#pragma once

#include <filesystem>
#include <functional>

#include "gguf/contents.h"

namespace monza {

/// Whether encode_model can write weights so: f16, q8_0, q4_0 and q4_k.
bool is_model_encoding(DType type);

/// Writes `model` to a GGUF file with its matrices in `encoding`: but for routers and tables of positions, which stay
/// in floats; with 4 bits the embeddings and the output, which decide most, are q8_0; a matrix whose rows are no whole
/// blocks is q8_0, or f16. What has one axis is f32. Heads are permuted as GGUF has them. `progress` is given a
/// fraction. Throws Error; a file that was there stays then.
void encode_model(const gguf::Contents& model, DType encoding, const std::filesystem::path& to,
                  const std::function<void(double)>& progress = {});

/// The same of what open_language_model takes, with its tokenizer. Throws Error, also for a folder without a
/// tokenizer.json, or with one that GGUF has no words for.
void encode_model_file(const std::filesystem::path& from, DType encoding, const std::filesystem::path& to,
                       const std::function<void(double)>& progress = {});

}  // namespace monza
