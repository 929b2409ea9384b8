#include "grammar/regex_parser.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace monza::grammar {
namespace {

constexpr std::uint32_t kMaxRepeat = 100'000;
constexpr std::string_view kSpecial = "?*+{}()[]|^$.\\/-";

CodeSet digits() { return CodeSet('0', '9'); }
CodeSet word() {
  CodeSet set('a', 'z');
  set.add('A', 'Z'), set.add('0', '9'), set.add('_', '_');
  return set;
}
CodeSet space() {
  CodeSet set(9, 13);
  for (const char32_t c : {0x20, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF}) set.add(c, c);
  set.add(0x2000, 0x200A);
  return set;
}

using text::CategoryMask;
/// Names of general categories, short and as long as patterns really have them.
CategoryMask category_of(std::string_view name) {
  using namespace text;
  static const std::map<std::string_view, CategoryMask> kNames = {{"L", kLetters},
                                                                  {"Letter", kLetters},
                                                                  {"M", kMarks},
                                                                  {"N", kNumbers},
                                                                  {"Number", kNumbers},
                                                                  {"P", kPunctuation},
                                                                  {"Punctuation", kPunctuation},
                                                                  {"punct", kPunctuation},
                                                                  {"S", kSymbols},
                                                                  {"Symbol", kSymbols},
                                                                  {"Z", kSeparators},
                                                                  {"Separator", kSeparators},
                                                                  {"C", kOther},
                                                                  {"Lu", 1u << Lu},
                                                                  {"Uppercase_Letter", 1u << Lu},
                                                                  {"Ll", 1u << Ll},
                                                                  {"Lowercase_Letter", 1u << Ll},
                                                                  {"Lt", 1u << Lt},
                                                                  {"Lm", 1u << Lm},
                                                                  {"Lo", 1u << Lo},
                                                                  {"Mn", 1u << Mn},
                                                                  {"Mc", 1u << Mc},
                                                                  {"Me", 1u << Me},
                                                                  {"Nd", 1u << Nd},
                                                                  {"digit", 1u << Nd},
                                                                  {"Decimal_Number", 1u << Nd},
                                                                  {"Nl", 1u << Nl},
                                                                  {"No", 1u << No},
                                                                  {"Pc", 1u << Pc},
                                                                  {"Pd", 1u << Pd},
                                                                  {"Ps", 1u << Ps},
                                                                  {"Pe", 1u << Pe},
                                                                  {"Pi", 1u << Pi},
                                                                  {"Pf", 1u << Pf},
                                                                  {"Po", 1u << Po},
                                                                  {"Sm", 1u << Sm},
                                                                  {"Sc", 1u << Sc},
                                                                  {"Sk", 1u << Sk},
                                                                  {"So", 1u << So},
                                                                  {"Zs", 1u << Zs},
                                                                  {"Zl", 1u << Zl},
                                                                  {"Zp", 1u << Zp},
                                                                  {"Cc", 1u << Cc},
                                                                  {"cntrl", 1u << Cc},
                                                                  {"Cf", 1u << Cf}};
  const auto found = kNames.find(name);
  return found == kNames.end() ? 0 : found->second;
}

}  // namespace

void RegexParser::refuse(std::string_view what) const { fail("pattern '{}', byte {}: {}", pattern_, at_, what); }

