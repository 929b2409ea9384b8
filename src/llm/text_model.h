// A language model with its tokenizer: texts in, texts out.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chat.h"
#include "llm/generator.h"
#include "llm/gguf_tokenizer.h"
#include "llm/token_model.h"

namespace monza::llm {

struct Generated {
  using Reason = EndReason;
  Reason reason = Reason::length;
  std::string text;
  std::vector<Token> tokens;                         ///< drawn, without the one that ends
  std::size_t prompt_tokens = 0, cached_tokens = 0;  ///< cached: of those that begin the prompt, known from before
  double prompt_ms = 0, generate_ms = 0;             ///< until the first token is drawn, and from then on
};

/// Negative log-likelihoods of tokens.
struct Score {
  double nll = 0;  ///< their sum
  std::int64_t tokens = 0;
  double perplexity() const;
};

/// Not thread-safe.
class TextModel {
 public:
  /// From a GGUF file or a model folder, which are built, or an engine file that was built from one. Throws Error for
  /// what is neither.
  TextModel(const std::string& path, const TokenModelOptions& options);

  TokenModel& tokens() { return tokens_; }
  const text::Tokenizer& tokenizer() const { return tokenizer_.tokenizer; }
  const ModelTokenizer& model_tokenizer() const { return tokenizer_; }
  Generator& generator() { return generator_; }
  /// The model's chat template. Throws Error where it has none, or what it has is not supported.
  const ChatTemplate& chat();
  /// Takes another one in its place. Throws Error for what is wrong in it.
  void set_chat(std::string source);

  /// What follows `prompt`. `on_text` is given the text as it comes, in whole characters, and stops by returning false.
  /// Throws Error where the prompt leaves no room in a sequence; what follows ends where there is no more.
  Generated generate(std::string_view prompt, const GenerateOptions& options,
                     const std::function<bool(std::string_view)>& on_text = {});
  /// The same of tokens. What prompts begin with in common is computed once, while memory lasts.
  Generated generate(std::vector<Token> prompt, const GenerateOptions& options,
                     const std::function<bool(std::string_view)>& on_text = {});

  /// How likely `text` is, as llama.cpp's perplexity measures it: in pieces of `context` tokens, each with the model's
  /// first token in front, whose second half counts; a text that is shorter counts whole. At most `max_tokens` of the
  /// text's (0: all). `progress` is given a fraction. Throws Error where the text has no two tokens.
  Score score(std::string_view text, std::size_t context, std::size_t max_tokens,
              const std::function<void(double)>& progress = {});

 private:
  TokenModel tokens_;
  ModelTokenizer tokenizer_;
  Generator generator_;
  std::string path_;
  std::optional<ChatTemplate> chat_;  ///< once it was asked for
};

}  // namespace monza::llm
