#include "text/unicode.h"

#include <algorithm>

#include "base/base64.h"
#include "base/utf8.h"
#include "text/unicode_data.h"

namespace monza::text {
namespace {

// Hangul is computed, not listed (Unicode, section 3.12).
constexpr char32_t kHangul = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;

/// Reads the numbers of unicode_data.cpp, which are our own: nothing is checked.
class Numbers {
 public:
  explicit Numbers(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint32_t take() {
    std::uint32_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= (byte & 0x7Fu) << shift;
      if (byte < 0x80) return value;
    }
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace

const Unicode& Unicode::get() {
  static const Unicode tables;
  return tables;
}

Unicode::Unicode() : index_(kEnd) {
  Numbers numbers(*from_base64(kUnicodeData));
  records_.resize(numbers.take());
  for (Record& record : records_) {
    record.mask = 1u << numbers.take();
    if (numbers.take() != 0) record.mask |= kWhiteSpace;
    record.combining = static_cast<std::uint8_t>(numbers.take());
    record.cluster = static_cast<Break>(numbers.take());
  }
  std::uint32_t ranges = numbers.take(), begin = 0, record = 0;
  for (; ranges > 0; --ranges) {
    const std::uint32_t next = begin + numbers.take();
    std::fill(index_.begin() + begin, index_.begin() + next, static_cast<std::uint8_t>(record));
    record = numbers.take();
    begin = next;
  }
  std::fill(index_.begin() + begin, index_.end(), static_cast<std::uint8_t>(record));
  for (Mappings* mappings : {&canonical_, &compatible_, &lower_}) {
    mappings->resize(numbers.take());
    char32_t from = 0, last = 0;
    for (Mapping& mapping : *mappings) {
      from += numbers.take();
      const std::uint32_t size = numbers.take();
      mapping = {from, static_cast<std::uint32_t>(pool_.size()), static_cast<std::uint8_t>(size / 2)};
      for (std::uint32_t i = 0; i < size / 2; ++i) {
        const std::uint32_t step = numbers.take();
        last = step % 2 == 0 ? last + step / 2 : last - (step + 1) / 2;
        pool_.push_back(last);
      }
      if (size % 2 == 1) pairs_.push_back({pool_[mapping.at], pool_[mapping.at + 1], from});
    }
  }
  std::sort(pairs_.begin(), pairs_.end(),
            [](const Pair& a, const Pair& b) { return std::pair(a.first, a.second) < std::pair(b.first, b.second); });
  mark_changes();
}

void Unicode::mark_changes() {
  constexpr auto bit = [](Form form) { return static_cast<std::uint8_t>(1 << static_cast<int>(form)); };
  constexpr std::uint8_t composing = bit(Form::nfc) | bit(Form::nfkc), decomposing = bit(Form::nfd) | bit(Form::nfkd);
  changes_.resize(kEnd);
  for (char32_t c = 0; c < kEnd; ++c)
    if (records_[index_[c]].combining != 0) changes_[c] = 0xF;  // its place may change
  for (const Mapping& m : canonical_) changes_[m.from] |= 0xF;
  // What composes again stays as it is, unless what it begins with changes first, or is marked above.
  for (const Pair& pair : pairs_)
    if (records_[index_[pair.composed]].combining == 0) changes_[pair.composed] = decomposing;
  for (const Pair& pair : pairs_) changes_[pair.second] |= composing;
  for (const Mapping& m : compatible_) changes_[m.from] |= bit(Form::nfkc) | bit(Form::nfkd);
  for (char32_t s = 0; s < kSyllables; ++s) changes_[kHangul + s] |= decomposing;
  for (char32_t v = 0; v < kVowels; ++v) changes_[kVowel + v] |= composing;
  for (char32_t t = 1; t < kTails; ++t) changes_[kTail + t] |= composing;
  // A canonical decomposition may hold what compatibility decomposes further.
  for (const Mapping& m : canonical_)
    for (int i = 0; i < m.size; ++i)
      if ((changes_[pool_[m.at + static_cast<std::uint32_t>(i)]] & bit(Form::nfkd)) != 0)
        changes_[m.from] |= bit(Form::nfkc) | bit(Form::nfkd);
}

const Unicode::Mapping* Unicode::find(const Mappings& mappings, char32_t c) {
  const auto found = std::lower_bound(mappings.begin(), mappings.end(), c,
                                      [](const Mapping& m, char32_t wanted) { return m.from < wanted; });
  return found != mappings.end() && found->from == c ? &*found : nullptr;
}

bool Unicode::is_normalized(std::string_view text, Form form) const {
  const int bit = static_cast<int>(form);
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (c.code >= 0x80 && (changes_[c.code] >> bit & 1) != 0) return false;
    at += c.bytes;
  }
  return true;
}

void Unicode::decompose(char32_t c, bool compatible, std::vector<char32_t>& out) const {
  if (c >= kHangul && c < kHangul + kSyllables) {
    const char32_t s = c - kHangul;
    out.push_back(kLead + s / (kVowels * kTails));
    out.push_back(kVowel + s / kTails % kVowels);
    if (s % kTails != 0) out.push_back(kTail + s % kTails);
    return;
  }
  const Mapping* mapping = c < 0x80 ? nullptr : find(canonical_, c);
  if (mapping == nullptr && compatible && c >= 0x80) mapping = find(compatible_, c);
  if (mapping == nullptr) {
    out.push_back(c);
    return;
  }
  for (std::uint32_t i = 0; i < mapping->size; ++i) decompose(pool_[mapping->at + i], compatible, out);
}

void Unicode::order(std::vector<char32_t>& codes) const {
  for (std::size_t begin = 0; begin < codes.size();) {
    if (record(codes[begin]).combining == 0) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < codes.size() && record(codes[end]).combining != 0) ++end;
    std::stable_sort(codes.begin() + static_cast<std::ptrdiff_t>(begin),
                     codes.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](char32_t a, char32_t b) { return record(a).combining < record(b).combining; });
    begin = end;
  }
}

char32_t Unicode::composed(char32_t first, char32_t second) const {
  if (first >= kLead && first < kLead + kLeads && second >= kVowel && second < kVowel + kVowels)
    return kHangul + ((first - kLead) * kVowels + second - kVowel) * kTails;
  if (first >= kHangul && first < kHangul + kSyllables && (first - kHangul) % kTails == 0 && second > kTail &&
      second < kTail + kTails)
    return first + second - kTail;
  const auto found =
      std::lower_bound(pairs_.begin(), pairs_.end(), std::pair(first, second),
                       [](const Pair& p, const auto& wanted) { return std::pair(p.first, p.second) < wanted; });
  return found != pairs_.end() && found->first == first && found->second == second ? found->composed : 0;
}

void Unicode::compose(std::vector<char32_t>& codes) const {
  constexpr std::size_t none = ~std::size_t{0};
  std::size_t starter = none, out = 0;
  int last = -1;  // the combining class of what stands between the starter and here
  for (const char32_t c : codes) {
    const int combining = record(c).combining;
    if (starter != none && last < combining) {
      if (const char32_t together = composed(codes[starter], c); together != 0) {
        codes[starter] = together;
        continue;
      }
    }
    if (combining == 0) {
      starter = out;
      last = -1;
    } else {
      last = combining;
    }
    codes[out++] = c;
  }
  codes.resize(out);
}

std::string Unicode::normalized(std::string_view text, Form form) const {
  if (is_normalized(text, form)) return std::string(text);
  std::vector<char32_t> codes;
  codes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    decompose(c.code, form == Form::nfkc || form == Form::nfkd, codes);
    at += c.bytes;
  }
  order(codes);
  if (form == Form::nfc || form == Form::nfkc) compose(codes);
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : codes) append_utf8(out, c);
  return out;
}

