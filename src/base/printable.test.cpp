#include "base/printable.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace monza {
namespace {

using namespace std::string_view_literals;

TEST(Printable, LeavesTextAlone) {
  for (const char* text : {"", "/model.0/conv/Conv", "straße 犬 🐕", "a\\b"}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, ShowsWhatWouldSteerATerminal) {
  EXPECT_EQ(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(printable("\x1b]0;x\x07"), "\\x1b]0;x\\x07");
  EXPECT_EQ(printable("a\0b\x7f"sv), "a\\x00b\\x7f");
  EXPECT_EQ(printable("\u009b31m"), "\\u009b31m");            // CSI in one character
  EXPECT_EQ(printable("x\u202egpj.exe"), "x\\u202egpj.exe");  // what follows would be read from the right
  EXPECT_EQ(printable("a\u2028b\u2066c\u200f"), "a\\u2028b\\u2066c\\u200f");
  EXPECT_EQ(printable_lines("a\nb\x1b"), "a\nb\\x1b");
}

TEST(Printable, ShowsBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("caf\xe9 x"), "caf\\xe9 x");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half of a surrogate pair
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");  // cut short
}

TEST(Printable, IsItsOwnResult) {
  const std::string once = printable("\x1b\n\xff\u202e");
  EXPECT_EQ(printable(once), once);
}

TEST(Printable, KeepsJsonWhatItWas) {
  EXPECT_EQ(printable_json("{\n \"a\": \"\x7f\u009b\u202e\xff\"\n}"), "{\n \"a\": \"\\u007f\\u009b\\u202e\\ufffd\"\n}");
}

TEST(Printable, MessagesTakeStringsAsTheyAreShown) {
  const std::string name = "a\nb";
  EXPECT_EQ(message("'{}' {:>5} {}", name, "\x1b", 7), "'a\\nb'  \\x1b 7");
  EXPECT_EQ(message("{}", Lines{"a\nb\r"}), "a\nb\\r");
  EXPECT_EQ(message("{:<8}|", name), "a\\nb    |");
}

TEST(Utf8, KnowsCharactersAndTheirCodes) {
  EXPECT_EQ(utf8_bytes(""), 0u);
  EXPECT_EQ(utf8_bytes("é"), 2u);
  EXPECT_EQ(utf8_code("é"), U'é');
  EXPECT_EQ(utf8_code("犬"), U'犬');
  EXPECT_EQ(utf8_code("🐕"), U'🐕');
}

}  // namespace
}  // namespace monza
