// Shared libraries that are opened at run time: where they are looked for, and what is said of those that cannot be
// used.
#include "backend/library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/temporary.h"

namespace monza::backend {
namespace {

/// The variable for as long as this lives.
struct Asked {
  explicit Asked(const std::string& folders) { ::setenv("MONZA_CUDA_LIBRARIES", folders.c_str(), 1); }
  ~Asked() { ::unsetenv("MONZA_CUDA_LIBRARIES"); }
};

TEST(Library, FindsWhatTheLoaderFinds) {
  Library library("zlib", "libz.so.1");
  ASSERT_EQ(library.facts().missing, "");
  EXPECT_NE(library.facts().path.find("libz.so.1"), std::string::npos);
  const char* (*version)() = nullptr;
  library.find(version, "zlibVersion");
  ASSERT_NE(version, nullptr);
  EXPECT_TRUE(library.usable());
  library.find(version, "zlib_of_another_world");
  EXPECT_EQ(version, nullptr);
  EXPECT_EQ(library.facts().missing, library.facts().path + " has no zlib_of_another_world");
}

TEST(Library, LooksFirstWhereItIsTold) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "libz.so.1") << "no library";
  const Asked asked("/nowhere:" + folder.path());
  // What is there and cannot be opened does not hide another one.
  EXPECT_TRUE(Library("zlib", "libz.so.1").usable());
  std::ofstream(folder / "libmonza_none.so.7") << "no library";
  const std::string why = Library("none", "libmonza_none.so.7").facts().missing;
  EXPECT_TRUE(why.starts_with("libmonza_none.so.7 cannot be opened: ")) << why;
  EXPECT_NE(why.find(folder.path()), std::string::npos) << why;
}

TEST(Library, SaysWhyThereIsNone) {
  EXPECT_EQ(Library("none", "libmonza_none.so.7").facts().missing,
            "libmonza_none.so.7 is not installed, or not where it is looked for");
  const Asked asked("none");
  EXPECT_EQ(Library("zlib", "libz.so.1").facts().missing, "MONZA_CUDA_LIBRARIES says none");
}

}  // namespace
}  // namespace monza::backend