bool RegexParser::accept(std::string_view text) {
  if (!pattern_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

char32_t RegexParser::take() {
  if (done()) refuse("it ends too early");
  const std::size_t n = utf8_bytes(pattern_.substr(at_));
  at_ += n;
  return utf8_code(pattern_.substr(at_ - n, n));
}

RegexNode RegexParser::parse() {
  if (utf8_fault(pattern_) != std::string_view::npos) refuse("it is not UTF-8");
  RegexNode all = alternatives();
  if (!done()) refuse("a ')' that closes nothing");
  return all;
}

RegexNode RegexParser::alternatives() {
  if (++depth_ > budget_.limits().depth) refuse("groups are nested too deep");
  RegexNode all{RegexNode::Kind::choice};
  all.children.emplace_back();
  while (!done() && pattern_[at_] != ')') {
    budget_.work(8);
    if (accept("|")) all.children.emplace_back();
    else all.children.back().children.push_back(atom());
  }
  --depth_;
  return all;
}

RegexNode RegexParser::atom() {
  RegexNode node{RegexNode::Kind::set};
  if (accept("(")) {
    node = group();
  } else if (accept("[")) {
    node.set = bracket();
  } else if (accept("^")) {
    return {RegexNode::Kind::begin};
  } else if (accept("$")) {
    return {RegexNode::Kind::end};
  } else if (accept(".")) {
    for (const char32_t c : {0x0A, 0x0D, 0x2028, 0x2029}) node.set.add(c, c);
    node.set = node.set.inverted();
  } else if (accept("\\")) {
    char32_t one = 0;
    if (escape(node.set, one)) node.set.add(one, one);
  } else {
    const char32_t c = take();
    if (c == '?' || c == '*' || c == '+') refuse("a quantifier of nothing");
    node.set.add(c, c);
  }
  quantifier(node);
  return node;
}

RegexNode RegexParser::group() {
  RegexNode::Kind kind = RegexNode::Kind::choice;
  if (accept("?=")) kind = RegexNode::Kind::ahead;
  else if (accept("?!")) kind = RegexNode::Kind::not_ahead;
  else if (accept("?<=") || accept("?<!")) refuse("look-behind is not supported");
  else if (accept("?<")) {
    while (!accept(">")) (void)take();
  } else if (!accept("?:") && accept("?")) {
    refuse("this kind of group is not supported");
  }
  RegexNode node = alternatives();
  if (!accept(")")) refuse("a group that is not closed");
  if (kind == RegexNode::Kind::choice) return node;
  return {kind, {}, 1, 1, {std::move(node)}};
}

std::uint32_t RegexParser::number() {
  std::uint32_t value = 0;
  for (; !done() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
    value = value * 10 + static_cast<std::uint32_t>(pattern_[at_] - '0');
    if (value > kMaxRepeat) refuse("a number of repetitions above 100000");
  }
  return value;
}

void RegexParser::quantifier(RegexNode& node) {
  std::uint32_t min = 1, max = 1;
  if (accept("?")) min = 0;
  else if (accept("*")) min = 0, max = kMany;
  else if (accept("+")) max = kMany;
  else if (at_ + 1 < pattern_.size() && pattern_[at_] == '{' && pattern_[at_ + 1] >= '0' && pattern_[at_ + 1] <= '9') {
    ++at_;
    max = min = number();
    if (accept(",")) max = !done() && pattern_[at_] == '}' ? kMany : number();
    if (!accept("}") || max < min) refuse("a quantifier that is none");
  } else {
    return;
  }
  (void)accept("?");  // lazy
  if (node.kind == RegexNode::Kind::ahead || node.kind == RegexNode::Kind::not_ahead)
    refuse("a quantifier of look-ahead");
  RegexNode inner = std::move(node);
  node = {RegexNode::Kind::repeat, {}, min, max, {}};
  node.children.push_back(std::move(inner));
}

CodeSet RegexParser::bracket() {
  CodeSet set;
  const bool others = accept("^");
  while (!accept("]")) {
    char32_t first = 0, last = 0;
    const auto one = [&](char32_t& c) {
      if (accept("\\")) {
        if (accept("b")) return c = 8, true;
        return escape(set, c);
      }
      return c = take(), true;
    };
    if (!one(first)) continue;
    last = first;
    if (at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']') {
      ++at_;
      if (!one(last)) set.add('-', '-'), last = first;
      else if (last < first) refuse("a range that is none");
    }
    set.add(first, last);
  }
  return others ? set.inverted() : set;
}

bool RegexParser::escape(CodeSet& set, char32_t& one) {
  const char32_t c = take();
  switch (c) {
    case 's': set.add(space()); return false;
    case 'S': set.add(space().inverted()); return false;
    case 'd': set.add(digits()); return false;
    case 'D': set.add(digits().inverted()); return false;
    case 'w': set.add(word()); return false;
    case 'W': set.add(word().inverted()); return false;
    case 'p': property(set, false); return false;
    case 'P': property(set, true); return false;
    case 'n': one = '\n'; return true;
    case 'r': one = '\r'; return true;
    case 't': one = '\t'; return true;
    case 'f': one = '\f'; return true;
    case 'v': one = '\v'; return true;
    case '0': one = 0; return true;
    case 'c':
      one = take();
      if ((one | 32) < 'a' || (one | 32) > 'z') refuse("\\c needs a letter");
      one &= 31;
      return true;
    case 'x': one = hex(2); return true;
    case 'u': one = unicode_escape(); return true;
    default: break;
  }
  if (c >= '1' && c <= '9') refuse("back-references are not supported");
  if (c == 'b' || c == 'B') refuse("borders of words are not supported");
  const bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
  if (letter) refuse("this escape is not supported");
  one = c;
  return true;
}

char32_t RegexParser::unicode_escape() {
  if (accept("{")) {
    const std::size_t end = pattern_.find('}', at_);
    const char32_t code = hex(end == std::string_view::npos ? 0 : end - at_);
    (void)accept("}");
    return code;
  }
  const char32_t high = hex(4);
  if (high < 0xD800 || high >= 0xDC00 || !accept("\\u")) return high;
  const char32_t low = hex(4);
  if (low < 0xDC00 || low >= 0xE000) refuse("half a character");
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

char32_t RegexParser::hex(std::size_t digits) {
  char32_t value = 0;
  if (digits == 0 || digits > 6 || at_ + digits > pattern_.size()) refuse("a code point that is none");
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = pattern_[at_++], low = static_cast<char>(c | 32);
    const int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
    if (digit < 0) refuse("a code point that is none");
    value = value << 4 | static_cast<char32_t>(digit);
  }
  if (value > 0x10FFFF) refuse("a code point that is none");
  return value;
}

void RegexParser::property(CodeSet& set, bool others) {
  if (!accept("{")) refuse("a property without braces");
  const std::size_t end = std::min(pattern_.find('}', at_), pattern_.size());
  std::string_view name = pattern_.substr(at_, end - at_);
  for (const std::string_view prefix : {"General_Category=", "gc="})
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  const CategoryMask mask = category_of(name);
  if (mask == 0) refuse("this property is not supported");
  at_ = end;
  if (!accept("}")) refuse("a property without braces");
  budget_.work(200'000);  // all characters are looked at
  CodeSet found;
  const text::Unicode& unicode = text::Unicode::get();
  for (char32_t c = 0, first = 0; c <= 0x110000; ++c) {
    const bool in = c < 0x110000 && unicode.in(c, mask);
    if (in && (c == 0 || !unicode.in(c - 1, mask))) first = c;
    if (!in && c > 0 && unicode.in(c - 1, mask)) found.add(first, c - 1);
  }
  set.add(others ? found.inverted() : found);
}

}  // namespace monza::grammar
