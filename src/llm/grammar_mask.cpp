#include "llm/grammar_mask.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "grammar/token_masks.h"
#include "text/decoder.h"

namespace monza::llm {

class GrammarMask final : public TokenMask {
 public:
  GrammarMask(std::shared_ptr<const GrammarVocabulary::Content> vocabulary, std::shared_ptr<grammar::TokenMasks> masks,
              grammar::Matcher matcher)
      : vocabulary_(std::move(vocabulary)), masks_(std::move(masks)), matcher_(std::move(matcher)) {}

  void apply(std::span<float> logits) override {
    const grammar::TokenMask& allowed = masks_->allowed(matcher_);
    if (allowed.empty() && !matcher_.can_end())
      fail("no token of the model's vocabulary can write what the grammar asks for next");
    std::vector<std::pair<Token, float>> ends;
    if (matcher_.can_end())
      for (const Token end : vocabulary_->ends)
        if (static_cast<std::size_t>(end) < logits.size())
          ends.emplace_back(end, logits[static_cast<std::size_t>(end)]);
    for (std::size_t t = 0; t < logits.size(); ++t)
      if (!allowed.contains(static_cast<Token>(t))) logits[t] = -std::numeric_limits<float>::infinity();
    for (const auto& [end, logit] : ends) logits[static_cast<std::size_t>(end)] = logit;
  }

  void accept(Token token) override {
    const auto& ends = vocabulary_->ends;
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) return;
    const auto t = static_cast<std::size_t>(token);
    if (t >= vocabulary_->bytes.size() || !matcher_.advance(vocabulary_->bytes[t]))
      fail("token {} is not one of the grammar's", token);
  }

  bool complete() const override { return matcher_.is_complete(); }

 private:
  std::shared_ptr<const GrammarVocabulary::Content> vocabulary_;
  std::shared_ptr<grammar::TokenMasks> masks_;
  grammar::Matcher matcher_;
};

GrammarVocabulary::GrammarVocabulary(const ModelTokenizer& tokenizer) {
  using Kind = text::DecoderRules::Kind;
  if (const Kind kind = tokenizer.tokenizer.decoder_rules().kind; kind != Kind::plain && kind != Kind::bytes)
    fail("grammars need a tokenizer whose tokens write the same wherever they stand");
  auto content = std::make_shared<Content>();
  content->ends = tokenizer.ends;
  for (Token t = 0; t < tokenizer.tokenizer.size(); ++t)
    content->bytes.push_back(std::find(content->ends.begin(), content->ends.end(), t) != content->ends.end()
                                 ? ""
                                 : text::token_bytes(tokenizer.tokenizer, t));
  content->trie = std::make_shared<grammar::TokenTrie>(content->bytes);
  content_ = std::move(content);
}

std::function<std::unique_ptr<TokenMask>()> GrammarVocabulary::masks(grammar::GrammarPtr grammar) const {
  auto masks = std::make_shared<grammar::TokenMasks>(grammar, content_->trie);
  return [content = content_, masks = std::move(masks), start = grammar::Matcher(std::move(grammar))] {
    return std::make_unique<GrammarMask>(content, masks, start);
  };
}

}  // namespace monza::llm
