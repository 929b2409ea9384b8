#include "monza/vision/image.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "support/vision_pattern.h"
#include "tensor/picture_decoder.h"
#include "vision/codecs.h"

namespace monza::vision {
namespace {

using test::fixture_image;
using test::max_difference;
using test::pattern;

std::vector<std::byte> read_fixture(const std::string& name) {
  const auto file = MappedFile::open(monza::test::fixture("vision/" + name));
  return {file->bytes().begin(), file->bytes().end()};
}

std::string decode_failure(std::span<const std::byte> bytes, const DecodeLimits& limits = {}) {
  try {
    decode_image(bytes, "input.bin", limits);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

std::span<const std::byte> bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Image, ReadsLosslessFormatsExactly) {
  std::vector<const char*> names = {"pattern.png", "pattern.bmp", "pattern.webp", "pattern_animated.webp", "alpha.png"};
#if MONZA_WITH_FFMPEG
  names.insert(names.end(), {"pattern.tiff", "pattern.jp2"});
#endif
  for (const char* name : names) EXPECT_EQ(max_difference(fixture_image(name), pattern(24, 16)), 0) << name;
  EXPECT_EQ(max_difference(fixture_image("palette.png"), fixture_image("palette_expected.png")), 0);
}

TEST(Image, ReadsJpegAsPillowDoes) {
  for (const std::string name : {"progressive", "grey", "cmyk"})
    EXPECT_LE(max_difference(fixture_image(name + ".jpg"), fixture_image(name + "_expected.png")),
              name == "cmyk" ? 1 : 0)
        << name;
}

TEST(Image, StandsUprightByExif) {
  // Each file holds the same stored pixels with another orientation; undoing the turn gives them back.
  const Image stored = load_image(monza::test::fixture("vision/exif6.jpg"), {.apply_orientation = false});
  EXPECT_LE(max_difference(stored, pattern(24, 16)), 12);
  const auto at = [](const Image& image, int x, int y) { return image.row(y)[3 * x]; };
  const Image half_turn = fixture_image("exif3.jpg"), right = fixture_image("exif6.jpg"),
              left = fixture_image("exif8.jpg"), transposed = fixture_image("exif5.jpg");
  ASSERT_EQ(half_turn.width, 24);
  for (const Image* turned : {&right, &left, &transposed}) ASSERT_EQ(turned->width, 16);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      const int expected = at(stored, x, y);
      ASSERT_EQ(at(half_turn, 23 - x, 15 - y), expected);
      ASSERT_EQ(at(right, 15 - y, x), expected);
      ASSERT_EQ(at(left, y, 23 - x), expected);
      ASSERT_EQ(at(transposed, y, x), expected);
    }
  }
}

/// A TIFF head with that orientation, little endian.
std::string exif_block(char orientation) {
  using namespace std::string_literals;
  return "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + orientation + "\0\0\0"s;
}
std::string number(std::size_t value, bool big) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> 8 * (big ? 3 - i : i) & 255);
  return bytes;
}
std::string characters_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

#if MONZA_WITH_PNG && MONZA_WITH_WEBP

TEST(Image, StandsUprightByTheExifOfPngAndWebp) {
  const Image stored = pattern(24, 16), turned = codec::oriented(pattern(24, 16), 6);
  const std::string exif = exif_block(6);
  // Behind the signature and the 25 bytes of IHDR. libpng drops a chunk whose checksum is wrong; the search takes it.
  std::string png = characters_of(encode_png(stored));
  png.insert(8 + 25, number(exif.size(), true) + "eXIf" + exif + number(0, true));
  EXPECT_EQ(max_difference(decode_image(bytes_of_text(png), "a.png"), turned), 0);
  EXPECT_EQ(max_difference(decode_image(bytes_of_text(png), "a.png", {.apply_orientation = false}), stored), 0);
  // A WebP with EXIF is an extended one: its head says so and how large the picture is.
  const std::string plain = characters_of(read_fixture("pattern.webp"));
  const std::string head = "VP8X" + number(10, false) + std::string("\x08\0\0\0", 4) + std::string("\x17\0\0", 3) +
                           std::string("\x0f\0\0", 3);
  for (const std::string block : {exif, std::string("Exif\0\0", 6) + exif}) {
    std::string body = "WEBP" + head + plain.substr(12) + "EXIF" + number(block.size(), false) + block;
    const std::string webp = "RIFF" + number(body.size(), false) + body;
    EXPECT_EQ(max_difference(decode_image(bytes_of_text(webp), "a.webp"), turned), 0) << block.size();
  }
}

#endif