void Unicode::append_lower(std::string& out, char32_t c) const {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  const Mapping* mapping = find(lower_, c);
  if (mapping == nullptr) append_utf8(out, c);
  else
    for (std::uint32_t i = 0; i < mapping->size; ++i) append_utf8(out, pool_[mapping->at + i]);
}

// Rules GB3 to GB13 of UAX 29 (without GB9c, which is younger than what tokenizers were trained with).
bool Unicode::breaks_between(Break before, Break after, bool pictographs, int regionals) {
  const auto control = [](Break b) { return b == Break::cr || b == Break::lf || b == Break::control; };
  if (before == Break::cr && after == Break::lf) return false;
  if (control(before) || control(after)) return true;
  if (before == Break::l && (after == Break::l || after == Break::v || after == Break::lv || after == Break::lvt))
    return false;
  if ((before == Break::lv || before == Break::v) && (after == Break::v || after == Break::t)) return false;
  if ((before == Break::lvt || before == Break::t) && after == Break::t) return false;
  if (after == Break::extend || after == Break::zwj || after == Break::spacing_mark || before == Break::prepend)
    return false;
  if (pictographs && before == Break::zwj && after == Break::pictograph) return false;
  return !(before == Break::regional && after == Break::regional && regionals % 2 == 1);
}

std::size_t Unicode::cluster_bytes(std::string_view text) const {
  Character c = character_at(text, 0);
  Break last = record(c.code).cluster;
  bool pictographs = last == Break::pictograph;  // a pictograph and what extends it, up to here
  int regionals = last == Break::regional ? 1 : 0;
  std::size_t at = c.bytes;
  for (; at < text.size(); at += c.bytes) {
    c = character_at(text, at);
    const Break next = record(c.code).cluster;
    if (breaks_between(last, next, pictographs, regionals)) break;
    if (next == Break::regional) ++regionals;
    pictographs = next == Break::pictograph || (pictographs && (next == Break::extend || next == Break::zwj));
    last = next;
  }
  return at;
}

}  // namespace monza::text
