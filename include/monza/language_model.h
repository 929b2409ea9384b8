// Language models: texts in, texts out, many at a time. A target of this build (monza_llm); it is not installed yet.
//
//   monza::LanguageModel model("gemma.gguf");
//   monza::Generation answer = model.generate("Once upon a time", {.max_tokens = 100}, [](std::string_view text) {
//     std::cout << text << std::flush;
//     return true;  // false cancels
//   });
//   const monza::GeneratedText& all = answer.wait();
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monza/engine.h"

namespace monza {

struct LanguageModelOptions {
  /// Of a file that is no engine yet. BuildOptions::io_types["state"] is what keys and values are kept in (f16).
  BuildOptions build = {.tune = false};
  int threads = 0;                ///< 0: what the engine was planned for
  std::int64_t positions = 8192;  ///< that all texts which are in work may have together, in tokens
  int max_sequences = 16;         ///< texts that are written side by side; others wait
};

/// How a text is written on. The defaults take the likeliest token each time.
struct GenerationOptions {
  int max_tokens = 256;
  double temperature = 0;               ///< logits are divided by it; 0: the likeliest, whatever the rest says
  int top_k = 0;                        ///< draws from so many likeliest tokens; 0: from all
  double top_p = 1, min_p = 0;          ///< from the likeliest with this share; from those at least so likely
  double repetition_penalty = 1;        ///< above 1: tokens that are there are less likely
  double presence_penalty = 0;          ///< taken off their logits
  double frequency_penalty = 0;         ///< the same for each time that they are there
  std::map<std::int32_t, double> bias;  ///< added to the logits of tokens
  std::uint64_t seed = 0;               ///< equal seeds give equal texts
  std::vector<std::string> stop;        ///< texts that end it, and are left out
};

/// What came of a prompt.
struct GeneratedText {
  enum class End : std::uint8_t {
    length,  ///< max_tokens, or no room for more positions
    end,     ///< the model's own end
    stop,    ///< a stop text
    cancelled,
    failed,  ///< `error` says why
  };
  End end = End::length;
  std::string text;                  ///< whole characters
  std::vector<std::int32_t> tokens;  ///< without the one that ends
  std::string error;
};

/// Given the text as it comes, in whole characters, on the model's thread, which must not be kept waiting; nothing of
/// the model may be called there, and false cancels.
using OnText = std::function<bool(std::string_view text)>;

/// A text that is being written. Thread-safe; copies are of the same one. It may be let go: the text is written all the
/// same.
class Generation {
 public:
  bool done() const noexcept;
  /// It ends soon, with End::cancelled, unless it has ended.
  void cancel() const noexcept;
  /// Waits for the end. Valid as long as a copy of this.
  const GeneratedText& wait() const;

 private:
  friend class LanguageModel;
  struct State;
  explicit Generation(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// A language model with its tokenizer and a thread that computes: requests share its runs, its memory and what their
/// prompts begin with in common. Thread-safe; cheap to copy (shared ownership). The last copy cancels what has not
/// ended, and must not be let go in an OnText.
class LanguageModel {
 public:
  /// A GGUF file or a model folder, which are built, or an engine file that was built from one, which is mapped. Throws
  /// Error.
  explicit LanguageModel(const std::string& path, const LanguageModelOptions& options = {});

  /// Begins to write what follows `prompt`, and returns. Throws Error for options out of their ranges, for an empty
  /// prompt and one with no room behind it.
  Generation generate(std::string_view prompt, const GenerationOptions& options = {}, OnText on_text = {}) const;

  /// Messages of (role, text), as the model's own chat template puts them for the next answer. Throws Error where the
  /// model has none, or it refuses them.
  std::string chat_prompt(std::span<const std::pair<std::string, std::string>> messages) const;

  std::vector<std::int32_t> tokenize(std::string_view text) const;
  std::string detokenize(std::span<const std::int32_t> tokens) const;
  const Engine& engine() const noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  friend class Generation;
};

}  // namespace monza
