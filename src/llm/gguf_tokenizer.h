// The tokenizer that a GGUF file of a language model carries.
#pragma once

#include <optional>
#include <vector>

#include "gguf/file.h"
#include "llm/sampler.h"
#include "text/tokenizer.h"

namespace monza::llm {

/// A language model's tokenizer, and the tokens that mean something to whoever generates.
struct ModelTokenizer {
  text::Tokenizer tokenizer;
  std::optional<Token> begin;  ///< put before a text, where the model wants it: encode() does
  std::vector<Token> ends;     ///< tokens that end what is generated
};

/// SentencePiece's ("llama"), whose merges are found from the scores of its tokens, and byte-level BPE ("gpt2") with
/// the words of GPT-2, Llama 3 and Qwen. Throws Error that names the file: for a tokenizer that is not there, damaged,
/// or of another kind.
ModelTokenizer gguf_tokenizer(const gguf::File& file);

}  // namespace monza::llm
