#include "jinja/lexer.h"

#include <array>
#include <charconv>

#include "base/error.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

constexpr std::size_t kMaxWords = 200'000;
// The longer ones first: "//" is no two "/".
constexpr std::array<std::string_view, 26> kSigns = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                     "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                     ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool in_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

/// One kind of line feed, and none at the end, as Jinja reads a source.
std::string plain_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string_view without_space_behind(std::string_view text) {
  while (!text.empty()) {
    const std::size_t at = text::before(text, text.size());
    if (!text::is_space(text::character_at(text, at).code)) break;
    text = text.substr(0, at);
  }
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(plain_lines(source)) {}

  std::vector<Word> words() {
    while (at_ < source_.size()) data();
    add(Word::Kind::end);
    return std::move(words_);
  }

 private:
  [[noreturn]] void bad(std::string_view what) const { fail("line {}: {}", line_, what); }
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  void add(Word::Kind kind, std::string text = {}, Value value = None{}) {
    if (words_.size() >= kMaxWords) fail("the template has more than {} words", kMaxWords);
    words_.push_back({kind, std::move(text), std::move(value), line_});
  }
  void advance(std::size_t bytes) {
    for (const std::size_t end = at_ + bytes; at_ < end; ++at_) line_ += source_[at_] == '\n';
  }
  bool take(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    advance(text.size());
    return true;
  }
  void skip_space() {
    while (at_ < source_.size()) {
      const auto c = text::character_at(source_, at_);
      if (!text::is_space(c.code)) break;
      advance(c.bytes);
    }
  }

  /// Where the next {{, {% or {# is, or the end.
  std::size_t next_tag() const {
    std::size_t open = source_.find('{', at_);
    while (open != source_.npos) {
      const char c = open + 1 < source_.size() ? source_[open + 1] : ' ';
      if (c == '{' || c == '%' || c == '#') return open;
      open = source_.find('{', open + 1);
    }
    return source_.size();
  }

  /// Text up to the next tag, and the tag.
  void data() {
    const std::size_t open = next_tag();
    std::string_view text = rest().substr(0, open - at_);
    if (open == source_.size()) return add_data(text), advance(text.size());
    const char kind = source_[open + 1], sign = open + 2 < source_.size() ? source_[open + 2] : ' ';
    if (sign == '-') text = without_space_behind(text);
    else if (sign != '+' && kind != '{') text = without_indent(text);
    add_data(text);
    advance(open - at_ + 2);
    if (sign == '-' || (sign == '+' && kind != '#')) advance(1);
    if (kind == '#') return comment();
    if (kind == '{') return add(Word::Kind::output), inside(Word::Kind::output_end, "}}");
    if (raw()) return;
    add(Word::Kind::tag);
    inside(Word::Kind::tag_end, "%}");
  }

  void add_data(std::string_view text) {
    if (!text.empty()) add(Word::Kind::data, std::string(text));
  }

  /// What lstrip_blocks takes away: white space between the begin of a line and its first tag.
  std::string_view without_indent(std::string_view text) const {
    const std::size_t line = text.rfind('\n') + 1;  // 0 where there is none
    if (line == 0 && !(at_ == 0 || source_[at_ - 1] == '\n')) return text;
    return without_space_behind(text.substr(line)).empty() ? text.substr(0, line) : text;
  }

  /// Behind a tag that ends: "-" takes all white space away, "+" nothing, and nothing the line feed.
  void behind(bool stripped, bool kept) {
    if (stripped) skip_space();
    else if (!kept) take("\n");
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == source_.npos) bad("a comment has no end");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    advance(end + 2 - at_);
    behind(sign == '-', sign == '+');
  }

  /// {% raw %} to {% endraw %}: text as it is. False where the tag is another.
  bool raw() {
    const std::size_t begin = at_;
    const int line = line_;
    skip_space();
    if (!take("raw") || (skip_space(), false)) return rewind(begin, line);
    const bool stripped = take("-"), kept = !stripped && take("+");
    if (!take("%}")) return rewind(begin, line);
    behind(stripped, kept);
    const std::size_t from = at_;
    for (std::size_t open = source_.find("{%", at_); open != source_.npos; open = source_.find("{%", open + 2)) {
      advance(open + 2 - at_);
      const bool strip_before = take("-");
      if (!strip_before) take("+");
      skip_space();
      if (!take("endraw")) continue;
      skip_space();
      const bool strip_behind = take("-"), keep_behind = !strip_behind && take("+");
      if (!take("%}")) continue;
      const std::string_view text = std::string_view(source_).substr(from, open - from);
      add_data(strip_before ? without_space_behind(text) : text);
      behind(strip_behind, keep_behind);
      return true;
    }
    bad("{% raw %} has no {% endraw %}");
  }
  bool rewind(std::size_t at, int line) {
    at_ = at, line_ = line;
    return false;
  }

  /// The words of a tag up to its end.
  void inside(Word::Kind end_kind, std::string_view end) {
    const int begin = line_;
    for (int open = 0;;) {  // brackets: }} in them is no end
      skip_space();
      if (at_ >= source_.size()) fail("line {}: a tag has no end", begin);
      if (open == 0) {
        const char sign = source_[at_];
        if ((sign == '-' || (sign == '+' && end == "%}")) && rest().substr(1).starts_with(end)) {
          advance(3);
          add(end_kind);
          if (sign == '-') skip_space();
          return;
        }
        if (take(end)) {
          add(end_kind);
          if (end == "%}") take("\n");
          return;
        }
      }
      const char c = source_[at_];
      if (c == '(' || c == '[' || c == '{') ++open;
      if ((c == ')' || c == ']' || c == '}') && open > 0) --open;
      word(c);
    }
  }

  void word(char c) {
    if (c == '\'' || c == '"') return quoted(c);
    if (is_digit(c)) return number();
    if (in_name(c)) {
      std::size_t n = 1;
      while (n < rest().size() && in_name(rest()[n])) ++n;
      add(Word::Kind::name, std::string(rest().substr(0, n)));
      return advance(n);
    }
    for (const std::string_view sign : kSigns)
      if (rest().starts_with(sign)) return add(Word::Kind::sign, std::string(sign)), advance(sign.size());
    fail("line {}: the character '{}' has no place in a tag", line_,
         rest().substr(0, text::character_at(source_, at_).bytes));
  }

  void number() {
    std::string digits;
    bool fraction = false;
    while (at_ < source_.size()) {
      const char c = source_[at_], next = at_ + 1 < source_.size() ? source_[at_ + 1] : ' ';
      if (is_digit(c)) digits += c;
      else if (c == '.' && !fraction && is_digit(next)) digits += c, fraction = true;
      else if ((c == 'e' || c == 'E') && (is_digit(next) || next == '-' || next == '+'))
        digits += c, digits += next, fraction = true, advance(1);
      else if (c != '_') break;
      advance(1);
    }
    const char *begin = digits.data(), *end = begin + digits.size();
    std::int64_t integer = 0;
    double real = 0;
    if (fraction) {
      if (const auto r = std::from_chars(begin, end, real); r.ec != std::errc() || r.ptr != end)
        bad("a number is none");
      return add(Word::Kind::literal, {}, real);
    }
    if (std::from_chars(begin, end, integer).ec != std::errc()) bad("an integer has more than 64 bits");
    add(Word::Kind::literal, {}, integer);
  }

  void quoted(char quote) {
    const int begin = line_;
    std::string text;
    advance(1);
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] == '\\' && at_ + 1 < source_.size()) escape(text);
      else text += source_[at_], advance(1);
    }
    if (at_ >= source_.size()) fail("line {}: a text has no end", begin);
    advance(1);
    add(Word::Kind::literal, {}, std::move(text));
  }

  /// Python's escapes; a backslash before another character is itself.
  void escape(std::string& text) {
    constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
    const char c = source_[at_ + 1];
    if (const std::size_t i = kFrom.find(c); i != kFrom.npos) return text += kTo[i], advance(2);
    if (c == '\n') return advance(2);
    const bool octal = c >= '0' && c <= '7';
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
    if (!octal && digits == 3) return text += '\\', advance(1);
    const std::string_view field = rest().substr(octal ? 1 : 2, digits);
    std::uint32_t code = 0;
    const auto read = std::from_chars(field.data(), field.data() + field.size(), code, octal ? 8 : 16);
    const auto used = static_cast<std::size_t>(read.ptr - field.data());
    if (read.ec != std::errc() || (!octal && used != digits)) bad("an escape in a text has too few digits");
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) bad("an escape in a text names no character");
    append_utf8(text, code);
    advance(used + (octal ? 1 : 2));
  }

  const std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Word> words_;
};

}  // namespace

std::vector<Word> words_of(std::string_view source) {
  if (utf8_fault(source) != source.npos) fail("the template is not UTF-8");
  return Lexer(source).words();
}

}  // namespace monza::jinja
