// What a search for a plan has measured, kept and read again.
#include "tools/quantize/search_record.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/error_text.h"
#include "support/temporary.h"

namespace monza::tool {
namespace {

TEST(SearchRecord, KeepsNumbersToTheLastBit) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "record";
  {
    SearchRecord record(path);
    EXPECT_EQ(record.find(7), std::nullopt);
    record.add(7, 0.1);
    record.add(~std::uint64_t{0}, -1e-300);
    record.add(7, 1.0 / 3);
  }
  std::ofstream(path, std::ios::app) << "damaged\n0 \nx 1p+0\n12 inf\n13 1p+0 \n14 1p+0\n";
  const SearchRecord again(path);
  EXPECT_EQ(again.find(7), 1.0 / 3);
  EXPECT_EQ(again.find(~std::uint64_t{0}), -1e-300);
  EXPECT_EQ(again.find(0x14), 1);
  for (const std::uint64_t key : {0x0U, 0x12U, 0x13U}) EXPECT_EQ(again.find(key), std::nullopt) << key;
}

TEST(SearchRecord, AnotherFileIsRefused) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "record";
  std::ofstream(path) << "something else\n";
  EXPECT_NE(
      test::error_of([&] { SearchRecord record(path); })
          .find("it is no record of a search: it begins with 'something else'\n  try: another name, or delete the "
                "file"),
      std::string::npos);
}

TEST(SearchRecord, WithoutAFileItLastsAsLongAsItself) {
  SearchRecord record("");
  record.add(1, 2);
  EXPECT_EQ(record.find(1), 2);
}

TEST(HashOfFiles, ChangesWithThem) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "a") << "1";
  const std::string path = std::filesystem::path(folder / "a").parent_path().string();
  const std::uint64_t before = hash_of_files(path);
  EXPECT_EQ(hash_of_files(path), before);
  std::ofstream(folder / "b") << "1";
  const std::uint64_t two = hash_of_files(path);
  EXPECT_NE(two, before);
  std::ofstream(folder / "b") << "12";
  EXPECT_NE(hash_of_files(path), two);
  EXPECT_NE(hash_of_files(folder / "a"), 0U);
}

}  // namespace
}  // namespace monza::tool
