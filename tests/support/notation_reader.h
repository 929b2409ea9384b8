// The words of the notations that tests are written in: names, strings, numbers, lists.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace monza::test {

/// A list or scalar as written.
struct Literal {
  std::vector<std::string> words;
  bool text = false, real = false, list = false;
};

class NotationReader {
 public:
  explicit NotationReader(std::string_view text) : text_(text) {}

 protected:
  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    const auto head = text_.substr(0, std::min(at_, text_.size()));
    const auto newline = head.rfind('\n');
    throw Error(fmt::format(format, std::forward<Args>(args)...))
        .at(fmt::format("the notation, line {}, column {}", std::count(head.begin(), head.end(), '\n') + 1,
                        at_ - (newline == head.npos ? 0 : newline + 1) + 1));
  }
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool end() {
    while (peek() == ';') ++at_;
    return at_ >= text_.size();
  }
  bool take(char c) { return peek() == c && at_ < text_.size() ? (++at_, true) : false; }
  void expect(char c) {
    if (!take(c)) bad("'{}' is expected", c);
  }
  static bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }
  /// A name, or "any text".
  std::string word() {
    if (peek() == '"') return string();
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_word(text_[at_])) ++at_;
    if (begin == at_) bad("a name is expected");
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string_view next_word() {
    peek();
    std::size_t end = at_;
    while (end < text_.size() && in_word(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool take_word(std::string_view w) {
    if (next_word() != w) return false;
    at_ += w.size();
    return true;
  }
  std::string string() {
    expect('"');
    std::string s;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      s += text_[at_];
    }
    expect('"');
    return s;
  }
  std::string name_or_absent() {
    std::string name = word();
    return name == "_" ? std::string() : name;
  }
  std::string number() {
    peek();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (in_word(text_[at_]) || text_[at_] == '-' || text_[at_] == '+')) ++at_;
    if (begin == at_) bad("a number is expected");
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::int64_t integer() { return to_integer(number()); }
  std::int64_t to_integer(const std::string& text) const {
    std::int64_t v = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (error != std::errc() || end != text.data() + text.size()) bad("'{}' is no integer", text);
    return v;
  }
  double to_real(const std::string& text) const {
    std::size_t used = 0;
    double v = 0;
    try {
      v = std::stod(text, &used);
    } catch (const std::exception&) {
    }
    if (used != text.size() || text.empty()) bad("'{}' is no number", text);
    return v;
  }
  Literal literal() {
    Literal l;
    const auto one = [&] {
      l.text |= peek() == '"';
      l.words.push_back(peek() == '"' ? string() : number());
      l.real |= !l.text && l.words.back().find_first_of(".en") != std::string::npos;
    };
    if (peek() != '[') return one(), l;
    l.list = true;
    int depth = 0;
    do {
      if (take('[')) ++depth;
      else if (take(']')) --depth;
      else if (take(',')) continue;
      else one();
    } while (depth > 0);
    return l;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace monza::test
