// What tokenizers ask of Unicode: categories, clusters, normal forms, lower case (version: unicode_data.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace monza::text {

/// General categories. A set of them is a mask of 1 << category.
enum Category : std::uint8_t {
  Lu,
  Ll,
  Lt,
  Lm,
  Lo,
  Mn,
  Mc,
  Me,
  Nd,
  Nl,
  No,
  Pc,
  Pd,
  Ps,
  Pe,
  Pi,
  Pf,
  Po,
  Sm,
  Sc,
  Sk,
  So,
  Zs,
  Zl,
  Zp,
  Cc,
  Cf,
  Cs,
  Co,
  Cn
};
using CategoryMask = std::uint32_t;
constexpr CategoryMask mask_of(Category first, Category last) { return (2u << last) - (1u << first); }
constexpr CategoryMask kLetters = mask_of(Lu, Lo), kMarks = mask_of(Mn, Me), kNumbers = mask_of(Nd, No),
                       kPunctuation = mask_of(Pc, Po), kSymbols = mask_of(Sm, So), kSeparators = mask_of(Zs, Zp),
                       kOther = mask_of(Cc, Cn);
/// The property White_Space, in the same masks.
constexpr CategoryMask kWhiteSpace = 1u << 31;

/// Unicode's normalization forms.
enum class Form : std::uint8_t { nfc, nfd, nfkc, nfkd };

class Unicode {
 public:
  /// The tables, made when they are first asked for (about 2 MiB). Safe from any thread.
  static const Unicode& get();

  /// The bit of the character's category, and kWhiteSpace.
  CategoryMask mask(char32_t c) const { return c < kEnd ? records_[index_[c]].mask : 1u << Cn; }
  bool in(char32_t c, CategoryMask wanted) const { return (mask(c) & wanted) != 0; }

  /// `text` (UTF-8) in that form.
  std::string normalized(std::string_view text, Form form) const;
  /// Adds the character's lower case, one or two characters, whatever stands around it.
  void append_lower(std::string& out, char32_t c) const;
  /// Bytes of the extended grapheme cluster (UAX 29) that `text` (UTF-8, not empty) begins with.
  std::size_t cluster_bytes(std::string_view text) const;

 private:
  Unicode();
  static constexpr char32_t kEnd = 0x110000;
  enum class Break : std::uint8_t {
    other,
    cr,
    lf,
    control,
    extend,
    zwj,
    regional,
    prepend,
    spacing_mark,
    l,
    v,
    t,
    lv,
    lvt,
    pictograph
  };
  struct Record {
    CategoryMask mask;
    std::uint8_t combining;
    Break cluster;
  };
  /// What a character becomes: `size` code points from `at` of the pool.
  struct Mapping {
    char32_t from;
    std::uint32_t at;
    std::uint8_t size;
  };
  struct Pair {
    char32_t first, second, composed;
  };
  using Mappings = std::vector<Mapping>;

  const Record& record(char32_t c) const { return records_[index_[c < kEnd ? c : kEnd - 1]]; }
  static const Mapping* find(const Mappings& mappings, char32_t c);
  void mark_changes();
  bool is_normalized(std::string_view text, Form form) const;
  void decompose(char32_t c, bool compatible, std::vector<char32_t>& out) const;
  void order(std::vector<char32_t>& codes) const;
  char32_t composed(char32_t first, char32_t second) const;
  void compose(std::vector<char32_t>& codes) const;
  static bool breaks_between(Break before, Break after, bool pictographs, int regionals);

  std::vector<Record> records_;
  std::vector<std::uint8_t> index_;    ///< of each code point: its record
  std::vector<std::uint8_t> changes_;  ///< of each code point: bit f where form f may change a text that holds it
  Mappings canonical_, compatible_, lower_;
  std::vector<char32_t> pool_;
  std::vector<Pair> pairs_;  ///< sorted
};

inline bool is_space(char32_t c) { return Unicode::get().in(c, kWhiteSpace); }

/// A whole character of UTF-8 that is known to be sound.
struct Character {
  char32_t code;
  std::uint32_t bytes;
};
inline Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  if (first < 0xF0) return {(first & 0xF) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {(first & 7) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu), 4};
}
/// Where the character before `at` (not 0) begins.
inline std::size_t before(std::string_view text, std::size_t at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80 && at > 0);
  return at;
}

}  // namespace monza::text
