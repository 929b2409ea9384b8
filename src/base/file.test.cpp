#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/error.h"
#include "support/temporary.h"

namespace monza {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

void write(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
std::string error_of(const std::function<void()>& f) {
  try {
    f();
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(MappedFile, MapsAndSlices) {
  const TemporaryFolder folder;
  write(folder / "a", "hello world");
  const auto file = MappedFile::open(folder / "a");
  ASSERT_EQ(file->bytes().size(), 11u);
  EXPECT_EQ(static_cast<char>(file->slice(6, 5, "part")[0]), 'w');
  EXPECT_EQ(file->slice(11, 0, "part").size(), 0u);
  EXPECT_NE(error_of([&] { file->slice(6, 6, "the weights"); }).find("the weights"), std::string::npos);
  EXPECT_THROW(file->slice(12, 0, "part"), Error);
  EXPECT_THROW(file->slice(1, UINT64_MAX, "part"), Error);
  EXPECT_THROW(file->slice(UINT64_MAX, 1, "part"), Error);
}

TEST(MappedFile, RefusesWhatIsNoPlainFile) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of([&] { MappedFile::open(folder / "none"); }).find("cannot open"), std::string::npos);
  EXPECT_NE(error_of([&] { MappedFile::open(folder.path()); }).find("not a regular file"), std::string::npos);
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_NE(error_of([&] { MappedFile::open(folder / "pipe"); }).find("not a regular file"), std::string::npos);
  write(folder / "big", "0123456789");
  EXPECT_NE(error_of([&] { MappedFile::open(folder / "big", 9); }).find("limit of 9"), std::string::npos);
  write(folder / "empty", "");
  EXPECT_EQ(MappedFile::open(folder / "empty")->bytes().size(), 0u);
}

TEST(ResolveConfined, StaysInTheFolder) {
  const TemporaryFolder outside, folder;
  write(folder / "weights.bin", "w");
  write(outside / "secret", "s");
  fs::create_directory(folder / "sub");
  write(folder / "sub/part.bin", "p");
  EXPECT_EQ(resolve_confined(folder.path(), "weights.bin"), fs::canonical(folder / "weights.bin"));
  EXPECT_EQ(resolve_confined(folder.path(), "sub/part.bin"), fs::canonical(folder / "sub/part.bin"));
  EXPECT_EQ(resolve_confined(folder.path(), "./sub/./part.bin"), fs::canonical(folder / "sub/part.bin"));

  const std::string up = "../" + fs::path(outside.path()).filename().string() + "/secret";
  EXPECT_THROW(resolve_confined(folder.path(), up), Error);
  EXPECT_THROW(resolve_confined(folder.path(), "sub/../../x"), Error);
  EXPECT_THROW(resolve_confined(folder.path(), outside / "secret"), Error);
  EXPECT_THROW(resolve_confined(folder.path(), ""), Error);
  EXPECT_THROW(resolve_confined(folder.path(), std::string_view("weights.bin\0x", 13)), Error);
  EXPECT_THROW(resolve_confined(folder.path(), "missing"), Error);
  EXPECT_THROW(resolve_confined(folder.path(), "sub"), Error);

  fs::create_symlink(outside / "secret", folder / "link");
  EXPECT_NE(error_of([&] { resolve_confined(folder.path(), "link"); }).find("outside"), std::string::npos);
  fs::create_directory_symlink(outside.path(), folder / "door");
  EXPECT_THROW(resolve_confined(folder.path(), "door/secret"), Error);
  fs::create_symlink(folder / "weights.bin", folder / "inner");
  EXPECT_EQ(resolve_confined(folder.path(), "inner"), fs::canonical(folder / "weights.bin"));
}

TEST(ResolveConfined, ASiblingWithThePrefixOfTheFolderIsOutside) {
  const TemporaryFolder parent;
  fs::create_directory(parent / "model");
  fs::create_directory(parent / "model-other");
  write(parent / "model-other/x", "x");
  fs::create_symlink(parent / "model-other/x", parent / "model/x");
  EXPECT_THROW(resolve_confined(parent / "model", "x"), Error);
}

TEST(WriteFileAtomically, ReplacesWholeAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  const std::string a = "first ", b = "second";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(a)), {}, std::as_bytes(std::span(b))};
  write_file_atomically(path, pieces);
  EXPECT_EQ(read(path), "first second");
  write_file_atomically(path, std::span(pieces).first(1));
  EXPECT_EQ(read(path), "first ");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat st{};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0666 & ~mask);
}

TEST(WriteFileAtomically, AFailureKeepsTheOldFile) {
  const TemporaryFolder folder;
  const std::string text = "new";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(text))};
  fs::create_directories(folder / "out/inside");  // a folder that is not empty cannot be replaced by a file
  EXPECT_NE(error_of([&] { write_file_atomically(folder / "out", pieces); }).find("cannot rename"), std::string::npos);
  EXPECT_TRUE(fs::exists(folder / "out/inside"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_NE(error_of([&] { write_file_atomically(folder / "none/out", pieces); }).find("cannot create"),
            std::string::npos);
}

TEST(MappedFile, AReaderKeepsTheOldFileWhileItIsReplaced) {
  const TemporaryFolder folder;
  const std::string path = folder / "out", first = "first", second = "other";
  const std::span<const std::byte> one[] = {std::as_bytes(std::span(first))},
                                   two[] = {std::as_bytes(std::span(second))};
  write_file_atomically(path, one);
  const auto mapped = MappedFile::open(path);
  write_file_atomically(path, two);
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), "first", 5), 0);
  EXPECT_EQ(read(path), "other");
}

}  // namespace
}  // namespace monza