TEST(Image, ExifIsSoughtInsideTheFileAlone) {
  const std::string exif = exif_block(6);
  const std::string png(8, 'p'), webp(12, 'w');
  const auto png_of = [&](const std::string& chunks) { return codec::png_exif(bytes_of_text(png + chunks)).size(); };
  const std::string other = number(3, true) + "tEXtabc" + number(0, true);
  EXPECT_EQ(codec::png_exif(bytes_of_text(png + other + number(exif.size(), true) + "eXIf" + exif)).size(),
            exif.size());
  EXPECT_EQ(png_of(number(0xffffffff, true) + "eXIf" + exif), 0u) << "longer than the file";
  EXPECT_EQ(png_of(number(0xffffffff, true) + "tEXt" + exif), 0u);
  EXPECT_EQ(png_of(other.substr(0, 12)), 0u) << "no checksum";
  EXPECT_EQ(png_of(""), 0u);
  EXPECT_EQ(codec::png_exif(bytes_of_text("png")).size(), 0u);
  const std::string odd = "XMP " + number(1, false) + std::string("a\0", 2);
  const std::string chunks = webp + odd + "EXIF" + number(exif.size(), false) + exif;
  EXPECT_EQ(codec::webp_exif(bytes_of_text(chunks)).size(), exif.size()) << "odd sizes are padded";
  EXPECT_EQ(codec::webp_exif(bytes_of_text(chunks.substr(0, chunks.size() - 1))).size(), 0u);
  EXPECT_EQ(codec::exif_orientation(bytes_of_text(exif), true), 6);
  EXPECT_EQ(codec::exif_orientation(bytes_of_text(exif)), 1) << "an APP1 payload of another kind";
  EXPECT_EQ(codec::exif_orientation({}, true), 1);
}

TEST(Image, IgnoresDamagedExif) {
  using namespace std::string_view_literals;
  const auto orientation = [](std::string_view app1) { return codec::exif_orientation(bytes_of_text(app1)); };
  EXPECT_EQ(orientation("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"sv), 6);
  EXPECT_EQ(orientation("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"sv), 8);
  EXPECT_EQ(orientation("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0"sv), 1)
      << "no such orientation";
  EXPECT_EQ(orientation("Exif\0\0II*\0\x08\0\0\0\xFF\xFF\x12\x01"sv), 1) << "entries cut off";
  EXPECT_EQ(orientation("Exif\0\0II*\0\xFF\xFF\xFF\xFF"sv), 1) << "directory outside";
  EXPECT_EQ(orientation("Exif\0\0I"sv), 1);
  EXPECT_EQ(orientation(""sv), 1);
}

/// What the operator ImageDecoder is given.
TEST(Image, DecodesForTheOperator) {
  const auto file = read_fixture("exif6.jpg");
  const Image upright = decode_image(file, "a.jpg", {.apply_orientation = false});
  std::vector<std::uint8_t> out(24 * 16 * 3);
  std::int64_t height = 0, width = 0;
  PictureRequest request{file.data(), file.size(), PictureRequest::Pixels::rgb, 16, 24, out.data()};
  EXPECT_EQ(monza_decode_picture(request, height, width), nullptr);
  EXPECT_EQ(height, 16);
  EXPECT_EQ(width, 24);
  EXPECT_EQ(out, upright.pixels) << "as it lies in the file, whatever its EXIF data says";
  request.pixels = PictureRequest::Pixels::bgr;
  EXPECT_EQ(monza_decode_picture(request, height, width), nullptr);
  EXPECT_EQ(out[0], upright.pixels[2]);
  EXPECT_EQ(out[2], upright.pixels[0]);
  request.pixels = PictureRequest::Pixels::grey;
  EXPECT_EQ(monza_decode_picture(request, height, width), nullptr);
  EXPECT_NEAR(out[0], 0.299 * upright.pixels[0] + 0.587 * upright.pixels[1] + 0.114 * upright.pixels[2], 0.51);
  request.most_width = 23, request.most_height = 30;
  EXPECT_STREQ(monza_decode_picture(request, height, width), "ImageDecoder: the picture is larger than planned for");
  request.size = 5;
  EXPECT_STREQ(monza_decode_picture(request, height, width),
               "ImageDecoder: the bytes are no picture that can be decoded");
}

TEST(Image, RoundTripsThroughItsEncoders) {
  const Image image = pattern(61, 37);
  EXPECT_EQ(max_difference(decode_image(encode_png(image), "a.png"), image), 0);
  const Image jpeg = decode_image(encode_jpeg(pattern(64, 64), 100), "a.jpg");
  EXPECT_EQ(jpeg.width, 64);
  double error = 0;
  const Image original = pattern(64, 64);
  for (std::size_t i = 0; i < jpeg.pixels.size(); ++i) error += std::abs(jpeg.pixels[i] - original.pixels[i]);
  EXPECT_LT(error / static_cast<double>(jpeg.pixels.size()), 12) << "hard edges in colour lose most";

  const auto folder = std::filesystem::path(::testing::TempDir());
  for (const char* name : {"round.png", "round.ppm"}) {
    save_image(image, folder / name);
    EXPECT_EQ(max_difference(load_image(folder / name), image), 0) << name;
    std::filesystem::remove(folder / name);
  }
  EXPECT_THROW(save_image(image, folder / "round.gif"), Error);
  EXPECT_THROW(save_image(image, folder / "no such folder" / "round.png"), Error);
  EXPECT_THROW(encode_png(Image{}), Error);
  EXPECT_THROW(encode_jpeg(Image{}), Error);
}

