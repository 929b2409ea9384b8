#include "llm/chat.h"

#include <utility>

#include "base/error.h"

namespace monza::llm {
namespace {

jinja::Template parsed(const std::string& source) {
  try {
    return jinja::Template(source);
  } catch (const Error& e) {
    throw e.at("the chat template");
  }
}

std::string special_text(const gguf::File& gguf, const ModelTokenizer& tokenizer, const char* key) {
  const auto token = gguf.integer(key);
  if (!token || *token < 0 || *token >= tokenizer.tokenizer.size()) return {};
  return std::string(tokenizer.tokenizer.token_text(static_cast<Token>(*token)));
}

}  // namespace

ChatTemplate::ChatTemplate(std::string source, const gguf::File& gguf, const ModelTokenizer& tokenizer)
    : source_(std::move(source)),
      begin_(special_text(gguf, tokenizer, "tokenizer.ggml.bos_token_id")),
      end_(special_text(gguf, tokenizer, "tokenizer.ggml.eos_token_id")),
      template_(parsed(source_)) {}

std::optional<ChatTemplate> ChatTemplate::of(const gguf::File& gguf, const ModelTokenizer& tokenizer) {
  const auto source = gguf.text("tokenizer.chat_template");
  if (!source) return std::nullopt;
  return ChatTemplate(std::string(*source), gguf, tokenizer);
}

std::string ChatTemplate::render(jinja::Dict variables) const {
  variables.set("bos_token", begin_);
  variables.set("eos_token", end_);
  try {
    return template_.render(variables);
  } catch (const Error& e) {
    throw e.at("the chat template");
  }
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  std::vector<jinja::Value> list;
  for (const ChatMessage& m : messages) {
    jinja::Dict message;
    message.set("role", m.role);
    message.set("content", m.content);
    list.push_back(jinja::make_dict(std::move(message)));
  }
  jinja::Dict variables;
  variables.set("messages", jinja::make_list(std::move(list)));
  variables.set("add_generation_prompt", true);
  return render(std::move(variables));
}

}  // namespace monza::llm
