// Regions of shared memory: which may be named, what is inside, and what an owner can do to them meanwhile.
#include "serve/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "serve/request_error.h"

namespace monza::serve {
namespace {

/// An object of shared memory of this process, of 4096 bytes.
struct Object {
  Object() : name(fmt::format("/monza_test_{}", ::getpid())), file(::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600)) {
    EXPECT_EQ(::ftruncate(file, 4096), 0);
  }
  ~Object() {
    ::close(file);
    ::shm_unlink(name.c_str());
  }
  std::string name;
  int file;
};

/// "STATUS words".
template <typename Call>
std::string said(Call call) {
  try {
    call();
  } catch (const RequestError& e) {
    return fmt::format("{} {}", e.status(), e.fact());
  }
  return "";
}

TEST(SharedMemory, ReadsAndWritesInsideARegion) {
  const Object object;
  SharedMemory memory({"monza_test_"});
  memory.add("r", {object.name, 1024, 2048});
  const auto region = memory.find("r");
  region->require(0, 2048);
  region->write(8, std::as_bytes(std::span("abc", 3)));
  char at[4] = "";
  EXPECT_EQ(::pread(object.file, at, 3, 1024 + 8), 3);
  EXPECT_STREQ(at, "abc");
  char back[4] = "";
  region->read(8, std::as_writable_bytes(std::span(back, 3)));
  EXPECT_STREQ(back, "abc");
  EXPECT_EQ(memory.regions().at("r").offset, 1024u);
  memory.remove("r");
  EXPECT_TRUE(memory.regions().empty());
  region->read(8, std::as_writable_bytes(std::span(back, 3)));  // who has it may use it to the end
}

TEST(SharedMemory, RefusesWhatIsOutside) {
  const Object object;
  SharedMemory memory({"monza_test_"});
  const auto add = [&](std::string_view name, const std::string& key, std::uint64_t offset, std::uint64_t bytes) {
    return said([&] { memory.add(name, {key, offset, bytes}); });
  };
  EXPECT_EQ(add("r", object.name, 0, 4097),
            fmt::format("400 shared memory '{}' has fewer bytes than 4097 at 0", object.name));
  EXPECT_EQ(add("r", object.name, UINT64_MAX - 7, 16), "400 16 bytes at 18446744073709551608 are no region");
  EXPECT_EQ(add("r", object.name, 4096, 0), "400 0 bytes at 4096 are no region");
  EXPECT_EQ(add("r", object.name, 8, UINT64_MAX), "400 18446744073709551615 bytes at 8 are no region");
  EXPECT_EQ(add("", object.name, 0, 8), "400 a region needs a name of at most 255 bytes");
  EXPECT_EQ(add("r", object.name, 0, 4096), "");
  EXPECT_EQ(add("r", object.name, 0, 16), "409 there is a region 'r' already: unregister it first");
  EXPECT_EQ(said([&] { (void)memory.find("s"); }), "404 no shared memory is registered as 's'");
  const auto region = memory.find("r");
  EXPECT_EQ(said([&] { region->require(4090, 7); }), "400 7 bytes at 4090 are not inside a region of 4096");
  EXPECT_EQ(said([&] { region->require(UINT64_MAX, 2); }),
            "400 2 bytes at 18446744073709551615 are not inside a region of 4096");
  EXPECT_EQ(said([&] { region->require(1, UINT64_MAX); }),
            "400 18446744073709551615 bytes at 1 are not inside a region of 4096");
}

TEST(SharedMemory, OpensOnlyWhatTheOperatorAllowed) {
  const Object object;
  SharedMemory off({}), other({"other_"}), memory({"monza_test_"});
  EXPECT_TRUE(said([&] { off.add("r", {object.name, 0, 8}); }).starts_with("501 shared memory is off"));
  EXPECT_EQ(said([&] { other.add("r", {object.name, 0, 8}); }),
            fmt::format("403 the server may not open shared memory of the name '{}'", object.name));
  for (const char* key : {"", "/", "monza_test_/../x", "../etc/passwd", "/monza_test_x/y", "..", "//monza_test_1"})
    EXPECT_EQ(said([&] { memory.add("r", {key, 0, 8}); }), fmt::format("400 '{}' is no name of shared memory", key));
  EXPECT_EQ(said([&] { memory.add("r", {"monza_test_none", 0, 8}); }),
            "400 there is no shared memory 'monza_test_none' that the server may use");
}

TEST(SharedMemory, OutlivesAnObjectThatShrinks) {
  const Object object;
  SharedMemory memory({"monza_test_"});
  memory.add("r", {object.name, 0, 4096});
  ASSERT_EQ(::ftruncate(object.file, 16), 0);
  std::byte bytes[64];
  EXPECT_EQ(said([&] { memory.find("r")->read(0, bytes); }),
            "400 the shared memory has become shorter than its region");
}

TEST(SharedMemory, HasAnEndOfRegions) {
  const Object object;
  SharedMemory memory({"monza_test_"});
  for (int i = 0; i < 256; ++i) memory.add(std::to_string(i), {object.name, 0, 8});
  EXPECT_EQ(said([&] { memory.add("more", {object.name, 0, 8}); }),
            "429 256 regions of shared memory are registered already");
  memory.remove_all();
  memory.add("more", {object.name, 0, 8});
}

}  // namespace
}  // namespace monza::serve
