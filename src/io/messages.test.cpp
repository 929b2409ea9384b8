// What is said of array files and archives that cannot be read or written, to the letter.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <span>
#include <string>

#include "io/npy.h"
#include "io/npy_header.h"
#include "io/npz.h"
#include "io/zip.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza::io {
namespace {

using test::error_of;

std::string npy(const std::string& header, std::size_t data = 0) {
  std::string file("\x93NUMPY\1\0", 8);
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  return file + header + std::string(data, '\0');
}

TEST(NpyMessages, SayWhatIsWrongWithAFile) {
  struct Case {
    std::string file, text;
  };
  const std::string begin = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  std::string large;
  for (int i = 0; i < 65; ++i) large += "1,";
  const Case cases[] = {
      {"PK", "'a.npy': this is no .npy file: it does not begin as one does\n  try: write it with numpy.save"},
      {std::string("\x93NUMPY\4\0\0\0", 10),
       "'a.npy': the array file has version 4, only 1 to 3 exist\n  try: write the array again, with numpy.save"},
      {std::string("\x93NUMPY\2\0\0\0", 10),
       "'a.npy': the array file ends inside its header\n  try: write the array again, with numpy.save"},
      {std::string("\x93NUMPY\2\0\0\0\2\0", 12),
       "'a.npy': the array's header has 131072 bytes, more than the limit of 65536\n  try: write the array again, with "
       "numpy.save"},
      {std::string("\x93NUMPY\1\0\4\0{", 11),
       "'a.npy': the array file ends inside its header (1 of 4 bytes)\n  try: write the array again, with numpy.save"},
      {npy("["),
       "'a.npy': the array's header does not parse at character 0: expected '{'\n  try: write the array again, with "
       "numpy.save"},
      {npy("{1: 2}"),
       "'a.npy': the array's header does not parse at character 1: expected a string\n  try: write the array again, "
       "with numpy.save"},
      {npy("{'descr"),
       "'a.npy': the array's header holds a string without an end\n  try: write the array again, with numpy.save"},
      {npy("{'descr' '<f4'}"),
       "'a.npy': the array's header does not parse at character 9: expected ':'\n  try: write the array again, with "
       "numpy.save"},
      {npy("{'fortran_order': 0}"),
       "'a.npy': the array's header does not parse at character 18: expected True or False\n  try: write the array "
       "again, with numpy.save"},
      {npy("{'shape': (2, x)}"),
       "'a.npy': the array's header does not parse at character 14: expected an extent\n  try: write the array again, "
       "with numpy.save"},
      {npy("{'shape': (-2,)}"),
       "'a.npy': the array's header does not parse at character 11: expected an extent\n  try: write the array again, "
       "with numpy.save"},
      {npy("{'shape': (" + large + ")}"),
       "'a.npy': the array has more than 64 dimensions\n  try: write the array again, with numpy.save"},
      {npy("{'descr': [('a', '<f4')]}"),
       "'a.npy': the array holds records\n  try: save each field as an array of its own"},
      {npy("{'order': 'C'}"),
       "'a.npy': the array's header has the unknown key 'order'\n  try: write the array again, with numpy.save"},
      {npy(begin + "(2,)} 7"),
       "'a.npy': the array's header goes on after its end, at character 56\n  try: write the array again, with "
       "numpy.save"},
      {npy("{'descr': '<f4', 'shape': (2,)}"),
       "'a.npy': the array's header lacks descr, fortran_order or shape\n  try: write the array again, with "
       "numpy.save"},
      {npy(begin + "(1,1,1,1,1,1,1,1,1)}", 4),
       "'a.npy': the array has 9 dimensions; at most 8 are supported\n  try: write the array again, with numpy.save"},
      {npy(begin + "(4294967296, 4294967296)}", 4),
       "'a.npy': the element count overflows 64 bits: 4294967296 * 4294967296\n  try: write the array again, with "
       "numpy.save"},
      {npy(begin + "(2,3)}", 23),
       "'a.npy': the array file is truncated: 23 of 24 bytes of a 2x3 array\n  try: write the array again, with "
       "numpy.save"},
      {npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"),
       "'a.npy': the array holds Python objects, which would have to be executed to be read\n  try: save numbers, not "
       "Python objects"},
      {npy("{'descr': '|S5', 'fortran_order': False, 'shape': (2,)}"),
       "'a.npy': the array holds bytes ('|S5'), which are not supported\n  try: save them as text: array.astype('U')"},
      {npy("{'descr': '<Ux', 'fortran_order': False, 'shape': (2,)}"),
       "'a.npy': the array has strings of '<Ux', which are not supported\n  try: write the array again, with "
       "numpy.save"},
      {npy("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,)}"),
       "'a.npy': the array has strings of '<U0', which are not supported\n  try: write the array again, with "
       "numpy.save"},
      {npy("{'descr': '<U2000000', 'fortran_order': False, 'shape': (2199023255552,)}"),
       "'a.npy': the bytes of an array of strings overflows 64 bits: 2199023255552 * 8000000\n  try: write the array "
       "again, with numpy.save"},
      {npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}") + std::string("\xff\xff\xff\xff", 4),
       "'a.npy': element 0 holds 4294967295, which is no character\n  try: write the array again, with numpy.save"},
      {npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2,)}"),
       "'a.npy': the array has elements of type '<M8[s]', which are not supported\n  try: save it as numbers: "
       "array.astype('float32')"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(error_of([&] { parse_npy(std::as_bytes(std::span(c.file)), "'a.npy'"); }), c.text) << c.file;
}

