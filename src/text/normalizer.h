// What is done to a text before it is split: Unicode's forms, lower case, replaced characters.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"
#include "text/unicode.h"

namespace monza::text {

/// Safe from any thread.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// `text` is sound UTF-8, before and after.
  virtual void apply(std::string& text) const = 0;
};
using NormalizerPtr = std::unique_ptr<const Normalizer>;

NormalizerPtr make_form(Form form);
NormalizerPtr make_lowercase();
/// Leaves out marks: as BERT has it those of no width (Mn), else all (M).
NormalizerPtr make_strip_accents();
NormalizerPtr make_strip(bool left, bool right);
NormalizerPtr make_prepend(std::string prefix);
NormalizerPtr make_replace(std::string from, std::string to);
NormalizerPtr make_replace(Pattern pattern, std::string to);
NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps);

struct BertNormalizerOptions {
  bool clean_text = true;            ///< without control characters, white space as ' '
  bool handle_chinese_chars = true;  ///< ' ' around each of CJK's characters
  bool strip_accents = true;
  bool lowercase = true;
};
NormalizerPtr make_bert_normalizer(BertNormalizerOptions options);

/// SentencePiece's table of characters and what they become (its `precompiled_charsmap`). Throws Error for one that is
/// damaged.
NormalizerPtr make_charsmap(std::string bytes);

}  // namespace monza::text
