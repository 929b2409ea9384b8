#include "text/pattern_parser.h"

#include <limits>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace monza::text {
namespace {

struct Property {
  std::string_view name;
  CategoryMask mask;
};
constexpr Property kProperties[] = {
    {"L", kLetters},  {"M", kMarks},    {"N", kNumbers},  {"P", kPunctuation}, {"S", kSymbols},  {"Z", kSeparators},
    {"C", kOther},    {"Lu", 1u << Lu}, {"Ll", 1u << Ll}, {"Lt", 1u << Lt},    {"Lm", 1u << Lm}, {"Lo", 1u << Lo},
    {"Mn", 1u << Mn}, {"Mc", 1u << Mc}, {"Me", 1u << Me}, {"Nd", 1u << Nd},    {"Nl", 1u << Nl}, {"No", 1u << No},
    {"Pc", 1u << Pc}, {"Pd", 1u << Pd}, {"Ps", 1u << Ps}, {"Pe", 1u << Pe},    {"Pi", 1u << Pi}, {"Pf", 1u << Pf},
    {"Po", 1u << Po}, {"Sm", 1u << Sm}, {"Sc", 1u << Sc}, {"Sk", 1u << Sk},    {"So", 1u << So}, {"Zs", 1u << Zs},
    {"Zl", 1u << Zl}, {"Zp", 1u << Zp}, {"Cc", 1u << Cc}, {"Cf", 1u << Cf},    {"Co", 1u << Co}, {"Cn", 1u << Cn},
};

/// \w, as Oniguruma has it.
constexpr CategoryMask kWord = kLetters | kMarks | 1u << Nd | 1u << Pc;

}  // namespace

void PatternParser::refuse(std::string_view what) const {
  fail_hint("a tokenizer with patterns of characters, sets, groups and look-ahead", "pattern '{}', byte {}: {}",
            pattern_, at_, what);
}

