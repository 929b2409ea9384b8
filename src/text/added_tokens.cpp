#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace monza::text {
namespace {

bool is_word(char32_t c) { return Unicode::get().in(c, kLetters | kMarks | 1u << Nd | 1u << Pc); }

}  // namespace

void AddedTokens::add(AddedToken token) {
  if (token.text.empty()) return;
  const auto first = static_cast<unsigned char>(token.text[0]);
  auto place = tokens_.begin() + first_[first];
  const auto end = tokens_.begin() + first_[first + 1u];
  while (place != end && place->text.size() >= token.text.size()) ++place;
  tokens_.insert(place, std::move(token));
  for (std::size_t byte = first + 1u; byte < first_.size(); ++byte) ++first_[byte];
}

const AddedToken* AddedTokens::at(std::string_view rest) const {
  const auto first = static_cast<unsigned char>(rest[0]);
  for (std::size_t i = first_[first]; i < first_[first + 1u]; ++i)
    if (rest.starts_with(tokens_[i].text)) return &tokens_[i];
  return nullptr;
}

void AddedTokens::cut(std::string_view text, std::vector<Stretch>& stretches) const {
  std::size_t begin = 0;  // of the stretch at hand
  const auto add = [&](std::size_t from, std::size_t to, Token token) {
    if (to > from) stretches.push_back({text.substr(from, to - from), token});
  };
  for (std::size_t at_byte = 0; at_byte < text.size();) {
    const AddedToken* found = tokens_.empty() ? nullptr : at(text.substr(at_byte));
    if (found == nullptr) {
      ++at_byte;
      continue;
    }
    std::size_t from = at_byte, to = at_byte + found->text.size();
    at_byte = to;
    if (found->single_word && ((from > 0 && is_word(character_at(text, before(text, from)).code)) ||
                               (to < text.size() && is_word(character_at(text, to).code))))
      continue;
    if (from < begin) continue;  // inside the white space that the last one took
    while (found->left_strip && from > begin && is_space(character_at(text, before(text, from)).code))
      from = before(text, from);
    while (found->right_strip && to < text.size() && is_space(character_at(text, to).code))
      to += character_at(text, to).bytes;
    add(begin, from, kNoToken);
    add(from, to, found->token);
    begin = to;
    at_byte = std::max(at_byte, to);
  }
  add(begin, text.size(), kNoToken);
}

}  // namespace monza::text
