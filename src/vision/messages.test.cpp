// What is said of pictures, labels, truth and networks that cannot be taken, to the letter.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/file.h"
#include "base/output_file.h"
#include "monza/vision/boxes.h"
#include "monza/vision/labels.h"
#include "monza/vision/mask.h"
#include "monza/vision/source.h"
#include "support/error_text.h"
#include "support/temporary.h"
#include "support/vision_pattern.h"
#include "vision/coco.h"
#include "vision/codecs.h"

namespace monza::vision {
namespace {

using monza::test::error_of;
using monza::test::TemporaryFolder;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string decoded(std::string_view file, const DecodeLimits& limits = {}) {
  return error_of([&] { decode_image(as_bytes(file), "input", limits); });
}
std::string fixture_bytes(const char* name) {
  const auto file = MappedFile::open(monza::test::fixture(std::string("vision/") + name));
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

void put(std::string& bytes, std::size_t at, std::uint32_t value, int width) {
  for (int i = 0; i < width; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i) & 0xff);
}
/// The header of a BMP file of 2 x 2 pixels, without its pixels.
std::string bmp(std::uint32_t bits, std::uint32_t compression = 0, std::uint32_t header = 40, std::uint32_t width = 2) {
  std::string f(54, '\0');
  f[0] = 'B', f[1] = 'M';
  put(f, 10, 54, 4);
  put(f, 14, header, 4);
  put(f, 18, width, 4);
  put(f, 22, 2, 4);
  put(f, 28, bits, 2);
  put(f, 30, compression, 4);
  return f;
}

TEST(PictureMessages, SayWhatCannotBeDecoded) {
  EXPECT_EQ(error_of([] { Image(-1, 2); }), "a picture cannot have the size -1x2");
  EXPECT_EQ(decoded(""), "input: the file is empty, not a picture");
  EXPECT_EQ(decoded("hello, world"),
            "input: not a picture (first bytes: 68 65 6c 6c 6f 2c 20 77)\n  try: a JPEG, PNG, WebP, TIFF, JPEG 2000, "
            "BMP or binary "
            "PPM/PGM file");
  EXPECT_EQ(decoded("hello, world", {.max_bytes = 3}), "input: 12 bytes is more than the limit of 3 for a picture");
  EXPECT_EQ(
      decoded(bmp(24).substr(0, 53)),
      "input: the BMP file cannot be decoded: the header is cut off\n  try: save the picture again, as PNG or JPEG");
  EXPECT_EQ(decoded(bmp(24, 0, 12)),
            "input: the BMP file cannot be decoded: its header is of a kind older than Windows 3\n  try: save the "
            "picture again, as PNG or JPEG");
  EXPECT_EQ(decoded(bmp(24, 1)),
            "input: the BMP file cannot be decoded: it is compressed; save it uncompressed or as PNG\n  try: save the "
            "picture again, as PNG or JPEG");
  EXPECT_EQ(decoded(bmp(16)),
            "input: the BMP file cannot be decoded: only 8, 24 and 32 bits per pixel are read\n  try: save the picture "
            "again, as PNG or JPEG");
  EXPECT_EQ(
      decoded(bmp(8)),
      "input: the BMP file cannot be decoded: the palette is cut off\n  try: save the picture again, as PNG or JPEG");
  EXPECT_EQ(
      decoded(bmp(24)),
      "input: the BMP file cannot be decoded: the file ends too early\n  try: save the picture again, as PNG or JPEG");
  EXPECT_EQ(decoded(bmp(24, 0, 40, 0)), "input: the header gives the size 0x2; the file is damaged");
  EXPECT_EQ(decoded(bmp(24), {.max_pixels = 3}),
            "input: 2x2 pixels is more than the limit of 3 pixels\n  try: --max-megapixels N of detect and classify");
  EXPECT_EQ(
      decoded("P6\n2 2"),
      "input: the PPM file cannot be decoded: the header is cut off\n  try: save the picture again, as PNG or JPEG");
  EXPECT_EQ(decoded("P6\n2 2\n70000\n"),
            "input: the PPM file cannot be decoded: the largest sample value is not within 1..65535\n  try: save the "
            "picture again, as PNG or JPEG");
  EXPECT_EQ(
      decoded("P6\n2 2\n255\n01234567890"),
      "input: the PPM file cannot be decoded: the file ends too early\n  try: save the picture again, as PNG or JPEG");
}

#if MONZA_WITH_JPEG && MONZA_WITH_PNG && MONZA_WITH_WEBP

/// The reasons are the libraries' own words.
TEST(PictureMessages, OfTheLibraries) {
  const std::string jpeg = fixture_bytes("grey.jpg"), png = fixture_bytes("pattern.png"),
                    webp = fixture_bytes("pattern.webp");
  EXPECT_TRUE(decoded(jpeg.substr(0, 20)).starts_with("input: the JPEG file cannot be decoded: ")) << decoded(jpeg);
  EXPECT_TRUE(decoded(png.substr(0, 20)).starts_with("input: the PNG file cannot be decoded: ")) << decoded(png);
  EXPECT_TRUE(decoded(png.substr(0, png.size() / 2)).starts_with("input: the PNG file cannot be decoded: "));
  EXPECT_EQ(decoded(webp.substr(0, 20)),
            "input: the WebP file cannot be decoded: the header is damaged or cut off\n  try: save the picture again, "
            "as PNG or JPEG");
  EXPECT_EQ(decoded(webp.substr(0, webp.size() / 2)),
            "input: the WebP file cannot be decoded: the data is damaged or cut off\n  try: save the picture again, as "
            "PNG or JPEG");
  // An extended header that says that the file is an animation.
  std::string animation = "RIFF____WEBPVP8X";
  put(animation, 4, 22, 4);
  animation += std::string("\x0a\0\0\0\x02\0\0\0\x01\0\0\x01\0\0", 14);
  const auto webp_error = [](const std::string& why) {
    return "input: the WebP file cannot be decoded: " + why + "\n  try: save the picture again, as PNG or JPEG";
  };
  EXPECT_EQ(decoded(animation), webp_error("the animation has no frame"));
  animation = fixture_bytes("pattern_animated.webp");
  const std::size_t frame = animation.find("ANMF") + 8;
  animation[frame + 6] = 100;  // the frame's width
  EXPECT_EQ(decoded(animation), webp_error("the first frame lies outside of the picture"));
  animation[frame + 6] = 22;
  EXPECT_EQ(decoded(animation), webp_error("the first frame is damaged or cut off"));
  EXPECT_EQ(error_of([] { encode_jpeg({}); }), "an empty picture cannot be written as JPEG");
  EXPECT_EQ(error_of([] { encode_png({}); }), "an empty picture cannot be written as PNG");
  EXPECT_TRUE(error_of([] { encode_jpeg(Image(70000, 1)); }).starts_with("the picture cannot be written as JPEG: "));
}

#endif

#if MONZA_WITH_FFMPEG

TEST(PictureMessages, OfTiffAndJpeg2000) {
  const std::string tiff = fixture_bytes("pattern.tiff"), jpeg2000 = fixture_bytes("pattern.jp2");
  EXPECT_TRUE(decoded(tiff.substr(0, 100)).starts_with("input: the TIFF file cannot be decoded: ")) << decoded(tiff);
  EXPECT_TRUE(decoded(jpeg2000.substr(0, 60)).starts_with("input: the JPEG 2000 file cannot be decoded: "));
  EXPECT_NE(decoded(tiff, {.max_pixels = 100}), "");
}

#endif

TEST(PictureMessages, OfAMissingLibrary) {
  EXPECT_EQ(error_of([] { codec::fail_missing("WebP", "libwebp", "libwebp-dev"); }),
            "this build of monza cannot read or write WebP: libwebp was not found when it was built\n  try: install "
            "libwebp-dev and configure and build again");
}

TEST(PictureMessages, OfSizesThatCannotBe) {
  const Image picture = test::pattern(4, 4);
  std::vector<float> out(10);
  EXPECT_EQ(error_of([&] { letterbox(picture, 8, 8, LetterboxRule::top_left, {}, std::span(out)); }),
            "the input tensor has 10 elements; a 8x8 picture needs 192");
  EXPECT_EQ(error_of([&] { plan_letterbox(4, 4, 0, 8, LetterboxRule::top_left); }),
            "cannot fit a 4x4 picture into an input of 0x8");
  EXPECT_EQ(error_of([&] { plan_letterbox(4000, 1, 8, 8, LetterboxRule::top_left); }),
            "a 4000x1 picture is too narrow for an input of 8x8");
  EXPECT_EQ(error_of([&] { resize_bilinear(picture, 0, 8); }), "cannot resize a 4x4 picture to 0x8");
  EXPECT_EQ(error_of([&] { resize_antialiased(picture, 0, 8); }), "cannot resize a 4x4 picture to 0x8");
  EXPECT_EQ(error_of([&] { classify_input(Image(), {}, {}, std::span(out)); }),
            "an empty picture cannot be classified");
  EXPECT_EQ(error_of([&] { classify_input(picture, {-1, 8, 8}, {}, std::span(out)); }),
            "resize -1 and crop 8x8 make no input");
  EXPECT_EQ(error_of([&] { classify_input(Image(5000, 1), {300, 8, 8}, {}, std::span(out)); }),
            "a 5000x1 picture is too narrow to resize its short side to 300");
}

TEST(SourceMessages, SayWhatCannotBeOpenedOrWritten) {
  const TemporaryFolder folder;
  const auto opened = [&](const std::string& name) {
    return error_of([&] { open_source(folder / name); }, folder.path());
  };
  EXPECT_EQ(opened("none.jpg"),
            "'FOLDER/none.jpg' does not exist\n  try: a picture, a folder of pictures, a video file or a camera such "
            "as /dev/video0");
  EXPECT_EQ(opened(""),
            "the folder 'FOLDER/' holds no pictures\n  try: a folder with .jpg, .png, .webp, .bmp or .ppm files");
  EXPECT_EQ(
      error_of([&] { save_image(test::pattern(4, 4), folder / "a.gif"); }, folder.path()),
      "FOLDER/a.gif: cannot write a picture with the extension '.gif'\n  try: a name that ends in .jpg, .png or .ppm");
}

TEST(LabelMessages, SayWhatIsNotUnderstood) {
  const char* const cases[][2] = {
      {"cat",
       "the model's metadata 'names' is not understood at byte 0: expected a dictionary or list, found 'cat'\n  try: "
       "--labels FILE with one name a line"},
      {"{0: 'cat', 0: 'dog'}",
       "the model's metadata 'names' is not understood at byte 19: expected class 0 only once, found '}'\n  try: "
       "--labels FILE with one name a line"},
      {"{'zero': 'cat'}",
       "the model's metadata 'names' is not understood at byte 7: expected the number of a class, found ': 'cat'}'\n  "
       "try: --labels FILE with one name a line"},
      {"{-1: 'cat'}",
       "the model's metadata 'names' is not understood at byte 1: expected the number of a class, found '-1: 'cat'}'\n "
       " try: --labels FILE with one name a line"},
      {"{0 'cat'}",
       "the model's metadata 'names' is not understood at byte 3: expected ':', found ''cat'}'\n  try: --labels FILE "
       "with one name a line"},
      {"{0: cat}",
       "the model's metadata 'names' is not understood at byte 4: expected a quoted name, found 'cat}'\n  try: "
       "--labels FILE with one name a line"},
      {"{0: 'cat'",
       "the model's metadata 'names' is not understood at byte 9: expected '}', found ''\n  try: --labels FILE with "
       "one name a line"},
      {"['cat' 'dog']",
       "the model's metadata 'names' is not understood at byte 7: expected ']', found ''dog']'\n  try: --labels FILE "
       "with one name a line"},
      {"('cat']",
       "the model's metadata 'names' is not understood at byte 6: expected ')', found ']'\n  try: --labels FILE with "
       "one name a line"},
      {"['cat",
       "the model's metadata 'names' is not understood at byte 5: expected the end of the name, found ''\n  try: "
       "--labels FILE with one name a line"},
      {"['\\u00g0']",
       "the model's metadata 'names' is not understood at byte 4: expected hexadecimal digits, found '00g0']'\n  try: "
       "--labels FILE with one name a line"},
      {"['cat'] and more",
       "the model's metadata 'names' is not understood at byte 8: expected nothing more, found 'and more'\n  try: "
       "--labels FILE with one name a line"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of([&] { parse_names_metadata(text); }), error) << text;
  const TemporaryFolder folder;
  write_file(folder / "labels.txt", "");
  EXPECT_EQ(error_of([&] { load_labels(folder / "labels.txt"); }, folder.path()),
            "FOLDER/labels.txt: holds no class names\n  try: a text file with one class name a line");
}

TEST(CocoMessages, SayWhatIsWrongWithAFile) {
  const std::string one = R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [], "categories": )";
  const std::pair<std::string, const char*> cases[] = {
      {std::string(18, '['), "coco.json: it is nested deeper than 16 levels\n  try: COCO's instances_*.json"},
      {"[]", "coco.json: has no list 'images', so it is no COCO instances file\n  try: COCO's instances_*.json"},
      {R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": [], "categories": []})",
       "coco.json: images holds the id 1 twice\n  try: COCO's instances_*.json"},
      {one + R"([{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]})",
       "coco.json: categories holds the id 7 twice\n  try: COCO's instances_*.json"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of([&] { parse_coco(text, "coco.json"); }), error) << text;
  // The rest of these is the JSON library's own word.
  EXPECT_TRUE(error_of([] { parse_coco("{", "coco.json"); }).starts_with("coco.json: is not JSON: "));
  EXPECT_TRUE(
      error_of([] { parse_coco(R"({"images": [{"id": 1}]})", "coco.json"); }).starts_with("coco.json: images[0]: "));
  const CocoDataset set = parse_coco(one + R"([{"id": 7, "name": "cat"}]})", "coco.json");
  EXPECT_EQ(error_of([&] { match_categories(set, {"cat", "dog"}, 2); }),
            "the model has 2 classes, 1 of whose names are in the instances file, which has 1 categories\n  try: the "
            "instances file of the data that the model was trained for");
}

TEST(BoxMessages, SayWhyAnOutputIsNoDetectors) {
  struct Case {
    std::vector<std::int64_t> shape;
    HeadHints hints;
    const char* error;
    int side = 64;
  };
  // An input of 64 x 64 has 84 cells; 85 rows of 84 are a head of yolov8 with 81 classes, 84 rows of 85 are yolox's.
  const Case cases[] = {
      {{1, 84, 84}, {}, "a detector's input of 0x0 pixels makes no sense", 0},
      {{1, 84, 84},
       {.task = "classify"},
       "a model whose task is 'classify' is no detector\n  try: detect, segment, pose or obb; classifiers go to 'monza "
       "classify'"},
      {{1, 84, 84},
       {.task = "segment"},
       "masks are combined of prototypes, and the model has no such output\n  try: an export whose prototypes [1, "
       "channels, height, width] are an output"},
      {{1, 84, 84},
       {.task = "pose", .keypoints = "many"},
       "'many' is no shape of key points\n  try: the number of key points and 2 or 3 values for each, such as 17x3"},
      {{2, 84, 84},
       {},
       "the output [2, 84, 84] is not that of a YOLO detector\n  try: an export whose detections are one output [1, "
       "rows, columns] with batch 1; name it with --outputs if there are several"},
      {{1, 84, 7, 7},
       {},
       "the output [1, 84, 7, 7] is not that of a YOLO detector\n  try: an export whose detections are one output [1, "
       "rows, columns] with batch 1; name it with --outputs if there are several"},
      {{1, 10, 99},
       {},
       "the output [1, 10, 99] fits no known head: an input of 64x64 has 84 cells at strides 8, 16, 32 and 85 with "
       "64\n  try: the input size that the model was exported for, or a model with one of these heads: yolov5 [1, "
       "3*cells, 5+classes], yolov8 and yolov11 [1, 4+classes, cells], yolox [1, cells, 5+classes], end2end [1, boxes, "
       "6]"},
      {{1, 84, 84},
       {.requested = "yolov3"},
       "there is no detection head called 'yolov3'\n  try: yolov5, yolov8, yolov11, yolox or end2end"},
      {{1, 20, 84},
       {.requested = "yolox"},
       "the head yolox was asked for, but the output [1, 20, 84] at an input of 64x64 can only be: yolov8 with 16 "
       "classes"},
      {{1, 84, 14},
       {.classes = 10},
       "the output [1, 84, 14] looks like a yolov8 head turned to rows of boxes\n  try: an export without the "
       "transpose"},
      {{1, 85, 84},
       {.classes = 80},
       "there are 80 class names, but the output [1, 85, 84] is: yolov8 with 81 classes, yolox with 79 classes\n  try: "
       "the class names that belong to the model"},
      {{1, 84, 84},
       {},
       "the output [1, 84, 84] can be read in more than one way: yolov8 with 80 classes, yolox with 79 classes\n  try: "
       "--head yolov5, --head yolov8 or --head yolox"},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of([&] { identify_head(c.shape, c.side, c.side, c.hints); }), c.error);
  const std::vector<float> values(85 * 84 - 1);
  EXPECT_EQ(error_of([&] { decode_boxes(values, {Head::yolov8, 81, 84, {8, 16, 32}}, 64, 64); }),
            "the output has 7139 values; yolov8 with 81 classes at 64x64 has 7140");
  std::vector<float> more(2);
  EXPECT_EQ(error_of([&] { extra_values(values, {Head::yolov8, 81, 84, {8, 16, 32}}, 84, more); }),
            "candidate 84 of 84 has no 2 further values in an output of 7139");
  EXPECT_EQ(error_of([&] { decode_mask({values, 32, 16, 16}, more, {}, {}); }),
            "7139 values and 2 coefficients are no prototypes of 32x16x16");
}

}  // namespace
}  // namespace monza::vision