TEST(NpyMessages, SayWhatCannotBeWrittenOrTaken) {
  float two[2] = {};
  std::int8_t eight[1] = {8};
  const Tensor wide = Tensor::copy_of({DType::i8, {1}, eight, 1});
  const std::string_view words[] = {"\xff"};
  EXPECT_EQ(error_of([&] { npy_image({DType::f32, {3}, two, sizeof two}); }),
            "a tensor of 12 bytes lies in a buffer of 8");
  EXPECT_EQ(error_of([&] { npy_image(Tensor::of_strings(words, {1})); }),
            "element 0 is no UTF-8, which is what NumPy's strings are");
  const Tensor blocks(DType::q8_0, {1, 32});
  EXPECT_EQ(error_of([&] { npy_image(blocks); }), "NumPy's files have no form of q8_0");
  EXPECT_EQ(error_of([&] { as_model_type(wide, DType::i4); }), "element 0 is 8, which i4 cannot hold");
}

void put(std::string& bytes, std::size_t at, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i) & 0xff);
}

/// An archive of the entries, as text.
std::string zip(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::vector<ZipSource> sources;
  for (const auto& [name, content] : entries) sources.push_back({name, {std::as_bytes(std::span(content))}});
  std::string archive;
  for (const auto& piece : zip_layout(sources).pieces)
    archive.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return archive;
}

