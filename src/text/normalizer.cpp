#include "text/normalizer.h"

#include <algorithm>

#include "base/utf8.h"

namespace monza::text {
namespace {

/// Calls `each(out, code)` with every character; what it adds to `out` is the new text.
template <typename Each>
void map_characters(std::string& text, Each each) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    each(out, c.code);
    at += c.bytes;
  }
  text = std::move(out);
}

class FormStep final : public Normalizer {
 public:
  explicit FormStep(Form form) : form_(form) {}
  void apply(std::string& text) const override { text = Unicode::get().normalized(text, form_); }

 private:
  const Form form_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    const Unicode& unicode = Unicode::get();
    map_characters(text, [&](std::string& out, char32_t c) { unicode.append_lower(out, c); });
  }
};

class StripAccents final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    const Unicode& unicode = Unicode::get();
    map_characters(text, [&](std::string& out, char32_t c) {
      if (!unicode.in(c, kMarks)) append_utf8(out, c);
    });
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    std::size_t begin = 0, end = text.size();
    while (right_ && end > 0 && is_space(character_at(text, before(text, end)).code)) end = before(text, end);
    while (left_ && begin < end) {
      const Character c = character_at(text, begin);
      if (!is_space(c.code)) break;
      begin += c.bytes;
    }
    text = text.substr(begin, end - begin);
  }

 private:
  const bool left_, right_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  const std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void apply(std::string& text) const override {
    if (from_.empty()) return;
    std::string out;
    std::size_t at = 0;
    for (std::size_t found = 0; (found = text.find(from_, at)) != std::string::npos; at = found + from_.size())
      out.append(text, at, found - at).append(to_);
    if (at > 0) text = out.append(text, at);
  }

 private:
  const std::string from_, to_;
};

class ReplacePattern final : public Normalizer {
 public:
  ReplacePattern(Pattern pattern, std::string to) : pattern_(std::move(pattern)), to_(std::move(to)) {}
  void apply(std::string& text) const override {
    std::string out;
    Pattern::Steps steps(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const Pattern::Match match = pattern_.find(text, at, steps);
      out.append(text, at, match.begin - at);
      if (match.begin < text.size()) out += to_;
      at = match.end;
    }
    text = std::move(out);
  }

 private:
  const Pattern pattern_;
  const std::string to_;
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(std::string& text) const override {
    for (const NormalizerPtr& step : steps_) step->apply(text);
  }

 private:
  const std::vector<NormalizerPtr> steps_;
};

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(BertNormalizerOptions options) : options_(options) {}
  void apply(std::string& text) const override {
    const Unicode& unicode = Unicode::get();
    map_characters(text, [&](std::string& out, char32_t c) {
      if (options_.clean_text) {
        const bool keep = c == '\t' || c == '\n' || c == '\r';
        if (c == 0xFFFD || (!keep && unicode.in(c, kOther & ~(1u << Cn)))) return;
        if (unicode.in(c, kWhiteSpace)) c = ' ';
      }
      const bool alone = options_.handle_chinese_chars && is_cjk(c);
      if (alone) out += ' ';
      append_utf8(out, c);
      if (alone) out += ' ';
    });
    if (options_.strip_accents) {
      text = unicode.normalized(text, Form::nfd);
      map_characters(text, [&](std::string& out, char32_t c) {
        if (!unicode.in(c, 1u << Mn)) append_utf8(out, c);
      });
    }
    if (options_.lowercase) map_characters(text, [&](std::string& out, char32_t c) { unicode.append_lower(out, c); });
  }

 private:
  const BertNormalizerOptions options_;
};

}  // namespace

NormalizerPtr make_form(Form form) { return std::make_unique<FormStep>(form); }
NormalizerPtr make_lowercase() { return std::make_unique<Lowercase>(); }
NormalizerPtr make_strip_accents() { return std::make_unique<StripAccents>(); }
NormalizerPtr make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
NormalizerPtr make_prepend(std::string prefix) { return std::make_unique<Prepend>(std::move(prefix)); }
NormalizerPtr make_replace(std::string from, std::string to) {
  return std::make_unique<Replace>(std::move(from), std::move(to));
}
NormalizerPtr make_replace(Pattern pattern, std::string to) {
  return std::make_unique<ReplacePattern>(std::move(pattern), std::move(to));
}
NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps) { return std::make_unique<Sequence>(std::move(steps)); }
NormalizerPtr make_bert_normalizer(BertNormalizerOptions options) { return std::make_unique<BertNormalizer>(options); }

}  // namespace monza::text
