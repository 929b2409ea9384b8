#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>

#include "base/error.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TemporaryFolder;

void write(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
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

TEST(MappedFile, AFileThatIsCutIsAnError) {
  const TemporaryFolder folder;
  write(folder / "a", "0123456789");
  const auto file = MappedFile::open_to_read(folder / "a");
  char middle[4] = {};
  file->read(3, std::as_writable_bytes(std::span(middle)), "the middle");
  EXPECT_EQ(std::string_view(middle, 4), "3456");
  EXPECT_THROW(file->read(7, std::as_writable_bytes(std::span(middle)), "the end"), Error);
  EXPECT_FALSE(file->shrunk());
  fs::resize_file(folder / "a", 5);
  EXPECT_TRUE(file->shrunk());
  EXPECT_EQ(error_of([&] { file->read(3, std::as_writable_bytes(std::span(middle)), "the middle"); }, folder.path()),
            "the middle is missing: 'FOLDER/a' has become shorter than its 10 bytes");
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
  const std::string why = "' is no name of a file: it holds control characters or is no UTF-8";
  EXPECT_EQ(refused(std::string_view("a\0x", 3)), "'a\\x00x" + why);
  EXPECT_EQ(refused("\x1b[31m"), "'\\x1b[31m" + why);
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

TEST(ResolveConfined, ReadsNoSecretsOfTheFolder) {
  // A model in somebody's home folder, and one that an archive brought, with a file of a second name.
  const TemporaryFolder folder;
  fs::create_directories(folder / ".ssh");
  write(folder / ".ssh/id", "s");
  write(folder / ".netrc", "s");
  write(folder / "weights.bin", "w");
  fs::create_symlink(".netrc", folder / "link");
  const auto refused = [&](std::string_view relative) {
    return error_of([&] { resolve_confined(folder.path(), relative); }, folder.path());
  };
  EXPECT_EQ(refused(".ssh/id"), "'.ssh/id' names the hidden '.ssh': a model's data is no secret of its folder");
  EXPECT_EQ(refused("link"), "'link' names the hidden '.netrc': a model's data is no secret of its folder");
  EXPECT_EQ(refused("weights.bin"), "");
  fs::create_hard_link(folder / "weights.bin", folder / "second");
  EXPECT_EQ(
      refused("second"),
      "'second' has 2 names (hard links), so it may be a file from outside the model's folder\n  try: if it belongs "
      "to the model, make it a file of its own: cp second second.copy && mv second.copy second");
  fs::remove(folder / "second");
  EXPECT_EQ(refused("weights.bin"), "");
  // The folder may be hidden itself: ~/.cache holds models.
  EXPECT_EQ(resolve_confined(folder / ".ssh", "id"), fs::canonical(folder / ".ssh/id"));
}

TEST(ResolveConfined, TheRootHoldsEverything) {
  EXPECT_EQ(
      error_of([] { resolve_confined("/", "proc/version"); }),
      "'proc/version' is not beside the model: one in '/' may not name what lies in other folders\n  try: move the "
      "model and its data into a folder of their own");
  EXPECT_EQ(error_of([] { resolve_confined("/", "none-of-this-name"); }),
            "cannot find 'none-of-this-name' in the model's folder '/': No such file or directory");
}

TEST(ResolveConfined, ASiblingWithThePrefixOfTheFolderIsOutside) {
  const TemporaryFolder parent;
  fs::create_directory(parent / "model");
  fs::create_directory(parent / "model-other");
  write(parent / "model-other/x", "x");
  fs::create_symlink(parent / "model-other/x", parent / "model/x");
  EXPECT_THROW(resolve_confined(parent / "model", "x"), Error);
}

#ifndef __SANITIZE_ADDRESS__  // which needs more address space than the limits leave

TEST(MappedFile, WhatDoesNotFitIntoTheAddressSpace) {
  MONZA_NEED_ADDRESS_SPACE_LIMIT();
  const TemporaryFolder folder;
  write(folder / "large", "");
  fs::resize_file(folder / "large", std::uintmax_t(1) << 40);
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_AS, rlim_t(1) << 36, [&] { MappedFile::open(folder / "large", SIZE_MAX); }, folder.path()),
            "cannot map 'FOLDER/large' (1099511627776 bytes): Cannot allocate memory");
}

#endif

}  // namespace
}  // namespace monza