TEST(ZipMessages, SayWhatIsDamaged) {
  const std::string array = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}", 4);
  const std::string whole = zip({{"a.npy", array}});
  // Where its parts begin: the local header is at 0.
  const std::size_t central = 30 + 5 + array.size(), end = whole.size() - 22;
  struct Case {
    const char* text;
    std::function<void(std::string&)> damage;
  };
  const auto set = [](std::size_t at, std::uint64_t value, int width) {
    return [=](std::string& f) { put(f, at, value, width); };
  };
  // Twenty bytes of a zip64 locator that points to the begin of the file, before the end record.
  const auto zip64 = [=](std::string& f) {
    std::string locator(20, '\0');
    put(locator, 0, 0x07064b50, 4);
    f.insert(end, locator);
    put(f, end + 20 + 10, 0xffff, 2);
  };
  // The entry packed: one stored block of deflate.
  const auto deflated = [=](std::string& f, const std::string& packed, std::size_t claimed) {
    f = zip({{"a.npy", packed}});
    for (const std::size_t header : {static_cast<std::size_t>(0) + 8, 30 + 5 + packed.size() + 10})
      put(f, header, 8, 2);
    put(f, 30 + 5 + packed.size() + 24, claimed, 4);
  };
  const Case cases[] = {
      {"'FOLDER/a.npz': this is no zip archive: it has 21 bytes\n  try: write the archive again, with numpy.savez",
       [](std::string& f) { f.resize(21); }},
      {"'FOLDER/a.npz': this is no zip archive, or it is truncated: its directory is missing\n  try: write the archive "
       "again, with numpy.savez",
       [](std::string& f) { f.pop_back(); }},
      {"'FOLDER/a.npz': archives split over several files are not supported\n  try: write the archive again, with "
       "numpy.savez",
       set(end + 4, 1, 2)},
      {"'FOLDER/a.npz': the archive's zip64 record is damaged\n  try: write the archive again, with numpy.savez",
       zip64},
      {"'FOLDER/a.npz': the archive is damaged: it points to bytes [1048576, +4) of 197\n  try: write the archive "
       "again, with numpy.savez",
       [=](std::string& f) { zip64(f), put(f, end + 8, 1 << 20, 4); }},
      {"'FOLDER/a.npz': the archive has 1048577 entries, more than the limit of 1048576\n  try: write the archive "
       "again, with numpy.savez",
       [=](std::string& f) {
         zip64(f);
         f.insert(0, std::string(56, '\0'));
         put(f, 0, 0x06064b50, 4);
         put(f, 32, (1 << 20) + 1, 8);
       }},
      {"'FOLDER/a.npz': the archive is damaged: it claims 1000 entries\n  try: write the archive again, with "
       "numpy.savez",
       set(end + 10, 1000, 2)},
      {"'FOLDER/a.npz': the archive is damaged: entry 0 of its directory is none\n  try: write the archive again, with "
       "numpy.savez",
       set(end + 16, 3, 4)},
      {"'FOLDER/a.npz': the archive is damaged: it points to bytes [150, +1000) of 177\n  try: write the archive "
       "again, with numpy.savez",
       set(central + 28, 1000, 2)},
      {"'FOLDER/a.npz': the archive is damaged: its entries take more bytes than its 177 (at 'a.npy')\n  try: write "
       "the archive again, with numpy.savez",
       set(central + 20, 1000, 4)},
      {"'FOLDER/a.npz': 'a.npy' is encrypted, which is not supported\n  try: write the archive again, with numpy.savez",
       set(central + 8, 0x801, 2)},
      {"'FOLDER/a.npz': 'a.npy' has no header where the directory says\n  try: write the archive again, with "
       "numpy.savez",
       set(0, 0, 4)},
      {"'FOLDER/a.npz': 'a.npy' is stored, but has 7 bytes of 69\n  try: write the archive again, with numpy.savez",
       set(central + 20, 7, 4)},
      {"'FOLDER/a.npz': 'a.npy' is packed by method 9, which is not supported\n  try: write it with numpy.savez or "
       "numpy.savez_compressed",
       set(central + 10, 9, 2)},
      {"'FOLDER/a.npz': 'a.npy' is damaged: its checksum is wrong\n  try: write the archive again, with numpy.savez",
       set(35 + 3, 0, 1)},
      {"'FOLDER/a.npz': 'a.npy' claims 1048576 bytes, more than its 6 can give\n  try: write the archive again, with "
       "numpy.savez",
       [=](std::string& f) { deflated(f, std::string("\x01\x01\x00\xfe\xff?", 6), 1 << 20); }},
      {"'FOLDER/a.npz': 'a.npy' is damaged: it does not unpack to the 2 bytes that the directory says\n  try: write "
       "the archive again, with numpy.savez",
       [=](std::string& f) { deflated(f, std::string("\x01\x01\x00\xfe\xff?", 6), 2); }},
      {"'FOLDER/a.npz': it holds the array 'a' twice\n  try: write the archive again, with numpy.savez",
       [=](std::string& f) { f = zip({{"a.npy", array}, {"a", array}}); }},
      {"array 'a', in 'FOLDER/a.npz': the array file ends inside its header (10 of 55 bytes)\n  try: write the array "
       "again, with numpy.save",
       [=](std::string& f) { f = zip({{"a.npy", array.substr(0, 20)}}); }},
  };
  const test::TemporaryFolder folder;
  for (const Case& c : cases) {
    std::string file = whole;
    c.damage(file);
    std::ofstream(folder / "a.npz", std::ios::binary) << file;
    EXPECT_EQ(error_of([&] { read_npz(folder / "a.npz"); }, folder.path()), c.text);
  }
  EXPECT_EQ(error_of([&] { zip({{std::string(65536, 'a'), array}}); }),
            "an array's name has 65536 bytes, which a zip archive cannot hold");
}

}  // namespace
}  // namespace monza::io
