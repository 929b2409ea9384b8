#include "gguf/word_patterns.h"

#include <string>

#include "base/error.h"

namespace monza::gguf {
namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr WordPattern kWordPatterns[] = {
    {"gpt-2", nullptr, false}, {"llama-bpe", kLlama3, true}, {"qwen2", kQwen2, false}, {"qwen35", kQwen35, false}};

}  // namespace

const WordPattern& word_pattern(std::string_view name) {
  std::string known;
  for (const WordPattern& p : kWordPatterns) {
    if (p.name == name) return p;
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  fail_hint("a model whose tokenizer splits as one of these: " + known,
            "its tokenizer splits texts as '{}' does, which is not supported", name);
}

const WordPattern* word_pattern_of(std::string_view pattern) {
  for (const WordPattern& p : kWordPatterns)
    if (p.pattern == nullptr ? pattern.empty() : pattern == p.pattern) return &p;
  return nullptr;
}

}  // namespace monza::gguf
