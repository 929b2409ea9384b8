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
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TemporaryFolder;

void write(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
TEST(MappedFile, MapsAndSlices) {
  const TemporaryFolder folder;
  write(folder / "a", "hello world");
  const auto file = MappedFile::open(folder / "a");
  ASSERT_EQ(file->bytes().size(), 11u);
  EXPECT_EQ(static_cast<char>(file->slice(6, 5, "part")[0]), 'w');
  EXPECT_EQ(file->slice(11, 0, "part").size(), 0u);
  EXPECT_EQ(error_of([&] { file->slice(6, 6, "the weights"); }, folder.path()),
            "the weights lies at bytes [6, +6) of 'FOLDER/a', which has 11 bytes");
  EXPECT_THROW(file->slice(12, 0, "part"), Error);
  EXPECT_THROW(file->slice(1, UINT64_MAX, "part"), Error);
  EXPECT_THROW(file->slice(UINT64_MAX, 1, "part"), Error);
}

TEST(MappedFile, RefusesWhatIsNoPlainFile) {
  const TemporaryFolder folder;
  const auto opened = [&](const char* name, std::size_t limit = 100) {
    return error_of([&] { MappedFile::open(fs::path(folder.path()) / name, limit); }, folder.path());
  };
  EXPECT_EQ(opened("none"), "cannot open 'FOLDER/none': No such file or directory");
  EXPECT_EQ(opened(""), "'FOLDER/' is not a regular file");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(opened("pipe"), "'FOLDER/pipe' is not a regular file");
  write(folder / "big", "0123456789");
  EXPECT_EQ(opened("big", 9), "'FOLDER/big' has 10 bytes, more than the limit of 9");
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
  const auto refused = [&](std::string_view relative) {
    return error_of([&] { resolve_confined(folder.path(), relative); }, folder.path());
  };
  EXPECT_EQ(refused(up), "'" + up + "' leaves the model's folder");
  EXPECT_EQ(refused("sub/../../x"), "'sub/../../x' leaves the model's folder");
  EXPECT_EQ(refused("/etc/passwd"), "'/etc/passwd' is no relative path inside the model's folder");
  EXPECT_EQ(refused(""), "'' is no relative path inside the model's folder");
  EXPECT_EQ(refused(std::string_view("a\0x", 3)), "'a...' is no path: it holds a zero byte");
  EXPECT_EQ(refused("missing"), "cannot find 'missing' in the model's folder 'FOLDER': No such file or directory");
  EXPECT_EQ(refused("sub"), "'FOLDER/sub' is not a regular file");
  EXPECT_EQ(error_of([&] { resolve_confined(folder / "none", "x"); }, folder.path()),
            "cannot resolve the folder 'FOLDER/none': No such file or directory");

  fs::create_symlink(outside / "secret", folder / "link");
  EXPECT_EQ(refused("link"), "'link' points outside the model's folder 'FOLDER' through a link");
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
  EXPECT_EQ(error_of([&] { write_file_atomically(folder / "out", pieces); }, folder.path()),
            "cannot rename to 'FOLDER/out': Is a directory");
  EXPECT_TRUE(fs::exists(folder / "out/inside"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_EQ(error_of([&] { write_file_atomically(folder / "none/out", pieces); }, folder.path()),
            "cannot create a file beside 'FOLDER/none/out': No such file or directory");
  const std::string long_name(250, 'a');  // the file's name until it is published is longer
  const std::string said = error_of([&] { write_file_atomically(folder / long_name, pieces); }, folder.path());
  EXPECT_TRUE(said == "cannot name the file beside 'FOLDER/" + long_name + "': File name too long" ||
              said == "cannot create a file beside 'FOLDER/" + long_name + "': File name too long")
      << said;
}

#ifndef __SANITIZE_ADDRESS__  // which needs more address space than the limits leave

TEST(MappedFile, WhatDoesNotFitIntoTheAddressSpace) {
  const TemporaryFolder folder;
  write(folder / "large", "");
  fs::resize_file(folder / "large", std::uintmax_t(1) << 40);
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_AS, rlim_t(1) << 36, [&] { MappedFile::open(folder / "large", SIZE_MAX); }, folder.path()),
            "cannot map 'FOLDER/large' (1099511627776 bytes): Cannot allocate memory");
}

#endif

TEST(WriteFileAtomically, AFileThatMayNotGrow) {
  const TemporaryFolder folder;
  const std::string text(8192, 'x');
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(text))};
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_FSIZE, 4096, [&] { write_file_atomically(folder / "out", pieces); }, folder.path()),
            "cannot write 'FOLDER/out': File too large");
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
