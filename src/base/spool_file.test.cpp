#include "base/spool_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/large_bytes.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::TemporaryFolder;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(SpoolFile, IsWrittenReadAndMappedWithoutAName) {
  const TemporaryFolder folder;
  LargeBytes all;
  {
    const auto file = std::make_shared<SpoolFile>(folder.path());
    file->write(6, bytes_of("world"));
    file->write(0, bytes_of("hello"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    char text[12] = {};
    file->read(0, std::as_writable_bytes(std::span(text, 11)));
    EXPECT_EQ(std::string(text, 11), std::string("hello\0world", 11));
    all.bytes = SpoolFile::map(file, 11, &all.owner);
    all.spool = file;
  }
  EXPECT_EQ(std::memcmp(all.bytes.data(), "hello\0world", 11), 0) << "the mapping keeps the file";
  std::string pieces;
  all.each_piece(
      [&](std::span<const std::byte> p) { pieces.append(reinterpret_cast<const char*>(p.data()), p.size()); });
  EXPECT_EQ(pieces, std::string("hello\0world", 11));
  std::shared_ptr<const void> owner;
  EXPECT_TRUE(SpoolFile::map(std::make_shared<SpoolFile>(folder.path()), 0, &owner).empty());
}

TEST(SpoolFile, SaysWhatTheSystemRefuses) {
  const TemporaryFolder folder;
  EXPECT_EQ(test::error_of([&] { SpoolFile(folder / "none"); }, folder.path()),
            "cannot create a file in 'FOLDER/none' for the weights: No such file or directory");
  SpoolFile file(folder.path());
  std::byte one[1];
  EXPECT_EQ(test::error_of([&] { file.read(0, one); }, folder.path()),
            "cannot read a file in 'FOLDER' for the weights: No data available");
  const std::string text(8192, 'x');
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_FSIZE, 4096, [&] { file.write(0, bytes_of(text)); }, folder.path()),
            "cannot write to a file in 'FOLDER' for the weights: File too large");
}

TEST(SpoolFile, SaysWhenThereIsNoRoomToMapIt) {
  MONZA_NEED_ADDRESS_SPACE_LIMIT();
  const TemporaryFolder folder;
  const auto large = std::make_shared<SpoolFile>(folder.path());
  std::shared_ptr<const void> owner;
  EXPECT_EQ(test::error_under_limit(
                RLIMIT_AS, 1 << 20, [&] { (void)SpoolFile::map(large, 1 << 22, &owner); }, folder.path()),
            "cannot map a file in 'FOLDER' for the weights: Cannot allocate memory");
}

TEST(Hash64, PiecesHashAsTheWhole) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t size : {0u, 1u, 31u, 32u, 33u, 64u, 100u, 200u})
    for (const std::size_t step : {1u, 3u, 31u, 32u, 33u, 200u}) {
      Hash64 hash(5);
      for (std::size_t at = 0; at < size; at += step) hash.add(bytes_of(text).subspan(at, std::min(step, size - at)));
      EXPECT_EQ(hash.value(), hash64(bytes_of(text).first(size), 5)) << size << " by " << step;
    }
}

}  // namespace
}  // namespace monza
