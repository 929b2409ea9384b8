#include "text/pre_tokenizer.h"

#include "base/error.h"
#include "text/unicode.h"

namespace monza::text {
namespace {

/// The parts of a text, in order: separators (what matched) and what lies between them.
struct Part {
  std::size_t begin, end;
  bool separator;
};

void add_parts(std::string_view text, const std::vector<Part>& parts, SplitBehavior behavior,
               std::vector<std::string_view>& out) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t begin = parts[i].begin;
    std::size_t end = parts[i].end;
    switch (behavior) {
      case SplitBehavior::removed:
        if (parts[i].separator) continue;
        break;
      case SplitBehavior::isolated: break;
      case SplitBehavior::merged_with_previous:
        if (!parts[i].separator && i + 1 < parts.size() && parts[i + 1].separator) end = parts[i + 1].end;
        break;
      case SplitBehavior::merged_with_next:
        if (parts[i].separator && i + 1 < parts.size() && !parts[i + 1].separator) end = parts[i + 1].end;
        break;
      case SplitBehavior::contiguous:
        while (i + 1 < parts.size() && parts[i + 1].separator == parts[i].separator) end = parts[++i].end;
        break;
    }
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    if (end > parts[i].end) ++i;  // it took the next one
  }
}

/// Splits every word by what `find_parts(text, parts)` adds to `parts`.
template <typename FindParts>
void split_words(Words& words, SplitBehavior behavior, FindParts find_parts) {
  std::vector<std::string_view> out;
  out.reserve(words.words.size() * 2);
  std::vector<Part> parts;
  for (const std::string_view word : words.words) {
    parts.clear();
    find_parts(word, parts);
    add_parts(word, parts, behavior, out);
  }
  words.words = std::move(out);
}

void add_part(std::vector<Part>& parts, std::size_t begin, std::size_t end, bool separator) {
  if (end > begin) parts.push_back({begin, end, separator});
}

class PatternSplit final : public PreTokenizer {
 public:
  PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(Words& words) const override {
    split_words(words, behavior_, [&](std::string_view text, std::vector<Part>& parts) {
      Pattern::Steps steps(text.size());
      for (std::size_t at = 0; at < text.size();) {
        const Pattern::Match match = pattern_.find(text, at, steps);
        add_part(parts, at, match.begin, invert_);
        add_part(parts, match.begin, match.end, !invert_);
        at = match.end;
      }
    });
  }

 private:
  const Pattern pattern_;
  const SplitBehavior behavior_;
  const bool invert_;
};

class TextSplit final : public PreTokenizer {
 public:
  TextSplit(std::string text, SplitBehavior behavior, bool invert)
      : text_(std::move(text)), behavior_(behavior), invert_(invert) {
    if (text_.empty()) fail("a tokenizer splits by a text that is empty");
  }
  void apply(Words& words) const override {
    split_words(words, behavior_, [&](std::string_view text, std::vector<Part>& parts) {
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t found = std::min(text.find(text_, at), text.size());
        const std::size_t end = std::min(found + text_.size(), text.size());
        add_part(parts, at, found, invert_);
        add_part(parts, found, end, !invert_);
        at = end;
      }
    });
  }

 private:
  const std::string text_;
  const SplitBehavior behavior_;
  const bool invert_;
};

bool is_punctuation(char32_t c) {
  if (c < 128) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return Unicode::get().in(c, kPunctuation);
}

/// Splits at characters of a kind, each a separator of its own.
class CharacterSplit final : public PreTokenizer {
 public:
  CharacterSplit(bool (*separates)(char32_t), SplitBehavior behavior) : separates_(separates), behavior_(behavior) {}
  void apply(Words& words) const override {
    split_words(words, behavior_, [&](std::string_view text, std::vector<Part>& parts) {
      std::size_t begin = 0;
      for (std::size_t at = 0; at < text.size();) {
        const Character c = character_at(text, at);
        if (separates_(c.code)) {
          add_part(parts, begin, at, false);
          add_part(parts, at, at + c.bytes, true);
          begin = at + c.bytes;
        }
        at += c.bytes;
      }
      add_part(parts, begin, text.size(), false);
    });
  }

 private:
  bool (*const separates_)(char32_t);
  const SplitBehavior behavior_;
};

class BertWords final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    split_words(words, SplitBehavior::isolated, [](std::string_view text, std::vector<Part>& parts) {
      std::size_t begin = 0;
      for (std::size_t at = 0; at < text.size();) {
        const Character c = character_at(text, at);
        const bool space = is_space(c.code);
        if (space || is_punctuation(c.code)) {
          add_part(parts, begin, at, false);
          begin = at + c.bytes;
          if (!space) add_part(parts, at, begin, true);
        }
        at += c.bytes;
      }
      add_part(parts, begin, text.size(), false);
    });
  }
};

class PrefixSpace final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    for (std::string_view& word : words.words)
      if (!word.starts_with(' ')) word = words.owned.emplace_back(" ").append(word);
  }
};

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(std::string mark, PrependScheme scheme, bool split)
      : mark_(std::move(mark)),
        scheme_(scheme),
        split_(mark_, SplitBehavior::merged_with_next, false),
        splits_(split) {}
  void apply(Words& words) const override {
    for (std::string_view& word : words.words) {
      std::string& text = words.owned.emplace_back();
      for (const char c : word) c == ' ' ? text += mark_ : text += c;
      const bool begins = scheme_ == PrependScheme::always ||
                          (scheme_ == PrependScheme::first && words.begins && &word == &words.words.front());
      if (begins && !text.starts_with(mark_)) text.insert(0, mark_);
      word = text;
    }
    if (splits_) split_.apply(words);
  }

 private:
  const std::string mark_;
  const PrependScheme scheme_;
  const TextSplit split_;
  const bool splits_;
};

}  // namespace

PreTokenizerPtr make_split(Pattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<PatternSplit>(std::move(pattern), behavior, invert);
}
PreTokenizerPtr make_split(const std::string& text, SplitBehavior behavior, bool invert) {
  return std::make_unique<TextSplit>(text, behavior, invert);
}
PreTokenizerPtr make_bert_words() { return std::make_unique<BertWords>(); }
PreTokenizerPtr make_whitespace_split() { return std::make_unique<CharacterSplit>(is_space, SplitBehavior::removed); }
PreTokenizerPtr make_whitespace() { return make_split(Pattern("\\w+|[^\\w\\s]+"), SplitBehavior::removed, true); }
PreTokenizerPtr make_punctuation(SplitBehavior behavior) {
  return std::make_unique<CharacterSplit>(is_punctuation, behavior);
}
PreTokenizerPtr make_digits(bool individual) {
  const auto digit = [](char32_t c) { return Unicode::get().in(c, kNumbers); };
  return std::make_unique<CharacterSplit>(digit, individual ? SplitBehavior::isolated : SplitBehavior::contiguous);
}
PreTokenizerPtr make_prefix_space() { return std::make_unique<PrefixSpace>(); }
PreTokenizerPtr make_gpt2_words() {
  return make_split(Pattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"),
                    SplitBehavior::isolated, false);
}
PreTokenizerPtr make_metaspace(std::string mark, PrependScheme scheme, bool split) {
  return std::make_unique<Metaspace>(std::move(mark), scheme, split);
}

}  // namespace monza::text
