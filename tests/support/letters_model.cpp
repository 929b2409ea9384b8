#include "support/letters_model.h"

#include <cstdint>
#include <vector>

#include "support/gguf_writer.h"

namespace monza::test {

std::string letters_model() {
  std::vector<std::string> tokens;
  for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
  for (char c = '0'; c <= '9'; ++c) tokens.emplace_back(1, c);
  for (const char* other : {".", ",", "!", "<end>"}) tokens.emplace_back(other);
  std::vector<std::int32_t> types(40, 1);
  types[39] = 3;
  return tiny_decoder(
             "llama",
             {.metadata =
                  [&](GgufWriter& w) {
                    w.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.tokens", tokens);
                    w.set("tokenizer.ggml.token_type", types).set("tokenizer.ggml.merges", std::vector<std::string>{});
                    w.set("tokenizer.ggml.eos_token_id", 39u);
                  }})
      .bytes();
}

}  // namespace monza::test
