#include "pipelines/generation_answer.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "jinja/value.h"
#include "serve/json_out.h"

namespace monza::pipelines {
namespace {

using serve::append_json_string;

template <typename... Args>
void add_text(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

std::string new_id(bool chat) {
  static std::atomic<std::uint64_t> next{0};
  static const std::uint32_t process = std::random_device()();
  return fmt::format("{}-{:08x}{:08x}", chat ? "chatcmpl" : "cmpl", process, next.fetch_add(1));
}

/// JSON has no infinities: what can never come is as unlikely as can be written.
double finite(float log_probability) { return std::isfinite(log_probability) ? log_probability : -9999.0; }

}  // namespace

GenerationAnswer::GenerationAnswer(const GenerationAsked& asked, const LanguageModel& model, const OpenAiTask& task)
    : chat_(asked.chat),
      events_(asked.stream),
      usage_in_events_(asked.usage_in_stream),
      with_logprobs_(asked.likeliest >= 0),
      model_(model),
      task_(task),
      id_(new_id(asked.chat)),
      created_(std::time(nullptr)),
      choices_(static_cast<std::size_t>(asked.requests.front().choices)),
      left_(choices_ * asked.requests.size()),
      cached_(asked.requests.size(), 0),
      all_(left_) {
  for (const llm::GenerationRequest& r : asked.requests) prompt_tokens_ += r.prompt.size();
}

bool GenerationAnswer::add(std::size_t prompt, const llm::Piece& piece) {
  const std::size_t index = prompt * choices_ + static_cast<std::size_t>(piece.choice);
  Choice& choice = all_[index];
  choice.text += piece.text;
  if (with_logprobs_) choice.tokens.insert(choice.tokens.end(), piece.tokens.begin(), piece.tokens.end());
  drawn_tokens_ += piece.tokens.size();
  if (piece.end) {
    choice.reason = *piece.end == llm::EndReason::length ? "length" : "stop";
    cached_[prompt] = std::max(cached_[prompt], piece.cached_tokens);
    --left_;
  }
  if (!piece.error.empty()) error_ = piece.error;
  const bool goes_on = !events_ || write_events(index, choice);
  if (left_ == 0) write_end();
  return goes_on;
}

/// A token's text alone: SentencePiece's mark of a space is a space at the very beginning, too.
std::string GenerationAnswer::token_text(llm::Token token) const {
  const text::Tokenizer& tokenizer = model_.tokenizer();
  const std::string& mark = tokenizer.decoder_rules().mark;
  std::string text = tokenizer.decode(std::span(&token, 1), false);
  if (!mark.empty() && tokenizer.token_text(token).starts_with(mark) && !text.starts_with(' ')) text = ' ' + text;
  return text;
}

/// {"token":...,"logprob":...,"bytes":[...] without the closing bracket.
void GenerationAnswer::write_chance(std::string& out, const llm::TokenChance& chance) const {
  const std::string text = token_text(chance.token);
  out += "{\"token\":";
  append_json_string(out, text);
  add_text(out, ",\"logprob\":{},\"bytes\":", finite(chance.log_probability));
  serve::append_json_list(out, std::vector<unsigned char>(text.begin(), text.end()));
}

void GenerationAnswer::write_logprobs(std::string& out, const Choice& choice) const {
  const auto list = [&](const char* name, const auto& write) {
    out += name;
    bool first = true;
    for (const llm::DrawnToken& token : choice.tokens) {
      if (!std::exchange(first, false)) out += ',';
      write(token);
    }
    out += ']';
  };
  if (!with_logprobs_) {
    out += "null";
  } else if (chat_) {
    list("{\"content\":[", [&](const llm::DrawnToken& token) {
      write_chance(out, token.drawn);
      out += ",\"top_logprobs\":[";
      for (std::size_t i = 0; i < token.likeliest.size(); ++i) {
        if (i > 0) out += ',';
        write_chance(out, token.likeliest[i]);
        out += '}';
      }
      out += "]}";
    });
    out += ",\"refusal\":null}";
  } else {
    list("{\"tokens\":[", [&](const llm::DrawnToken& t) { append_json_string(out, token_text(t.drawn.token)); });
    list(",\"token_logprobs\":[",
         [&](const llm::DrawnToken& t) { add_text(out, "{}", finite(t.drawn.log_probability)); });
    list(",\"top_logprobs\":[", [&](const llm::DrawnToken& token) {
      std::map<std::string, double> others;  // two tokens may have one text
      for (const llm::TokenChance& c : token.likeliest)
        others.try_emplace(token_text(c.token), finite(c.log_probability));
      out += '{';
      for (const auto& [text, chance] : others) {
        if (!out.ends_with('{')) out += ',';
        append_json_string(out, text);
        add_text(out, ":{}", chance);
      }
      out += '}';
    });
    std::size_t offset = choice.offset;
    list(",\"text_offset\":[", [&](const llm::DrawnToken& t) {
      serve::append_number(out, offset);
      offset += jinja::characters(token_text(t.drawn.token));
    });
    out += '}';
  }
}

void GenerationAnswer::write_head(std::string& out) const {
  add_text(out, "{{\"id\":\"{}\",\"object\":\"{}{}\",\"created\":{},\"model\":", id_,
           chat_ ? "chat.completion" : "text_completion", chat_ && events_ ? ".chunk" : "", created_);
  append_json_string(out, model_.name());
}

void GenerationAnswer::write_choice(std::string& out, std::size_t index, const Choice& choice, bool with_reason) const {
  add_text(out, "{{\"index\":{},", index);
  if (!chat_) {
    out += "\"text\":";
    append_json_string(out, choice.text);
  } else {
    out += events_ ? "\"delta\":{" : "\"message\":{";
    if (!choice.begun) out += "\"role\":\"assistant\",";
    if (!events_) out += "\"refusal\":null,";
    if (!events_ || !choice.text.empty() || !choice.begun) {
      out += "\"content\":";
      append_json_string(out, choice.text);
    }
    if (out.ends_with(',')) out.pop_back();
    out += '}';
  }
  out += ",\"logprobs\":";
  write_logprobs(out, choice);
  add_text(out, ",\"finish_reason\":{}}}", with_reason ? fmt::format("\"{}\"", choice.reason) : "null");
}

/// What there is of a choice, and at its end an event of its own for the reason.
bool GenerationAnswer::write_events(std::size_t index, Choice& choice) {
  std::string out;
  const auto event = [&](bool with_reason) {
    out += "data: ";
    write_head(out);
    out += ",\"choices\":[";
    write_choice(out, index, choice, with_reason);
    add_text(out, "]{}}}\n\n", usage_in_events_ ? ",\"usage\":null" : "");
    choice.begun = true;
    choice.offset += jinja::characters(choice.text);
    choice.text.clear();
    choice.tokens.clear();
  };
  if (!choice.text.empty() || !choice.tokens.empty() || !choice.begun) event(false);
  if (choice.reason != nullptr) event(true);
  return out.empty() || stream_->write(out);
}

void GenerationAnswer::write_usage(std::string& out) const {
  add_text(out,
           "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},"
           "\"prompt_tokens_details\":{{\"cached_tokens\":{}}}}}",
           prompt_tokens_, drawn_tokens_, prompt_tokens_ + drawn_tokens_,
           std::accumulate(cached_.begin(), cached_.end(), std::int64_t{0}));
}

void GenerationAnswer::write_end() {
  std::string out;
  if (!error_.empty()) {  // events have begun with 200: the error is one of them
    stream_->write((events_ ? "data: " : "") + task_.error(500, error_) + (events_ ? "\n\n" : ""));
    return stream_->end(500);
  }
  if (events_) {
    if (usage_in_events_) {
      out += "data: ";
      write_head(out);
      out += ",\"choices\":[],\"usage\":";
      write_usage(out);
      out += "}\n\n";
    }
    out += "data: [DONE]\n\n";
  } else {
    write_head(out);
    out += ",\"choices\":[";
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (i > 0) out += ',';
      write_choice(out, i, all_[i], true);
    }
    out += "],\"usage\":";
    write_usage(out);
    out += '}';
  }
  stream_->write(out);
  stream_->end();
}

}  // namespace monza::pipelines
