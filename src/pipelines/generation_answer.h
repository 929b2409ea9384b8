// The pieces of generations as the JSON of OpenAI's endpoints: at once, or as events while they come.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/generation_request.h"
#include "serve/stream.h"

namespace monza::pipelines {

/// One request of a client. Made before its generations begin, then used by the thread that gives pieces alone.
class GenerationAnswer {
 public:
  /// Errors are written in the form of `task`, which must outlive it, as must the model.
  GenerationAnswer(const GenerationAsked& asked, const LanguageModel& model, const OpenAiTask& task);

  const std::shared_ptr<serve::Stream>& stream() const { return stream_; }
  /// A piece of prompt `prompt`. False when nobody waits for more.
  bool add(std::size_t prompt, const llm::Piece& piece);

 private:
  /// What of a choice is not written yet: since the last event, or all of it.
  struct Choice {
    std::string text;
    std::vector<llm::DrawnToken> tokens;
    std::size_t offset = 0;  ///< characters before the first of `tokens`, as far as that is known
    const char* reason = nullptr;
    bool begun = false;
  };
  void write_choice(std::string& out, std::size_t index, const Choice& choice, bool with_reason) const;
  void write_logprobs(std::string& out, const Choice& choice) const;
  void write_chance(std::string& out, const llm::TokenChance& chance) const;
  bool write_events(std::size_t index, Choice& choice);
  void write_head(std::string& out) const;
  void write_usage(std::string& out) const;
  void write_end();
  std::string token_text(llm::Token token) const;

  const bool chat_, events_, usage_in_events_, with_logprobs_;
  const LanguageModel& model_;
  const OpenAiTask& task_;
  const std::string id_;
  const std::time_t created_;
  const std::size_t choices_;  ///< of each prompt
  std::size_t prompt_tokens_ = 0, drawn_tokens_ = 0, left_;
  std::vector<std::int64_t> cached_;  ///< of each prompt
  std::vector<Choice> all_;
  std::string error_;
  std::shared_ptr<serve::Stream> stream_ = std::make_shared<serve::Stream>(std::size_t{4} << 20);
};

}  // namespace monza::pipelines
