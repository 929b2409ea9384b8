#include "grammar/gbnf.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/char_dfa.h"

namespace monza::grammar {
namespace {

constexpr std::uint32_t kMaxItemRepeat = 1'000'000;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfParser {
 public:
  GbnfParser(std::string_view text, Budget& budget) : text_(text), budget_(budget), builder_(budget) {}

  GrammarPtr parse() {
    if (text_.size() > budget_.limits().source_bytes)
      fail("a grammar has {} bytes, more than {}", text_.size(), budget_.limits().source_bytes);
    if (const std::size_t at = utf8_fault(text_); at != std::string_view::npos) at_ = at, refuse("this is not UTF-8");
    for (skip(true); !done(); skip(true)) rule();
    const auto root = rules_.find("root");
    if (root == rules_.end() || !builder_.is_defined(root->second.node))
      fail_hint("a rule root ::= ...: it is what a text is read by", "a grammar has no rule 'root'");
    for (const auto& [name, rule] : rules_)
      if (!builder_.is_defined(rule.node)) at_ = rule.used_at, refuse(message("rule '{}' is not defined", name));
    return builder_.build(root->second.node);
  }

 private:
  struct Rule {
    NodeId node;
    std::size_t used_at;
  };

  [[noreturn]] void refuse(std::string_view what) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t begin = before.rfind('\n') + 1;  // 0 where there is none
    fail("grammar, line {}, column {}: {}", line, at_ - begin + 1, what);
  }
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool accept(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  /// White space and comments; line ends only where these end nothing.
  void skip(bool lines) {
    for (; !done(); ++at_) {
      if (peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      if (done()) return;
      if (peek() != ' ' && peek() != '\t' && !(lines && (peek() == '\n' || peek() == '\r'))) return;
    }
  }
  std::string_view name() {
    const std::size_t begin = at_;
    while (!done() && is_name(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  NodeId rule_of(std::string_view name) {
    const auto [found, is_new] = rules_.try_emplace(std::string(name), Rule{0, at_});
    if (is_new) found->second.node = builder_.rule(std::string(name));
    return found->second.node;
  }

  void rule() {
    const std::string_view name = this->name();
    if (name.empty()) refuse("a rule's name is missing");
    const NodeId node = rule_of(name);
    if (builder_.is_defined(node)) refuse(message("rule '{}' is defined twice", name));
    skip(false);
    if (!accept("::=")) refuse("'::=' is missing");
    skip(true);
    builder_.define(node, alternatives(false));
    if (!done() && peek() != '\n' && peek() != '\r') refuse(message("'{}' has no place here", text_.substr(at_, 1)));
  }

  NodeId alternatives(bool nested) {
    if (++depth_ > budget_.limits().depth) refuse("groups are nested too deep");
    std::vector<NodeId> all{sequence(nested)};
    while (accept("|")) {
      skip(true);
      all.push_back(sequence(nested));
    }
    --depth_;
    return builder_.choice(std::move(all));
  }

  NodeId sequence(bool nested) {
    std::vector<NodeId> items;
    for (;; skip(nested)) {
      const char c = peek();
      if (c == '"') {
        items.push_back(string());
      } else if (c == '[') {
        items.push_back(characters(set()));
      } else if (accept("(")) {
        skip(true);
        items.push_back(alternatives(true));
        if (!accept(")")) refuse("')' is missing");
      } else if (accept(".")) {
        items.push_back(characters(CodeSet::all()));
      } else if (is_name(c)) {
        items.push_back(rule_of(name()));
      } else if (c == '<' || c == '!') {
        refuse("tokens are not supported: a grammar is of texts, whatever tokens these are cut into");
      } else {
        break;
      }
      while (repeat(items.back())) {
      }
    }
    return builder_.sequence(std::move(items));
  }

  /// What stands behind an item, if it is a repetition.
  bool repeat(NodeId& item) {
    skip(false);
    std::uint32_t min = 0, max = kMany;
    if (accept("?")) {
      max = 1;
    } else if (accept("+")) {
      min = 1;
    } else if (accept("{")) {
      skip(true);
      const bool no_min = peek() == ',';
      min = no_min ? 0 : number();
      skip(true);
      max = min;
      if (accept(",")) {
        skip(true);
        max = peek() == '}' ? kMany : number();
        skip(true);
      }
      if (!accept("}")) refuse("'}' is missing");
      if (max < min) refuse("a repetition's limits are the wrong way round");
    } else if (!accept("*")) {
      return false;
    }
    item = builder_.repeat(item, min, max);
    return true;
  }

  std::uint32_t number() {
    std::uint32_t value = 0;
    const std::size_t begin = at_;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
      if (value > kMaxItemRepeat) refuse(message("a number of repetitions above {}", kMaxItemRepeat));
    }
    if (at_ == begin) refuse("a number is missing");
    return value;
  }

  NodeId string() {
    ++at_;
    std::string bytes;
    while (!accept("\"")) {
      if (done() || peek() == '\n') refuse("a string is not closed");
      append_utf8(bytes, character());
    }
    if (bytes.empty()) return builder_.sequence({});
    return builder_.text(bytes);
  }

  CodeSet set() {
    ++at_;
    CodeSet all;
    const bool others = accept("^");
    while (!accept("]")) {
      if (done()) refuse("a set is not closed");
      const char32_t first = character();
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        last = character();
        if (last < first) refuse("a range is the wrong way round");
      }
      all.add(first, last);
    }
    return others ? all.inverted() : all;
  }

  NodeId characters(const CodeSet& set) {
    std::vector<char32_t> key;
    for (const CodeRange& r : set.ranges()) key.push_back(r.first), key.push_back(r.last);
    DfaPtr& dfa = sets_[key];
    if (!dfa) {
      CharDfa one;
      one.states.resize(2);
      for (const CodeRange& r : set.ranges()) one.states[0].edges.push_back({r, 1});
      one.states[1].label = 1;
      dfa = utf8(one, budget_);
    }
    return builder_.terminal(dfa);
  }

  /// One character of a string or set.
  char32_t character() {
    if (!accept("\\")) {
      const std::size_t n = utf8_bytes(text_.substr(at_));
      at_ += n;
      return utf8_code(text_.substr(at_ - n, n));
    }
    const char c = peek();
    if (!done()) ++at_;
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/': return static_cast<unsigned char>(c);
      case 'x': return hex(2);
      case 'u': return hex(4);
      case 'U': return hex(8);
      default: refuse("this escape is none: \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH");
    }
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek(), low = static_cast<char>(c | 32);
      if (c >= '0' && c <= '9') value = value << 4 | static_cast<char32_t>(c - '0');
      else if (low >= 'a' && low <= 'f') value = value << 4 | static_cast<char32_t>(low - 'a' + 10);
      else refuse(message("{} hexadecimal digits are missing", digits));
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) refuse("a code point that is none");
    return value;
  }

  std::string_view text_;
  Budget& budget_;
  GrammarBuilder builder_;
  std::size_t at_ = 0, depth_ = 0;
  std::map<std::string, Rule, std::less<>> rules_;
  std::map<std::vector<char32_t>, DfaPtr> sets_;
};

}  // namespace

GrammarPtr parse_gbnf(std::string_view text, const Limits& limits) {
  Budget budget(limits);
  return GbnfParser(text, budget).parse();
}

}  // namespace monza::grammar
