// Matching. A repeated node is one of single characters, so the depth of the recursion is the pattern's, not the
// text's.
#include "text/pattern.h"

#include <algorithm>

#include "base/error.h"
#include "text/pattern_parser.h"

namespace monza::text {

Pattern::Pattern(std::string_view pattern) {
  alternatives_ = PatternParser(pattern, sets_).parse();
  for (char c = 0; c >= 0; ++c) {
    for (std::size_t i = 0; i < alternatives_.size(); ++i)
      if (starts_with(alternatives_[i], c) != Start::no)
        starts_[static_cast<unsigned char>(c)] |= std::uint64_t{1} << std::min<std::size_t>(i, 63);
    if (c == 127) break;
  }
}

void Pattern::Steps::take() {
  if (left_-- == 0) {
    left_ = 1;
    fail_hint("a tokenizer whose pattern does not look at each character many times",
              "a pattern takes too long on this text");
  }
}

Pattern::Start Pattern::starts_with(const Sequence& sequence, char c) const {
  for (const Node& node : sequence) {
    bool empty = node.min == 0;
    if (node.kind == Kind::set) {
      if (sets_[node.set].contains(static_cast<unsigned char>(c))) return Start::yes;
    } else if (node.kind == Kind::group) {
      for (const Sequence& alternative : node.alternatives) {
        const Start start = starts_with(alternative, c);
        if (start == Start::yes) return Start::yes;
        empty = empty || start == Start::may_be_empty;
      }
    } else {
      empty = true;  // assertions take no character
    }
    if (!empty) return Start::no;
  }
  return Start::may_be_empty;
}

std::size_t Pattern::match_any(std::string_view text, const std::vector<Sequence>& alternatives, std::size_t at,
                               const Rest* rest, Steps& steps) const {
  for (const Sequence& alternative : alternatives)
    if (const std::size_t end = match(text, alternative, 0, at, rest, steps); end != kNone) return end;
  return kNone;
}

std::size_t Pattern::match_repeated(std::string_view text, const Sequence& sequence, std::size_t index, std::size_t at,
                                    const Rest* rest, Steps& steps) const {
  const Node& node = sequence[index];
  const CharSet& set = sets_[node.set];
  std::size_t end = at;
  std::uint32_t count = 0;
  while (count < node.max && end < text.size()) {
    const Character c = character_at(text, end);
    if (!set.contains(c.code)) break;
    end += c.bytes;
    ++count;
  }
  if (count < node.min) return kNone;
  if (node.possessive) return match(text, sequence, index + 1, end, rest, steps);
  for (;; --count) {
    if (const std::size_t found = match(text, sequence, index + 1, end, rest, steps); found != kNone) return found;
    if (count == node.min) return kNone;
    end = before(text, end);
  }
}

std::size_t Pattern::match(std::string_view text, const Sequence& sequence, std::size_t index, std::size_t at,
                           const Rest* rest, Steps& steps) const {
  steps.take();
  if (index == sequence.size())
    return rest == nullptr ? at : match(text, *rest->sequence, rest->index, at, rest->next, steps);
  const Node& node = sequence[index];
  switch (node.kind) {
    case Kind::set: return match_repeated(text, sequence, index, at, rest, steps);
    case Kind::group: {
      const Rest behind{&sequence, index + 1, rest};
      const std::size_t end = match_any(text, node.alternatives, at, &behind, steps);
      return end != kNone || node.min > 0 ? end : match(text, sequence, index + 1, at, rest, steps);
    }
    case Kind::ahead:
    case Kind::not_ahead:
      if ((match_any(text, node.alternatives, at, nullptr, steps) != kNone) != (node.kind == Kind::ahead)) return kNone;
      break;
    case Kind::line_begin:
      if (at != 0 && text[at - 1] != '\n') return kNone;
      break;
    case Kind::line_end:
      if (at != text.size() && text[at] != '\n') return kNone;
      break;
  }
  return match(text, sequence, index + 1, at, rest, steps);
}

Pattern::Match Pattern::find(std::string_view text, std::size_t from, Steps& steps) const {
  for (std::size_t at = from; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::uint64_t may = first < 128 ? starts_[first] : ~std::uint64_t{0};
    for (std::size_t i = 0; i < alternatives_.size(); ++i) {
      if ((may >> std::min<std::size_t>(i, 63) & 1) == 0) continue;
      const std::size_t end = match(text, alternatives_[i], 0, at, nullptr, steps);
      if (end == kNone) continue;
      if (end > at) return {at, end};
      break;  // the first alternative that matches is the match, and this one is empty
    }
    at += character_at(text, at).bytes;
  }
  return {text.size(), text.size()};
}

}  // namespace monza::text
