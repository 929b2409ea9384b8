// What becomes of files that are written: replaced whole, and nothing else replaced at all.
#include "base/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "base/file.h"
#include "monza/error.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TemporaryFolder;

void put(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
struct ::stat status_of(const std::string& path) {
  struct ::stat st{};
  EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
  return st;
}
std::ptrdiff_t entries(const TemporaryFolder& folder) {
  return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
}

TEST(WriteFile, ReplacesWholeAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  const std::string a = "first ", b = "second";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(a)), {}, std::as_bytes(std::span(b))};
  write_file(folder / "out", pieces);
  EXPECT_EQ(read(folder / "out"), "first second");
  write_file(folder / "out", "third");
  EXPECT_EQ(read(folder / "out"), "third");
  EXPECT_EQ(entries(folder), 1);
  // A name as long as names may be leaves no room for one beside it that is longer.
  write_file(folder / std::string(255, 'n'), "x");
}

TEST(WriteFile, WithoutCommitNothingHasHappened) {
  const TemporaryFolder folder;
  put(folder / "out", "old");
  {
    OutputFile file(folder / "out"), other(folder / "new");
    file.write(std::as_bytes(std::span("new", 3)));
    EXPECT_EQ(read(folder / "out"), "old");
  }
  EXPECT_EQ(read(folder / "out"), "old");
  EXPECT_EQ(entries(folder), 1);
}

TEST(WriteFile, KeepsTheModeAndNewOnesHaveTheUsual) {
  const TemporaryFolder folder;
  const mode_t mask = ::umask(027);
  write_file(folder / "new", "x");
  EXPECT_EQ(status_of(folder / "new").st_mode & 07777, 0640u);
  ::umask(mask);
  for (const mode_t mode : {0600u, 0664u, 0755u}) {
    ASSERT_EQ(::chmod((folder / "new").c_str(), mode), 0);
    write_file(folder / "new", "y");
    EXPECT_EQ(status_of(folder / "new").st_mode & 07777, mode);
  }
  if (::geteuid() != 0) return;  // only root may give files away
  ASSERT_EQ(::chown((folder / "new").c_str(), 12, 34), 0);
  write_file(folder / "new", "z");
  EXPECT_EQ(status_of(folder / "new").st_uid, 12u);
  EXPECT_EQ(status_of(folder / "new").st_gid, 34u);
}

TEST(WriteFile, FollowsLinks) {
  const TemporaryFolder folder, other;
  put(other / "target", "old");
  fs::create_symlink(other / "target", folder / "link");
  fs::create_symlink("link", folder / "second");  // from one to the next, by a relative name
  write_file(folder / "second", "new");
  EXPECT_EQ(read(other / "target"), "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link") && fs::is_symlink(folder / "second"));
  EXPECT_EQ(entries(other), 1);
  fs::create_symlink("made", folder / "dangling");
  write_file(folder / "dangling", "new");
  EXPECT_EQ(read(folder / "made"), "new");
  EXPECT_TRUE(fs::is_symlink(folder / "dangling"));
  fs::create_symlink("ring", folder / "ring");
  EXPECT_EQ(error_of([&] { write_file(folder / "ring", "x"); }, folder.path()),
            "cannot write 'FOLDER/ring': Too many levels of symbolic links");
}

TEST(WriteFile, WritesThroughWhatIsNoFile) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string seen;
  std::thread reader([&] { seen = read(pipe); });
  write_file(pipe, "through");
  reader.join();
  EXPECT_EQ(seen, "through");
  EXPECT_TRUE(S_ISFIFO(status_of(pipe).st_mode));
  write_file("/dev/null", "nothing");
  EXPECT_TRUE(S_ISCHR(status_of("/dev/null").st_mode));
  EXPECT_EQ(error_of([] { write_file("/dev/full", "x"); }), "cannot write '/dev/full': No space left on device");
  // One of this process's own descriptors, which a new file of its name would not be.
  const int fd = ::open((folder / "own").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "before ", 7), 7);
  write_file("/dev/fd/" + std::to_string(fd), "between ");
  ASSERT_EQ(::write(fd, "after", 5), 5);
  ::close(fd);
  EXPECT_EQ(read(folder / "own"), "before between after");
}

TEST(WriteFile, RefusesWhatMayNotBeWritten) {
  const TemporaryFolder folder;
  put(folder / "kept", "old");
  ASSERT_EQ(::chmod((folder / "kept").c_str(), 0444), 0);
  fs::create_directories(folder / "inside");
  const std::string read_only =
      "'FOLDER/kept' may not be written: it is read-only\n  try: another name, or make it writable: chmod u+w";
  const std::string a_folder = "'FOLDER/inside' is a folder\n  try: the name of a file";
  const std::string missing = "cannot write 'FOLDER/none/out': No such file or directory\n  try: a folder that exists";
  const auto both = [&](const std::string& name, const std::string& said) {
    EXPECT_EQ(error_of([&] { write_file(folder / name, "new"); }, folder.path()), said);
    EXPECT_EQ(error_of([&] { check_output(folder / name); }, folder.path()), said) << "before the work";
  };
  both("kept", read_only);
  both("inside", a_folder);
  both("none/out", missing);
  both(std::string(256, 'a'), "cannot write 'FOLDER/" + std::string(256, 'a') + "': File name too long");
  EXPECT_EQ(error_of([] { write_file("", "x"); }),
            "cannot write '': No such file or directory\n  try: a folder that exists");
  EXPECT_EQ(read(folder / "kept"), "old");
  EXPECT_EQ(entries(folder), 2);
  check_output(folder / "new");
  EXPECT_EQ(entries(folder), 2) << "a check makes nothing";
  EXPECT_EQ(error_of([] { write_file("/proc/new", "x"); }).substr(0, 41), "cannot create a file beside '/proc/new': ");
}

TEST(WriteFile, AFailureKeepsTheOldFile) {
  const TemporaryFolder folder;
  put(folder / "out", "old");
  const std::string text(8192, 'x');
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_FSIZE, 4096, [&] { write_file(folder / "out", text); }, folder.path()),
            "cannot write 'FOLDER/out': File too large");
  EXPECT_EQ(read(folder / "out"), "old");
  EXPECT_EQ(entries(folder), 1);
}

TEST(WriteFile, AFolderThatChangesMeanwhile) {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& name, const std::function<void()>& change) {
    return error_of(
        [&] {
          OutputFile file(folder / name);
          change();
          file.commit();
        },
        folder.path());
  };
  EXPECT_EQ(said("out", [&] { fs::create_directory(folder / "out"); }),
            "cannot rename to 'FOLDER/out': Is a directory");
  EXPECT_EQ(said("out/inner", [&] { fs::remove(folder / "out"); }),
            "cannot name the file beside 'FOLDER/out/inner': No such file or directory");
  EXPECT_EQ(entries(folder), 0);
}

TEST(WriteFile, AReaderKeepsTheOldFileWhileItIsReplaced) {
  const TemporaryFolder folder;
  write_file(folder / "out", "first");
  const auto mapped = MappedFile::open(folder / "out");
  write_file(folder / "out", "other");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped->bytes().data()), 5), "first");
  EXPECT_EQ(read(folder / "out"), "other");
}

}  // namespace
}  // namespace monza
