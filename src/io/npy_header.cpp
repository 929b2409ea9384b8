#include "io/npy_header.h"

#include <charconv>

#include "base/error.h"

namespace monza::io {
namespace {

constexpr std::size_t kMaxRankInFile = 64;  // NumPy's own limit

/// A reader of the few Python literals that a header is made of.
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("the array's header does not parse at character {}: expected '{}'", at_, c);
  }
  std::string string() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"'))
      fail("the array's header does not parse at character {}: expected a string", at_);
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) fail("the array's header holds a string without an end");
    std::string found(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return found;
  }
  bool boolean() {
    skip_space();
    if (word("True")) return true;
    if (word("False")) return false;
    fail("the array's header does not parse at character {}: expected True or False", at_);
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> numbers;
    expect('(');
    while (!accept(')')) {
      numbers.push_back(number());
      if (numbers.size() > kMaxRankInFile) fail("the array has more than {} dimensions", kMaxRankInFile);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return numbers;
  }
  void end() {
    skip_space();
    if (at_ != text_.size()) fail("the array's header goes on after its end, at character {}", at_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  std::int64_t number() {
    skip_space();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0)
      fail("the array's header does not parse at character {}: expected an extent", at_);
    at_ = static_cast<std::size_t>(end - text_.data());
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // files of Python 2
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text) {
  NpyHeader header;
  bool have_descr = false, have_order = false, have_shape = false;
  Literal in(text);
  in.expect('{');
  while (!in.accept('}')) {
    const std::string key = in.string();
    in.expect(':');
    if (key == "descr") {
      if (in.accept('[')) fail_hint("save each field as an array of its own", "the array holds records");
      header.descr = in.string();
      have_descr = true;
    } else if (key == "fortran_order") {
      header.fortran_order = in.boolean();
      have_order = true;
    } else if (key == "shape") {
      header.shape = in.tuple();
      have_shape = true;
    } else {
      fail("the array's header has the unknown key '{}'", key);
    }
    if (!in.accept(',')) {
      in.expect('}');
      break;
    }
  }
  in.end();
  if (!have_descr || !have_order || !have_shape) fail("the array's header lacks descr, fortran_order or shape");
  return header;
}

}  // namespace monza::io
