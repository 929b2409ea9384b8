// The families of language models: each states its graph.
#pragma once

#include "decoder/builder.h"

namespace monza::decoder {

struct Family {
  std::string_view name;           ///< that files give the architecture
  void (*build)(DecoderBuilder&);  ///< the whole graph, from embeddings to finish()
  Pairs pairs = Pairs::halves;     ///< that turn together, as GGUF has heads
};

void build_pre_norm(DecoderBuilder& b);  ///< llama and what is like it
void build_gemma2(DecoderBuilder& b);
void build_gemma3(DecoderBuilder& b);
void build_gpt2(DecoderBuilder& b);
void build_olmo2(DecoderBuilder& b);
void build_smollm3(DecoderBuilder& b);

/// Throws Error that lists those there are.
const Family& family(std::string_view name);

}  // namespace monza::decoder
