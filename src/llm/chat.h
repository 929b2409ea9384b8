// From the messages of a conversation to the text that a model was trained to answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gguf/file.h"
#include "jinja/template.h"
#include "llm/gguf_tokenizer.h"

namespace monza::llm {

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// A model's chat template. Immutable: safe from any thread.
class ChatTemplate {
 public:
  /// Throws Error that names the line, for what is wrong or not supported in it.
  ChatTemplate(std::string source, const gguf::File& gguf, const ModelTokenizer& tokenizer);
  /// The one that the model's file carries; none where it has none. `gguf`: its metadata.
  static std::optional<ChatTemplate> of(const gguf::File& gguf, const ModelTokenizer& tokenizer);

  const std::string& source() const { return source_; }
  /// The prompt of a conversation, as JSON's values: messages, tools, add_generation_prompt and whatever the template
  /// knows. bos_token and eos_token are added. Throws Error where the template refuses them.
  std::string render(jinja::Dict variables) const;
  /// The same of messages with texts, for the next answer.
  std::string render(const std::vector<ChatMessage>& messages) const;

 private:
  std::string source_, begin_, end_;
  jinja::Template template_;
};

}  // namespace monza::llm
