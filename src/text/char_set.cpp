#include "text/char_set.h"

namespace monza::text {

void CharSet::finish() {
  for (char32_t c = 0; c < 128; ++c)
    if (finds(c)) ascii_[c >> 6] |= std::uint64_t{1} << (c & 63);
}

bool CharSet::finds(char32_t c) const {
  for (const Term& term : terms_) {
    const bool in = !term.set.empty() ? term.set[0].contains(c)
                    : term.mask == 0  ? c >= term.first && c <= term.last
                                      : Unicode::get().in(c, term.mask) != term.others;
    if (in) return !inverted_;
  }
  return inverted_;
}

}  // namespace monza::text
