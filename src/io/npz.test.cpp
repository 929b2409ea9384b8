#include "io/npz.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <span>

#include "base/error.h"
#include "io/zip.h"
#include "support/data.h"

namespace monza::io {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Scratch {
 public:
  Scratch() : path_(std::filesystem::temp_directory_path() / ("monza_npz_" + std::to_string(::getpid()) + ".npz")) {}
  ~Scratch() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

 private:
  std::filesystem::path path_;
};

TEST(Npz, ReadsWhatNumPyWrites) {
  for (const char* name : {"io/stored.npz", "io/deflated.npz"}) {
    SCOPED_TRACE(name);
    const auto arrays = read_npz(test::fixture(name));
    ASSERT_EQ(arrays.size(), 4u);
    EXPECT_EQ(arrays[0].name, "a");
    EXPECT_EQ(arrays[0].tensor.as<float>()[23], 11.5f);
    EXPECT_EQ(arrays[1].name, "dir/b:0");
    EXPECT_EQ(arrays[1].tensor.dtype(), DType::boolean);
    EXPECT_EQ(arrays[2].tensor.shape(), (std::vector<std::int64_t>{1, 0, 4}));
    EXPECT_EQ(arrays[3].tensor.as<std::int64_t>()[999], 999);
  }
}

TEST(Npz, WhatIsWrittenIsReadAgain) {
  const Scratch scratch;
  const auto arrays = read_npz(test::fixture("io/deflated.npz"));
  std::vector<NamedRef> refs;
  for (const auto& a : arrays) refs.push_back({a.name, a.tensor});
  write_npz(scratch.path(), refs);
  const auto back = read_npz(scratch.path());
  ASSERT_EQ(back.size(), arrays.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].name, arrays[i].name);
    EXPECT_EQ(back[i].tensor.shape(), arrays[i].tensor.shape());
    if (back[i].tensor.numel() > 0) {
      EXPECT_EQ(std::memcmp(back[i].tensor.ref().data, arrays[i].tensor.ref().data, back[i].tensor.bytes()), 0);
    }
  }
  write_npz(scratch.path(), {});
  EXPECT_TRUE(read_npz(scratch.path()).empty());
}

TEST(Npz, TruncatedArchivesAreErrors) {
  const Scratch scratch;
  const std::string whole = contents(test::fixture("io/deflated.npz"));
  for (std::size_t n = 0; n < whole.size(); n += 97) {
    scratch.write(whole.substr(0, n));
    EXPECT_THROW(read_npz(scratch.path()), Error) << n;
  }
}

TEST(Npz, NoFlippedByteGoesUnnoticedInTheData) {
  const Scratch scratch;
  const std::string whole = contents(test::fixture("io/stored.npz"));
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); at += 31) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    scratch.write(damaged);
    try {
      read_npz(scratch.path());
    } catch (const Error&) {
      ++refused;
    }
  }
  // Dates, attributes and versions may differ; nothing may crash, and the arrays' bytes are under a checksum.
  EXPECT_GT(refused, whole.size() / 31 * 9 / 10);
}

TEST(Npz, AnEntryCannotClaimMoreThanItsBytesGive) {
  std::string whole = contents(test::fixture("io/deflated.npz"));
  const auto bytes = [&] { return std::as_bytes(std::span(whole)); };
  auto entries = zip_entries(bytes());
  entries[0].size = static_cast<std::uint64_t>(1) << 40;
  EXPECT_THROW(zip_content(bytes(), entries[0]), Error);
}

TEST(Npz, EntriesCannotShareTheirBytes) {
  const Scratch scratch;
  const std::vector<float> values(1000);
  const NamedRef array{"a", {DType::f32, {1000}, const_cast<float*>(values.data()), 4000}};
  write_npz(scratch.path(), {&array, 1});
  // The directory's one entry once more, under another name.
  std::string whole = contents(scratch.path());
  const std::size_t end = whole.rfind("PK\5\6"), begin = whole.rfind("PK\1\2", end);
  std::string again = whole.substr(begin, end - begin);
  again[46] = 'b';
  whole.insert(end, again);
  const std::size_t record = end + again.size();
  whole[record + 8] = whole[record + 10] = 2;  // entries
  whole[record + 12] = static_cast<char>(2 * again.size());
  scratch.write(whole);
  try {
    read_npz(scratch.path());
    FAIL() << "an archive whose entries share their bytes is read";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("take more bytes"), std::string::npos) << e.what();
  }
}

/// A zip of one deflated entry.
std::string deflated(const std::string& name, const std::string& content) {
  std::string packed(compressBound(uLong(content.size())) + 64, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = uInt(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = uInt(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto put = [](std::string& out, std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
  };
  std::string common;
  for (const std::uint64_t field : {20, 0, 8, 0, 0}) put(common, field, 2);
  put(common, crc32(0, reinterpret_cast<const Bytef*>(content.data()), uInt(content.size())), 4);
  put(common, packed.size(), 4);
  put(common, content.size(), 4);
  put(common, name.size(), 2);
  put(common, 0, 2);
  std::string archive = "PK\3\4" + common + name + packed;
  const std::size_t directory = archive.size();
  archive += "PK\1\2";
  put(archive, 20, 2);
  archive += common + std::string(14, '\0') + name;
  const std::size_t bytes = archive.size() - directory;
  archive += std::string("PK\5\6") + std::string(4, '\0');
  for (const std::uint64_t field : {1, 1}) put(archive, field, 2);
  put(archive, bytes, 4);
  put(archive, directory, 4);
  put(archive, 0, 2);
  return archive;
}

TEST(Npz, ArraysAreAskedAboutBeforeTheyAreUnpacked) {
  const Scratch scratch;
  const std::vector<float> zeros(4 << 20);
  const NpyImage image = npy_image({DType::f32, {4 << 20}, const_cast<float*>(zeros.data()), 16 << 20});
  std::string array = image.header + std::string(reinterpret_cast<const char*>(zeros.data()), 16 << 20);
  scratch.write(deflated("x.npy", array));
  EXPECT_EQ(read_npz(scratch.path()).at(0).tensor.shape(), (std::vector<std::int64_t>{4 << 20}));
  // No more than the head is unpacked, whatever follows it.
  const std::string archive = contents(scratch.path());
  const auto bytes = std::as_bytes(std::span(archive));
  EXPECT_EQ(zip_content(bytes, zip_entries(bytes).at(0), 100).bytes.size(), 100u);
  bool asked = false;
  try {
    read_npz(scratch.path(), [&](const std::string& name, const NpyInfo& info) {
      asked = name == "x" && info.dtype == DType::f32 && info.shape == std::vector<std::int64_t>{4 << 20};
      throw Error("not wanted");
    });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "not wanted");
  }
  EXPECT_TRUE(asked);
  // Elements that no shape speaks of are not unpacked at all.
  const float one = 1;
  array = npy_image({DType::f32, {1}, const_cast<float*>(&one), 4}).header + std::string(1 << 20, '\0');
  scratch.write(deflated("x.npy", array));
  try {
    read_npz(scratch.path());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "the array file has 1048704 bytes, its shape takes 132");
  }
}

}  // namespace
}  // namespace monza::io
