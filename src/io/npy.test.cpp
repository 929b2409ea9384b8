#include "io/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "io/npy_header.h"
#include "support/data.h"
#include "tensor/storage.h"

namespace monza::io {
namespace {

std::string file_of(const TensorRef& tensor) {
  const NpyImage image = npy_image(tensor);
  std::string text = image.header;
  text.append(reinterpret_cast<const char*>(image.data.data()), image.data.size());
  return text;
}
Tensor parse(const std::string& file) { return parse_npy(std::as_bytes(std::span(file)), "test"); }
std::string message(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}
std::string with_header(std::string header, std::size_t data = 0) {
  std::string file("\x93NUMPY\1\0", 8);
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  return file + header + std::string(data, '\0');
}

void expect_ramp(const Tensor& t) {
  ASSERT_EQ(t.dtype(), DType::f32);
  ASSERT_EQ(t.shape(), (std::vector<std::int64_t>{2, 3, 4}));
  for (int i = 0; i < 24; ++i) EXPECT_EQ(t.as<float>()[i], static_cast<float>(i) - 11.5f) << i;
}

TEST(Npy, ReadsWhatNumPyWrites) {
  for (const char* name : {"io/f4.npy", "io/fortran.npy", "io/big_endian.npy"}) {
    SCOPED_TRACE(name);
    expect_ramp(read_npy(test::fixture(name)));
  }
  const Tensor scalar = read_npy(test::fixture("io/scalar.npy"));
  EXPECT_EQ(scalar.shape().size(), 0u);
  EXPECT_EQ(scalar.as<std::int64_t>()[0], 7);
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  const auto file = MappedFile::open(test::fixture("io/f4.npy"));
  const std::string ours = file_of(read_npy(test::fixture("io/f4.npy")));
  ASSERT_EQ(ours.size(), file->bytes().size());
  EXPECT_EQ(std::memcmp(ours.data(), file->bytes().data(), ours.size()), 0);
}

TEST(Npy, EveryTypeSurvivesARoundTrip) {
  std::mt19937 random(1);
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16,
                           DType::u16, DType::i32, DType::u32, DType::i64, DType::u64, DType::c64, DType::c128})
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {5}, {0}, {2, 1, 3}, {1, 0, 4}}) {
      Tensor t(type, shape);
      for (std::size_t i = 0; i < t.bytes(); ++i) t.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(random());
      const Tensor back = parse(file_of(t));
      ASSERT_EQ(back.dtype(), type);
      ASSERT_EQ(back.shape(), shape);
      if (t.numel() > 0) {
        EXPECT_EQ(std::memcmp(back.ref().data, t.ref().data, t.bytes()), 0) << static_cast<int>(type);
      }
    }
}

TEST(Npy, NarrowElementsAreWidenedAndPackedAgain) {
  Tensor packed(DType::i4, {5});
  const std::uint8_t bytes[] = {0x8f, 0x07, 0x03};  // -1, -8, 7, 0, 3
  std::memcpy(packed.ref().data, bytes, 3);
  const Tensor wide = parse(file_of(packed));
  ASSERT_EQ(wide.dtype(), DType::i8);
  const std::int8_t expected[] = {-1, -8, 7, 0, 3};
  EXPECT_EQ(std::memcmp(wide.ref().data, expected, 5), 0);
  const Tensor again = as_model_type(wide, DType::i4);
  ASSERT_EQ(again.dtype(), DType::i4);
  EXPECT_EQ(std::memcmp(again.ref().data, bytes, 3), 0);

  Tensor large(DType::i8, {1});
  large.as<std::int8_t>()[0] = 8;
  EXPECT_THROW(as_model_type(large, DType::i4), Error);
  EXPECT_EQ(as_model_type(large, DType::f32).dtype(), DType::i8) << "only what a file cannot say is converted";
}

TEST(Npy, DamagedFilesAreErrors) {
  EXPECT_NE(message("no array").find("no .npy file"), std::string::npos);
  EXPECT_NE(message("").find("no .npy file"), std::string::npos);
  EXPECT_NE(
      message(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", 15)).find("truncated: 15 of 16"),
      std::string::npos);
  EXPECT_NE(message(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"))
                .find("overflows"),
            std::string::npos);
  EXPECT_NE(message(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,2,3,4,5,6,7,8,9), }"))
                .find("9 dimensions"),
            std::string::npos);
  EXPECT_NE(message(with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8)).find("Python objects"),
            std::string::npos);
  EXPECT_NE(
      message(with_header("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }", 8)).find("records"),
      std::string::npos);
  EXPECT_NE(message(with_header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", 8)).find("'<f3'"),
            std::string::npos);
  EXPECT_NE(message(with_header("{'descr': '<f4', 'shape': (1,), }", 8)).find("lacks"), std::string::npos);
  const std::string whole = file_of(Tensor(DType::f32, {3}));
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_NE(message(whole.substr(0, n)), "no error") << n;
}

TEST(Npy, HeadersAreParsedStrictly) {
  EXPECT_EQ(parse_npy_header("{'descr':'<f4','fortran_order':True,'shape':()}").shape.size(), 0u);
  EXPECT_EQ(parse_npy_header("{\"shape\": (3L, 4L,), 'descr': '<f4', 'fortran_order': False}  \n").shape,
            (std::vector<std::int64_t>{3, 4}));
  for (const char* bad :
       {"", "{", "{}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4, 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 'x'}"})
    EXPECT_THROW(parse_npy_header(bad), Error) << bad;
}

TEST(Npy, StringsAreReadAsTheyWereWritten) {
  const std::string_view words[] = {"a", "", "gr\xc3\xbc\xc3\x9f", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x9a\x97 7",
                                    "ab"};
  const std::string file = file_of(Tensor::of_strings(words, {2, 3}));
  EXPECT_NE(file.find("'<U4'"), std::string::npos);
  const Tensor back = parse(file);
  ASSERT_EQ(back.dtype(), DType::string);
  EXPECT_EQ(back.shape(), (std::vector<std::int64_t>{2, 3}));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(back.as<StringRef>()[i].view(), words[i]) << i;
}

TEST(Npy, StringsOfOtherOrdersAreRead) {
  std::string file = with_header("{'descr': '>U1', 'fortran_order': True, 'shape': (2, 2)}");
  for (const char c : {'a', 'b', 'c', 'd'}) {
    file.append(3, '\0');
    file += c;
  }
  const Tensor t = parse(file);
  const char* want[] = {"a", "c", "b", "d"};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(t.as<StringRef>()[i].view(), want[i]) << i;
}

}  // namespace
}  // namespace monza::io
