// A grammar or, where it begins with '{', a JSON Schema, and behind a zero byte a text: masks must say what the matcher
// says.
#include <algorithm>
#include <memory>

#include "fuzz/fuzz.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/token_masks.h"
#include "monza/error.h"

namespace monza::fuzz {
namespace {

using namespace grammar;

const std::vector<std::string>& tokens() {
  static const std::vector<std::string> kAll = [] {
    std::vector<std::string> all{"",      "\"a\":", "\",\"", "{\"",      "},{", "true", "12",
                                 "\\u00", "ab",     " \n",   "\xC3\xA9", "[[",  "]}"};
    for (int byte = 0; byte < 256; ++byte) all.emplace_back(1, static_cast<char>(byte));
    return all;
  }();
  return kAll;
}

void run(Bytes input) {
  const std::string_view all = text_of(input);
  const std::size_t end = std::min(all.find('\0'), all.size());
  const std::string_view source = all.substr(0, end),
                         text = end < all.size() ? all.substr(end + 1) : std::string_view();
  Limits limits;
  limits.work = 1'000'000;
  const GrammarPtr g = source.starts_with('{') ? compile_schema(source, {true, limits}) : parse_gbnf(source, limits);
  static const TokenTriePtr kTrie = std::make_shared<TokenTrie>(tokens());
  TokenMasks masks(g, kTrie);
  Matcher m(g);
  for (std::size_t i = 0; i < std::min<std::size_t>(text.size(), 64); ++i) {
    const TokenMask& mask = masks.allowed(m);
    if (mask.empty() && !m.can_end()) finding("a dead end");
    for (std::size_t t = 1; t < tokens().size(); ++t) {
      Matcher copy = m;
      if (copy.advance(tokens()[t]) != mask.contains(static_cast<Token>(t)))
        finding("a mask is not what the matcher says");
    }
    if (!m.advance(static_cast<std::uint8_t>(text[i]))) return;
  }
}

}  // namespace

const Target grammar_target{"grammar", run};

}  // namespace monza::fuzz
