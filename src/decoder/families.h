// The families of language models: each states its graph in a file of its own.
#pragma once

#include "decoder/builder.h"

namespace monza::decoder {

/// Builds the whole graph, from embeddings to finish().
using FamilyFn = void (*)(DecoderBuilder&);

void build_llama(DecoderBuilder& b);  ///< llama 1 to 3, mistral
void build_qwen2(DecoderBuilder& b);  ///< qwen2, qwen2.5
void build_qwen3(DecoderBuilder& b);
void build_gemma3(DecoderBuilder& b);

/// By the name that files give the architecture. Throws Error that lists those there are.
FamilyFn family(std::string_view name);

}  // namespace monza::decoder
