// Calibration caches: written and read again, TensorRT's, and what is wrong with the others.
#include "quant/calibration_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza::quant {
namespace {

using test::error_of;

CalibrationTable table() {
  CalibrationTable t{"mse", 160, {}, {}, {}};
  t.ranges["images"] = {0, 1};
  t.ranges["/model.0/act/Mul_output_0"] = {-0.2784645F, 17.125F};
  t.ranges["two words"] = {-1e-7F, 3e20F};
  t.ranges["line\nend\\and\rreturn"] = {0.1F, 0.3F};
  t.factors["two words"] = {1, 0.33333334F, 1e-9F};
  t.means["images"] = {0.1F, -3e20F, 0};
  t.means["line\nend"] = {};
  return t;
}

std::string reading(const std::string& lines) {
  return error_of([&] { parse_calibration("monza calibration 1\n" + lines); });
}

TEST(CalibrationFile, IsReadAsItWasWritten) { EXPECT_EQ(parse_calibration(to_text(table())), table()); }

TEST(CalibrationFile, TellsScalesToPeople) {
  const std::string text =
      to_text({"mse", 2, {{"x", {0, 255}}, {"y", {-128, 127}}}, {{"y z", {2, 0.5F}}}, {{"x", {0.25F}}}});
  EXPECT_EQ(text,
            "monza calibration 1\ncalibrator mse\nsamples 2\n# low high scale zero_point name\n"
            "0 255 1 0 x\n-128 127 1 128 y\nmeans 1 0.25 x\nfactors 2 2 0.5 y z\n");
}

TEST(CalibrationFile, RefusesWhatItCannotMean) {
  const std::string anew = "\n  try: write it anew: `monza quantize MODEL --data FOLDER --calibration-cache FILE`";
  EXPECT_EQ(error_of([] { parse_calibration(""); }), "it holds no range" + anew);
  EXPECT_EQ(error_of([] { parse_calibration("hello\n"); }),
            "line 1: it is no calibration cache: it begins with 'hello'\n  try: a file that `monza quantize "
            "--calibration-cache` or TensorRT wrote: its first line is 'monza calibration 1' or begins with 'TRT-'");
  EXPECT_EQ(reading("0 x 1 0 a\n"), "line 2: 'x' is no high end of a range" + anew);
  EXPECT_EQ(reading("nan 1 1 0 a\n"), "line 2: 'nan' is no low end of a range" + anew);
  EXPECT_EQ(reading("0 1e39 1 0 a\n"), "line 2: '1e39' is no high end of a range" + anew);
  EXPECT_EQ(reading("0 255 one 0 a\n"), "line 2: 'one' is no scale" + anew);
  EXPECT_EQ(reading("0 255 1 0.5 a\n"), "line 2: '0.5' is no zero point" + anew);
  EXPECT_EQ(reading("0 255 1 0\n"), "line 2: a range without a name" + anew);
  EXPECT_EQ(reading("samples many\n"), "line 2: 'many' is no number of samples" + anew);
  EXPECT_EQ(reading("means x a\n"), "line 2: 'x' is no number of channels" + anew);
  EXPECT_EQ(reading("means 99999999999 1 a\n"), "line 2: 'a' is no number of a channel" + anew);
  EXPECT_EQ(reading("factors 2 1 inf a\n"), "line 2: 'inf' is no number of a channel" + anew);
  EXPECT_EQ(reading("factors 2 1 0 a\n"), "line 2: channels cannot be divided by 0" + anew);
  EXPECT_EQ(reading("means 1 1\n"), "line 2: numbers of channels without a name" + anew);
  EXPECT_EQ(reading("means 1 1 a\nmeans 1 1 a\n"), "line 3: the channels of 'a' stand there twice" + anew);
  EXPECT_EQ(reading("2 1 1 0 a\n"), "line 2: the range of 'a' begins at 2 and ends at 1" + anew);
  EXPECT_EQ(reading("0 255 1 0 a\n\n# that one\n0 255 1 0 a\n"), "line 5: the range of 'a' stands there twice" + anew);
  EXPECT_EQ(reading("0 255 1 0 a\\t\n"), "line 2: a name has a backslash that stands for nothing" + anew);
  EXPECT_EQ(
      reading("0 255 2 0 a\n"),
      "line 2: scale 2 and zero point 0 of 'a' are not those of its range 0 to 255\n  try: scale 1 and zero point "
      "0, which follow from the range; or other ends of the range");
}

TEST(TensorRtCache, IsReadAndWritten) {
  const CalibrationTable t = parse_calibration("TRT-8601-EntropyCalibration2\nimages: 3c010a14\nsum: a: 3f800000\r\n");
  EXPECT_EQ(t.calibrator, "TRT-8601-EntropyCalibration2");
  ASSERT_EQ(t.ranges.size(), 2U);
  EXPECT_EQ(t.ranges.at("images").high, 127 * 0x1.021428p-7F);  // 0x3c010a14
  EXPECT_EQ(t.ranges.at("sum: a"), (ValueRange{-127, 127}));
  EXPECT_EQ(to_tensorrt_text({"", 0, {{"a", {-3, 254}}, {"b", {-127, 0}}, {"no\nline", {0, 1}}}, {}, {}}),
            "TRT-8601-EntropyCalibration2\na: 40000000\nb: 3f800000\n");
  const auto reading_trt = [](const std::string& line) {
    return error_of([&] { parse_calibration("TRT-8601-EntropyCalibration2\n" + line); });
  };
  EXPECT_EQ(reading_trt("a 3c010a14"),
            "line 2: it is no name with the eight hexadecimal digits of a float: 'a 3c010a14'\n  try: lines such as "
            "'images: 3c010a14'");
  EXPECT_NE(reading_trt("a: 3c010a1").find("eight hexadecimal digits"), std::string::npos);
  EXPECT_NE(reading_trt(": 3c010a14").find("eight hexadecimal digits"), std::string::npos);
  EXPECT_EQ(reading_trt("a: 7f800000"), "line 2: the scale of 'a' is inf\n  try: calibrate again");
  EXPECT_EQ(reading_trt("a: bf800000"), "line 2: the scale of 'a' is -1\n  try: calibrate again");
  EXPECT_EQ(reading_trt("a: 3f800000\na: 3f800000"),
            "line 3: the scale of 'a' stands there twice\n  try: calibrate again");
}

TEST(CalibrationFile, NoBytesDoMoreThanBeRefused) {
  std::mt19937 rng(3);
  const std::string sound[] = {to_text(table()), to_tensorrt_text(table())};
  for (int round = 0; round < 4000; ++round) {
    std::string text = sound[round % 2];
    for (int n = 1 + static_cast<int>(rng() % 4); n > 0; --n) {
      const std::size_t at = rng() % text.size();
      if (rng() % 3 == 0) text.erase(at, rng() % 9);
      else text[at] = static_cast<char>(rng());
      if (text.empty()) text = "\n";
    }
    try {
      const CalibrationTable t = parse_calibration(text);
      for (const auto& [name, range] : t.ranges) EXPECT_TRUE(range.low <= range.high) << name;
    } catch (const Error&) {
    }
  }
}

TEST(CalibrationFile, OfAFileNamesIt) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "ranges";
  std::ofstream(path) << "0";
  EXPECT_NE(error_of([&] { load_calibration(path); }).find("calibration cache '"), std::string::npos);
  std::ofstream(path) << to_text(table());
  EXPECT_EQ(load_calibration(path), table());
  std::filesystem::resize_file(path, (std::uintmax_t{64} << 20) + 1);
  EXPECT_NE(
      error_of([&] { load_calibration(path); }).find("it has 67108865 bytes; a calibration cache has 67108864 at most"),
      std::string::npos);
}

}  // namespace
}  // namespace monza::quant