TEST(Image, ReadsPnm) {
  using namespace std::string_view_literals;
  const Image colour = decode_image(bytes_of_text("P6 # a comment\n2 1\n255\n\x01\x02\x03\xFA\xFB\xFC"sv), "a.ppm");
  EXPECT_EQ(colour.pixels, (std::vector<std::uint8_t>{1, 2, 3, 250, 251, 252}));
  const Image deep = decode_image(bytes_of_text("P5\n1 1\n65535\n\x80\x80"sv), "a.pgm");
  EXPECT_EQ(deep.pixels, (std::vector<std::uint8_t>{128, 128, 128}));
  for (const std::string_view bad : {"P6"sv, "P6 2 1 255"sv, "P6 2 1 255\n\1\2\3"sv, "P6 0 1 255\n"sv,
                                     "P6 2 1 0\n123456"sv, "P6 9999999999 9999999999 255\n1"sv, "P6 x"sv})
    EXPECT_FALSE(decode_failure(bytes_of_text(bad)).empty()) << bad;
}

TEST(Image, SaysWhenAFileIsNoPicture) {
  const std::string message = decode_failure(bytes_of_text("%PDF-1.7 and more"));
  EXPECT_NE(message.find("input.bin"), std::string::npos) << message;
  EXPECT_NE(message.find("not a picture"), std::string::npos) << message;
  EXPECT_NE(message.find("25 50 44 46"), std::string::npos) << message;
  EXPECT_NE(decode_failure({}).find("empty"), std::string::npos);
  EXPECT_THROW(load_image("/no/such/picture.jpg"), Error);
  EXPECT_THROW(load_image(std::filesystem::temp_directory_path()), Error);
}

TEST(Image, RefusesTruncatedFilesOfEveryFormat) {
  for (const char* name :
       {"pattern.png", "pattern.bmp", "pattern.webp", "progressive.jpg", "grey.jpg", "exif6.jpg", "palette.png"}) {
    const auto whole = read_fixture(name);
    ASSERT_EQ(decode_failure(whole), "") << name;
    for (const std::size_t keep : {std::size_t{4}, std::size_t{20}, whole.size() / 2, whole.size() * 3 / 4}) {
      const std::string message = decode_failure(std::span(whole).first(keep));
      EXPECT_NE(message.find("input.bin"), std::string::npos)
          << name << " cut to " << keep << " bytes: '" << message << "'";
    }
  }
}

TEST(Image, SurvivesFlippedBytes) {
  std::mt19937 random(7);
  int refused = 0;
  for (const char* name :
       {"pattern.png", "pattern.bmp", "pattern.webp", "progressive.jpg", "cmyk.jpg", "exif6.jpg", "palette.png"}) {
    const auto whole = read_fixture(name);
    for (int round = 0; round < 300; ++round) {
      auto bytes = whole;
      for (int flips = 0; flips < 4; ++flips) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      refused += !decode_failure(bytes, {.max_pixels = 1 << 20}).empty();  // either result is right; neither may crash
    }
  }
  EXPECT_GT(refused, 300);
}

TEST(Image, RefusesWhatExceedsTheLimits) {
  const auto bytes = read_fixture("pattern.png");  // 24 x 16
  EXPECT_NE(decode_failure(bytes, {.max_pixels = 383}).find("limit of 383 pixels"), std::string::npos);
  EXPECT_EQ(decode_failure(bytes, {.max_pixels = 384}), "");
  EXPECT_NE(decode_failure(bytes, {.max_bytes = 64}).find("limit of 64"), std::string::npos);

  // A header that promises 60000 x 60000 pixels in a few bytes is refused before memory is asked for.
  auto bomb = read_fixture("grey.jpg");
  for (std::size_t i = 0; i + 9 < bomb.size(); ++i) {
    if (bomb[i] != std::byte{0xFF} || bomb[i + 1] != std::byte{0xC0}) continue;
    bomb[i + 5] = bomb[i + 7] = std::byte{0xEA};
    bomb[i + 6] = bomb[i + 8] = std::byte{0x60};
  }
  EXPECT_NE(decode_failure(bomb).find("60000x60000"), std::string::npos);
}

TEST(Image, ReadsPhotosOfTheSharedSet) {
  MONZA_NEED_SHARED(path, "data/images/bus.jpg");
  const Image image = load_image(path);
  EXPECT_EQ(image.width, 810);
  EXPECT_EQ(image.height, 1080);
}

}  // namespace
}  // namespace monza::vision
