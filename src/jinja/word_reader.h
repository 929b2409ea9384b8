// A template's words, one after the other: what the parsers of statements and expressions share.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "jinja/lexer.h"

namespace monza::jinja {

class WordReader {
 public:
  explicit WordReader(std::vector<Word> words) : words_(std::move(words)) {}

  const Word& now() const { return words_[at_]; }
  const Word& later(std::size_t by) const { return words_[std::min(at_ + by, words_.size() - 1)]; }
  const Word& take() { return words_[at_ + 1 < words_.size() ? at_++ : at_]; }
  bool is(Word::Kind kind) const { return now().kind == kind; }
  bool is_sign(std::string_view text) const { return is(Word::Kind::sign) && now().text == text; }
  bool is_name(std::string_view text) const { return is(Word::Kind::name) && now().text == text; }
  bool take_sign(std::string_view text) { return is_sign(text) && (take(), true); }
  bool take_name(std::string_view text) { return is_name(text) && (take(), true); }
  void need_sign(std::string_view text) {
    if (!take_sign(text)) unexpected(text);
  }
  void need_name(std::string_view text) {
    if (!take_name(text)) unexpected(text);
  }
  std::string need_name() {
    if (!is(Word::Kind::name)) unexpected("a name");
    return take().text;
  }
  [[noreturn]] void unexpected(std::string_view wanted) const {
    const bool shown = is(Word::Kind::name) || is(Word::Kind::sign);
    fail("line {}: there is {} where {} should be", now().line,
         shown ? "'" + now().text + "'" : std::string(is(Word::Kind::literal) ? "a literal" : "the end of a tag"),
         wanted);
  }

 private:
  std::vector<Word> words_;
  std::size_t at_ = 0;
};

}  // namespace monza::jinja