bool PatternParser::accept(std::string_view text) {
  if (!pattern_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

char32_t PatternParser::take() {
  if (done()) refuse("it ends too early");
  const Character c = character_at(pattern_, at_);
  at_ += c.bytes;
  return c.code;
}

std::vector<Pattern::Sequence> PatternParser::parse() {
  if (pattern_.size() > kMaxBytes) fail("a pattern has {} bytes, more than {}", pattern_.size(), kMaxBytes);
  if (utf8_fault(pattern_) != std::string_view::npos) fail("a pattern is not UTF-8");
  auto all = alternatives();
  if (!done()) refuse("a ')' that closes nothing");
  return all;
}

std::vector<Pattern::Sequence> PatternParser::alternatives() {
  if (++depth_ > kMaxDepth) refuse("groups are nested too deep");
  const bool any_case = any_case_;
  std::vector<Pattern::Sequence> all(1);
  while (!done() && pattern_[at_] != ')') {
    if (accept("|")) all.emplace_back();
    else all.back().push_back(atom());
  }
  any_case_ = any_case;
  --depth_;
  return all;
}

PatternParser::Node PatternParser::atom() {
  Node node;
  if (accept("(")) {
    node = group();
  } else if (accept("[")) {
    node = node_of(bracket());
  } else if (accept("^") || accept("$")) {
    node.kind = pattern_[at_ - 1] == '^' ? Pattern::Kind::line_begin : Pattern::Kind::line_end;
    return node;
  } else if (accept(".")) {
    CharSet set;
    set.add_range('\n', '\n');
    set.invert();
    node = node_of(std::move(set));
  } else if (accept("\\")) {
    CharSet set;
    char32_t one = 0;
    node = escape(set, one) ? node_of(one) : node_of(std::move(set));
  } else {
    const char32_t c = take();
    if (c < 128 && std::string_view("?*+{").find(static_cast<char>(c)) != std::string_view::npos)
      refuse("a quantifier of nothing");
    node = node_of(c);
  }
  quantifier(node);
  return node;
}

PatternParser::Node PatternParser::group() {
  Node node;
  node.kind = Pattern::Kind::group;
  const bool any_case = any_case_;
  if (accept("?i:")) any_case_ = true;
  else if (accept("?=")) node.kind = Pattern::Kind::ahead;
  else if (accept("?!")) node.kind = Pattern::Kind::not_ahead;
  else if (!accept("?:") && accept("?")) refuse("this kind of group is not supported");
  node.alternatives = alternatives();
  any_case_ = any_case;
  if (!accept(")")) refuse("a group that is not closed");
  return node;
}

std::uint32_t PatternParser::number() {
  std::uint32_t value = 0;
  const std::size_t begin = at_;
  for (; !done() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
    value = value * 10 + static_cast<std::uint32_t>(pattern_[at_] - '0');
    if (value > 100'000) refuse("a number above 100000");
  }
  if (at_ == begin) refuse("a number is missing");
  return value;
}

void PatternParser::quantifier(Node& node) {
  constexpr std::uint32_t many = std::numeric_limits<std::uint32_t>::max();
  bool braces = false;
  if (accept("?")) node.min = 0;
  else if (accept("*")) node.min = 0, node.max = many;
  else if (accept("+")) node.max = many;
  else if (accept("{")) {
    braces = true;
    node.min = !done() && pattern_[at_] == ',' ? 0 : number();
    node.max = node.min;
    if (accept(",")) node.max = !done() && pattern_[at_] == '}' ? many : number();
    if (!accept("}") || node.max < node.min) refuse("a quantifier that is none");
  } else {
    return;
  }
  if (accept("?")) refuse("lazy quantifiers are not supported");
  if (accept("+")) {
    if (braces) refuse("a quantifier of a quantifier");
    node.possessive = true;
  }
  if (node.kind != Pattern::Kind::set && (node.kind != Pattern::Kind::group || node.max > 1 || node.possessive))
    refuse("groups can be optional, and not be repeated");
}

CharSet PatternParser::bracket() {
  if (++depth_ > kMaxDepth) refuse("sets are nested too deep");
  CharSet set;
  if (accept("^")) set.invert();
  if (accept("]")) add_character(set, ']');
  while (!accept("]")) {
    if (done()) refuse("a set that is not closed");
    if (accept("&&")) refuse("intersections of sets are not supported");
    bracket_item(set);
  }
  set.finish();
  --depth_;
  return set;
}

void PatternParser::bracket_item(CharSet& set) {
  if (accept("[")) {
    if (accept(":")) refuse("POSIX's names of sets are not supported");
    set.add_set(bracket());
    return;
  }
  const auto one_of = [&]() -> std::optional<char32_t> {
    char32_t one = 0;
    if (!accept("\\")) return take();
    return escape(set, one) ? std::optional(one) : std::nullopt;
  };
  const std::optional<char32_t> first = one_of();
  if (!first) return;
  const std::string_view rest = pattern_.substr(at_);
  if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']') {
    add_character(set, *first);
    return;
  }
  ++at_;
  const std::optional<char32_t> last = one_of();
  if (!last || *last < *first) refuse("a range that is none");
  if (any_case_) refuse("ranges that ignore case are not supported");
  set.add_range(*first, *last);
}

bool PatternParser::escape(CharSet& set, char32_t& one) {
  const char32_t c = take();
  switch (c) {
    case 's': set.add_mask(kWhiteSpace); return false;
    case 'S': set.add_mask(kWhiteSpace, true); return false;
    case 'd': set.add_mask(1u << Nd); return false;
    case 'D': set.add_mask(1u << Nd, true); return false;
    case 'w': set.add_mask(kWord); return false;
    case 'W': set.add_mask(kWord, true); return false;
    case 'p': property(set, false); return false;
    case 'P': property(set, true); return false;
    case 'r': one = '\r'; return true;
    case 'n': one = '\n'; return true;
    case 't': one = '\t'; return true;
    case 'f': one = '\f'; return true;
    case 'v': one = '\v'; return true;
    case 'u': one = hex(4); return true;
    case 'x':
      if (!accept("{")) {
        one = hex(2);
      } else {
        std::size_t digits = 0;
        while (at_ + digits < pattern_.size() && pattern_[at_ + digits] != '}') ++digits;
        one = hex(digits);
        (void)accept("}");
      }
      return true;
    default: break;
  }
  if (c >= 128 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
    refuse("this escape is not supported");
  one = c;
  return true;
}

char32_t PatternParser::hex(std::size_t digits) {
  char32_t value = 0;
  if (digits == 0 || digits > 6 || at_ + digits > pattern_.size()) refuse("a code point that is none");
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = pattern_[at_++];
    const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (digit < 0) refuse("a code point that is none");
    value = value << 4 | static_cast<char32_t>(digit);
  }
  if (value > 0x10FFFF) refuse("a code point that is none");
  return value;
}

void PatternParser::property(CharSet& set, bool others) {
  if (!accept("{")) refuse("a property without braces");
  if (accept("^")) others = !others;
  const std::size_t end = std::min(pattern_.find('}', at_), pattern_.size());
  const std::string_view name = pattern_.substr(at_, end - at_);
  for (const Property& known : kProperties) {
    if (name != known.name) continue;
    at_ = end;
    if (!accept("}")) refuse("a property without braces");
    set.add_mask(known.mask, others);
    return;
  }
  refuse("this property is not supported");
}

void PatternParser::add_character(CharSet& set, char32_t c) const {
  set.add_range(c, c);
  if (!any_case_) return;
  if (c >= 128) refuse("only ASCII can ignore case");
  if ((c | 32) < 'a' || (c | 32) > 'z') return;
  set.add_range(c ^ 32, c ^ 32);
  if ((c | 32) == 's') set.add_range(0x17F, 0x17F);    // long s
  if ((c | 32) == 'k') set.add_range(0x212A, 0x212A);  // the sign of kelvin
}

PatternParser::Node PatternParser::node_of(CharSet set) {
  set.finish();
  Node node;
  node.set = static_cast<std::uint32_t>(sets_.size());
  sets_.push_back(std::move(set));
  return node;
}

PatternParser::Node PatternParser::node_of(char32_t c) {
  CharSet set;
  add_character(set, c);
  return node_of(std::move(set));
}

}  // namespace monza::text
