#include "pipelines/language_model.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/error.h"

namespace monza::pipelines {

using serve::Clock;

LanguageModel::LanguageModel(std::string name, const std::string& path, const llm::TokenModelOptions& options,
                             std::string chat_template)
    : name_(std::move(name)),
      model_(path, options),
      positions_(model_.tokens().positions()),
      thread_(model_.tokens(), model_.model_tokenizer()) {
  if (!chat_template.empty()) model_.set_chat(std::move(chat_template));
  try {
    chat_ = &model_.chat();
  } catch (const Error& e) {
    why_no_chat_ = e.fact();
  }
}

const llm::GrammarVocabulary& LanguageModel::grammar_vocabulary() {
  const std::lock_guard lock(mutex_);
  if (!grammar_vocabulary_) grammar_vocabulary_.emplace(model_.model_tokenizer());
  return *grammar_vocabulary_;
}

llm::Generator::Id LanguageModel::start(llm::GenerationRequest request, llm::OnPiece on_piece) {
  // When each choice's last token came: pieces are given on one thread.
  auto last = std::make_shared<std::map<int, Clock::time_point>>();
  return thread_.add(
      std::move(request), [this, last, begin = Clock::now(), on_piece = std::move(on_piece)](const llm::Piece& piece) {
        if (!piece.tokens.empty()) {
          const Clock::time_point now = Clock::now();
          const auto [at, first] = last->try_emplace(piece.choice, now);
          (first ? first_token_ : between_tokens_).add(now - (first ? begin : std::exchange(at->second, now)));
        }
        return on_piece(piece);
      });
}

std::string language_model_metrics(const LanguageModels& models) {
  std::string out;
  if (models.empty()) return out;
  const auto each = [&](const char* name, const char* type, const char* help, const auto& write) {
    serve::append_family(out, name, type, help);
    for (const auto& model : models) write(name, *model);
  };
  const auto counted = [&](const char* name, const char* type, const char* help,
                           std::atomic<std::int64_t> llm::GeneratorCounts::* count) {
    each(name, type, help, [&](const char* family, const LanguageModel& m) {
      fmt::format_to(std::back_inserter(out), "{}{{{}}} {}\n", family, serve::model_label(m.name()),
                     (m.counts().*count).load());
    });
  };
  using Counts = llm::GeneratorCounts;
  each("monza_llm_time_to_first_token_seconds", "histogram", "From a request to its first token.",
       [&](const char* name, const LanguageModel& m) {
         serve::append_histogram(out, name, serve::model_label(m.name()), m.first_token());
       });
  each("monza_llm_time_between_tokens_seconds", "histogram", "From one token of a choice to the next.",
       [&](const char* name, const LanguageModel& m) {
         serve::append_histogram(out, name, serve::model_label(m.name()), m.between_tokens());
       });
  counted("monza_llm_prompt_tokens_total", "counter", "Tokens of prompts that were computed.", &Counts::prompt_tokens);
  counted("monza_llm_cached_tokens_total", "counter", "Tokens of prompts that were known before.",
          &Counts::cached_tokens);
  counted("monza_llm_generated_tokens_total", "counter", "Tokens that were drawn.", &Counts::drawn_tokens);
  counted("monza_llm_steps_total", "counter", "Runs of the model.", &Counts::steps);
  counted("monza_llm_preempted_total", "counter", "Choices that gave their memory up and were computed again.",
          &Counts::preempted);
  counted("monza_llm_waiting", "gauge", "Choices that wait for a place or memory.", &Counts::waiting);
  counted("monza_llm_running", "gauge", "Choices that are computed.", &Counts::running);
  return out;
}

}  // namespace monza::pipelines
