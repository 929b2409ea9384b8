// A language model of a server: many requests at once, and what is counted of them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "llm/generation_thread.h"
#include "llm/grammar_mask.h"
#include "llm/text_model.h"
#include "serve/metrics.h"

namespace monza::pipelines {

/// Safe from any thread.
class LanguageModel {
 public:
  /// Of a file that llm::TextModel takes. `chat_template`: in place of the file's; "": that. Throws Error.
  LanguageModel(std::string name, const std::string& path, const llm::TokenModelOptions& options,
                std::string chat_template = {});

  const std::string& name() const { return name_; }
  const text::Tokenizer& tokenizer() const { return model_.tokenizer(); }
  std::int64_t positions() const { return positions_; }
  /// Null where it has no template that is supported: why_no_chat() says so.
  const llm::ChatTemplate* chat() const { return chat_; }
  const std::string& why_no_chat() const { return why_no_chat_; }

  /// What holds texts to grammars, made when it is first asked for. Throws Error for a vocabulary that cannot be.
  const llm::GrammarVocabulary& grammar_vocabulary();

  /// As llm::GenerationThread has it; the times of its pieces are counted.
  llm::Generator::Id start(llm::GenerationRequest request, llm::OnPiece on_piece);
  void cancel(llm::Generator::Id id) { thread_.cancel(id); }
  const llm::GeneratorCounts& counts() const { return thread_.counts(); }
  const serve::Histogram& first_token() const { return first_token_; }
  const serve::Histogram& between_tokens() const { return between_tokens_; }

 private:
  const std::string name_;
  llm::TextModel model_;
  const std::int64_t positions_;
  const llm::ChatTemplate* chat_ = nullptr;
  std::string why_no_chat_;
  std::mutex mutex_;  ///< of grammar_vocabulary_
  std::optional<llm::GrammarVocabulary> grammar_vocabulary_;
  serve::Histogram first_token_, between_tokens_;
  llm::GenerationThread thread_;  ///< ends first
};

/// The language models of a server, by name; the first is taken where a request names none. Filled before requests
/// come.
using LanguageModels = std::vector<std::shared_ptr<LanguageModel>>;

/// Prometheus' text of them; "" where there are none.
std::string language_model_metrics(const LanguageModels& models);

}  // namespace monza::pipelines
