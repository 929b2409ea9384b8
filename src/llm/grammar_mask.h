// Generation held to a grammar.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/token_trie.h"
#include "llm/generation.h"
#include "llm/gguf_tokenizer.h"

namespace monza::llm {

/// A model's vocabulary as grammars need it. Made once for a model. Immutable: safe from any thread.
class GrammarVocabulary {
 public:
  /// Throws Error for a tokenizer whose tokens' texts depend on what stands before them.
  explicit GrammarVocabulary(const ModelTokenizer& tokenizer);

  /// For GenerateOptions::mask: rows whose texts are the grammar's. A token that ends is drawn only where the grammar
  /// can end, and a row ends where nothing may follow. The masks that one such function makes share what they find:
  /// they belong to one thread at a time.
  std::function<std::unique_ptr<TokenMask>()> masks(grammar::GrammarPtr grammar) const;

 private:
  friend class GrammarMask;
  struct Content {
    std::vector<std::string> bytes;  ///< of each token
    std::vector<Token> ends;
    grammar::TokenTriePtr trie;
  };
  std::shared_ptr<const Content> content_;
};

}  // namespace monza::llm
