#include "llm/json_tokenizer.h"

namespace monza::llm {

ModelTokenizer json_tokenizer(std::string_view json, const gguf::Contents& metadata, std::string_view name) {
  ModelTokenizer made{text::Tokenizer::from_json(json, name), std::nullopt, {}};
  // What stands in front of a text of no words.
  const std::vector<Token> around = made.tokenizer.encode("").tokens;
  if (!around.empty()) made.begin = around.front();
  if (const gguf::Array* ends = metadata.array("monza.end_tokens"))
    for (const std::int64_t end : ends->integers)
      if (end >= 0 && end < made.tokenizer.size()) made.ends.push_back(static_cast<Token>(end));
  return made;
}

}  // namespace monza::llm
