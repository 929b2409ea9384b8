#include "text/pattern.h"

#include <gtest/gtest.h>

#include <string>

#include "monza/error.h"
#include "text/unicode.h"

namespace monza::text {
namespace {

/// The matches of a pattern, each in brackets.
std::string matches(std::string_view pattern, std::string_view text) {
  const Pattern compiled(pattern);
  Pattern::Steps steps(text.size());
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Pattern::Match match = compiled.find(text, at, steps);
    out += text.substr(at, match.begin - at);
    if (match.begin < text.size())
      out.append("[").append(text.substr(match.begin, match.end - match.begin)).append("]");
    at = match.end;
  }
  return out;
}

TEST(Pattern, MatchesAsOnigurumaDoes) {
  EXPECT_EQ(matches("\\s+(?!\\S)|\\s+", "a   b"), "a[  ][ ]b") << "the last space is left to the word";
  EXPECT_EQ(matches("\\p{N}{1,3}", "12345"), "[123][45]");
  EXPECT_EQ(matches("(?i:'s|'ll)", "I'LL it'S 'x"), "I['LL] it['S] 'x");
  EXPECT_EQ(matches("(?i:s)", "\xC5\xBF"), "[\xC5\xBF]") << "long s";
  EXPECT_EQ(matches("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "a-b"), "[a][-b]");
  EXPECT_EQ(matches("[a-c[x-z]]+", "axbzq"), "[axbz]q");
  EXPECT_EQ(matches("a?+a", "aa"), "[aa]");
  EXPECT_EQ(matches("a*+a", "aa"), "aa") << "possessive: nothing is given back";
  EXPECT_EQ(matches("x(?:ab)?y", "xaby xy"), "[xaby] [xy]");
  EXPECT_EQ(matches("\\s+$", "a  \nb  "), "a[  ]\nb[  ]");
  EXPECT_EQ(matches("^a", "aa\na"), "[a]a\n[a]");
  EXPECT_EQ(matches("a(?=b)", "abac"), "[a]bac");
  EXPECT_EQ(matches("[\\u4e00-\\u9fff]|\\x{e9}|.", "\xE4\xB8\xAD\xC3\xA9\n"), "[\xE4\xB8\xAD][\xC3\xA9]\n");
  EXPECT_EQ(matches("\\P{L}", "a1"), "a[1]");
  EXPECT_EQ(matches("[]a]", "]a"), "[]][a]");
  EXPECT_EQ(matches("x*", "axx"), "a[xx]") << "a match of nothing is none";
}

TEST(Pattern, SaysWhatItDoesNotDo) {
  const auto said = [](std::string_view pattern) -> std::string {
    try {
      const Pattern compiled(pattern);
    } catch (const Error& e) {
      return e.fact();
    }
    return "nothing";
  };
  const std::pair<const char*, const char*> cases[] = {
      {"(a", "a group that is not closed"},
      {"a)", "a ')' that closes nothing"},
      {"[a", "a set that is not closed"},
      {"*", "a quantifier of nothing"},
      {"a+?", "lazy quantifiers are not supported"},
      {"a{2}+", "a quantifier of a quantifier"},
      {"a{3,1}", "a quantifier that is none"},
      {"a{x}", "a number is missing"},
      {"a{100001}", "a number above 100000"},
      {"(ab)+", "groups can be optional, and not be repeated"},
      {"(?<=a)", "this kind of group is not supported"},
      {"[a&&b]", "intersections of sets are not supported"},
      {"[[:alpha:]]", "POSIX's names of sets are not supported"},
      {"\\p{Han}", "this property is not supported"},
      {"\\pL", "a property without braces"},
      {"\\b", "this escape is not supported"},
      {"\\x{zz}", "a code point that is none"},
      {"[z-a]", "a range that is none"},
      {"(?i:[a-z])", "ranges that ignore case are not supported"},
      {"(?i:\xC3\xA9)", "only ASCII can ignore case"},
      {"\\", "it ends too early"},
      {"((((((((((((((((((a))))))))))))))))))", "groups are nested too deep"},
      {"[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]", "sets are nested too deep"},
      {"\xFF", "a pattern is not UTF-8"},
  };
  for (const auto& [pattern, words] : cases)
    EXPECT_NE(said(pattern).find(words), std::string::npos) << pattern << ": " << said(pattern);
  EXPECT_EQ(said(std::string(20'000, 'a')), "a pattern has 20000 bytes, more than 16384");
}

TEST(Pattern, SaysWhere) {
  try {
    const Pattern compiled("ab+?");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "pattern 'ab+?', byte 4: lazy quantifiers are not supported");
    EXPECT_EQ(e.hint(), "a tokenizer with patterns of characters, sets, groups and look-ahead");
  }
}

TEST(Pattern, GivesUpOnTextsThatTakeForEver) {
  EXPECT_THROW((void)matches("a*a*a*a*b", std::string(5000, 'a')), Error);
  try {
    (void)matches("a*a*a*a*b", std::string(5000, 'a'));
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "a pattern takes too long on this text");
    EXPECT_EQ(e.hint(), "a tokenizer whose pattern does not look at each character many times");
  }
}

TEST(Unicode, Normalizes) {
  const Unicode& u = Unicode::get();
  EXPECT_EQ(u.normalized("e\xCC\x81", Form::nfc), "\xC3\xA9");
  EXPECT_EQ(u.normalized("\xC3\xA9", Form::nfd), "e\xCC\x81");
  EXPECT_EQ(u.normalized("\xEF\xAC\x81", Form::nfkc), "fi");
  EXPECT_EQ(u.normalized("\xEF\xAC\x81", Form::nfc), "\xEF\xAC\x81");
  EXPECT_EQ(u.normalized("\xED\x95\x9C", Form::nfd), "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
  EXPECT_EQ(u.normalized("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", Form::nfc), "\xED\x95\x9C");
  EXPECT_EQ(u.normalized("a\xCC\x81\xCC\xA7", Form::nfd), "a\xCC\xA7\xCC\x81") << "marks in the order of their classes";
  EXPECT_EQ(u.normalized("\xE2\x84\xA6", Form::nfc), "\xCE\xA9") << "the sign of ohm is a singleton";
  EXPECT_EQ(u.normalized("plain", Form::nfkd), "plain");
  std::string lower;
  for (const char32_t c : {char32_t{'A'}, char32_t{0xC9}, char32_t{0x130}}) u.append_lower(lower, c);
  EXPECT_EQ(lower, "a\xC3\xA9i\xCC\x87");
}

TEST(Unicode, FindsClusters) {
  const Unicode& u = Unicode::get();
  EXPECT_EQ(u.cluster_bytes("ab"), 1u);
  EXPECT_EQ(u.cluster_bytes("\r\nx"), 2u);
  EXPECT_EQ(u.cluster_bytes("e\xCC\x81x"), 3u);
  EXPECT_EQ(u.cluster_bytes("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xA9"), 8u) << "a flag is two letters";
  EXPECT_EQ(u.cluster_bytes("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7x"), 11u) << "pictographs that are joined";
  EXPECT_EQ(u.cluster_bytes("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xABx"), 9u) << "Hangul";
}

}  // namespace
}  // namespace monza::text
