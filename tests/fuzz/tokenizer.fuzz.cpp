// A tokenizer.json, and behind a zero byte a text: what loads must encode the text, and what it gives must decode.
#include <algorithm>

#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "monza/error.h"
#include "text/tokenizer.h"

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  const std::string_view all = text_of(input);
  const std::size_t end = std::min(all.find('\0'), all.size());
  const std::string_view sample = end < all.size() ? all.substr(end + 1) : all;
  const text::Tokenizer tokenizer = text::Tokenizer::from_json(all.substr(0, end), "input");
  const text::Encoding one = tokenizer.encode(sample);
  if (one.types.size() != one.tokens.size()) finding("tokens and types differ in number");
  for (const text::Token token : one.tokens)
    if (token < 0) finding("a token below 0");
  const std::string decoded = tokenizer.decode(one.tokens, false);
  if (utf8_fault(decoded) != std::string_view::npos) finding("what was decoded is not UTF-8");
  (void)tokenizer.encode_pair(sample, "second", 64);
}

}  // namespace

const Target tokenizer_target{"tokenizer", run};

}  // namespace monza::fuzz
