#include "monza/vision/labels.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/data.h"

namespace monza::vision {
namespace {

using Names = std::vector<std::string>;

TEST(Labels, ReadsLines) {
  EXPECT_EQ(parse_label_lines("person\r\n  traffic light \ncar"), (Names{"person", "traffic light", "car"}));
  EXPECT_EQ(parse_label_lines("a\n\nb\n\n\n"), (Names{"a", "", "b"})) << "an empty line inside keeps its class number";
  EXPECT_EQ(parse_label_lines("\xEF\xBB\xBF"
                              "a\n"),
            Names{"a"});
  EXPECT_TRUE(parse_label_lines("").empty());
  EXPECT_THROW(load_labels("/no/such/labels.txt"), Error);
}

TEST(Labels, ReadsMetadata) {
  EXPECT_EQ(parse_names_metadata("{0: 'person', 1: \"driver's seat\", 2: 'a\\'b'}"),
            (Names{"person", "driver's seat", "a'b"}));
  EXPECT_EQ(parse_names_metadata("{\"1\": \"b\", \"0\": \"a\"}"), (Names{"a", "b"}));
  EXPECT_EQ(parse_names_metadata("['x', 'y',]"), (Names{"x", "y"}));
  EXPECT_EQ(parse_names_metadata(" [ ] "), Names{});
  EXPECT_EQ(parse_names_metadata("{0: 'a', 2: 'c'}"), (Names{"a", "class 1", "c"}));
  EXPECT_EQ(parse_names_metadata("['caf\\xe9', '\\u00fc']"), (Names{"caf\xC3\xA9", "\xC3\xBC"}));
}

TEST(Labels, RefusesDamagedMetadata) {
  for (const char* bad : {"", "person", "{0: 'a'", "{0 'a'}", "{-1: 'a'}", "{0: 'a', 0: 'b'}", "['a", "['a'] x",
                          "{99999999999: 'a'}", "['\\x4']", "{0: a}", "['\\"})
    EXPECT_THROW(parse_names_metadata(bad), Error) << bad;
}

TEST(Labels, NamesUnknownClassesByNumber) {
  EXPECT_EQ(label_of({"a"}, 0), "a");
  EXPECT_EQ(label_of({"a"}, 7), "class 7");
  EXPECT_EQ(label_of({"a"}, -1), "class -1");
}

TEST(Labels, ReadsTheSharedFile) {
  MONZA_NEED_SHARED(path, "models/onnx/coco80.txt");
  const Names labels = load_labels(path);
  ASSERT_EQ(labels.size(), 80U);
  EXPECT_EQ(labels[16], "dog");
}

}  // namespace
}  // namespace monza::vision
