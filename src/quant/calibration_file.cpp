#include "quant/calibration_file.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "quant/quantizer.h"
#include "quant/tensorrt_cache.h"

namespace monza::quant {
namespace {

constexpr std::string_view kHeader = "monza calibration 1";
constexpr const char* kWriteIt = "write it anew: `monza quantize MODEL --data FOLDER --calibration-cache FILE`";

std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '\n') text += "\\n";
    else if (c == '\r') text += "\\r";
    else if (c == '\\') text += "\\\\";
    else text += c;
  }
  return text;
}

std::string unescaped(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      name += text[i];
      continue;
    }
    const char c = ++i < text.size() ? text[i] : ' ';
    if (c != 'n' && c != 'r' && c != '\\') fail_hint(kWriteIt, "a name has a backslash that stands for nothing");
    name += c == 'n' ? '\n' : c == 'r' ? '\r' : '\\';
  }
  return name;
}

/// The word that `line` begins with, taken off with the space behind it.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

template <typename T>
T take_number(std::string_view& line, const char* what) {
  const std::string_view word = take_word(line);
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  bool good = error == std::errc{} && end == word.data() + word.size();
  if constexpr (std::is_floating_point_v<T>) good = good && std::isfinite(value);
  if (!good) fail_hint(kWriteIt, "'{}' is no {}", word.substr(0, 40), what);
  return value;
}

void read_value(std::string_view line, CalibrationTable& table) {
  ValueRange range;
  range.low = take_number<float>(line, "low end of a range");
  range.high = take_number<float>(line, "high end of a range");
  const auto scale = take_number<float>(line, "scale");
  const auto zero_point = take_number<int>(line, "zero point");
  const std::string name = unescaped(line);
  if (name.empty()) fail_hint(kWriteIt, "a range without a name");
  if (range.low > range.high)
    fail_hint(kWriteIt, "the range of '{}' begins at {} and ends at {}", name, range.low, range.high);
  // Who edits one of them means it: a table that says two things is not guessed at.
  const Affine affine = affine_of(range);
  if (std::abs(scale - affine.scale) > 1e-4F * affine.scale || zero_point != affine.zero_point)
    fail_hint(fmt::format("scale {} and zero point {}, which follow from the range; or other ends of the range",
                          affine.scale, affine.zero_point),
              "scale {} and zero point {} of '{}' are not those of its range {} to {}", scale, zero_point, name,
              range.low, range.high);
  if (!table.ranges.emplace(name, range).second) fail_hint(kWriteIt, "the range of '{}' stands there twice", name);
}

void read_channels(std::string_view line, std::map<std::string, std::vector<float>>& to, bool positive) {
  const auto count = take_number<std::size_t>(line, "number of channels");
  std::vector<float> values;
  while (values.size() < count) {
    values.push_back(take_number<float>(line, "number of a channel"));
    if (positive && !std::isnormal(1 / values.back()))
      fail_hint(kWriteIt, "channels cannot be divided by {}", values.back());
  }
  const std::string name = unescaped(line);
  if (name.empty()) fail_hint(kWriteIt, "numbers of channels without a name");
  if (!to.emplace(name, std::move(values)).second) fail_hint(kWriteIt, "the channels of '{}' stand there twice", name);
}

void read_line(std::string_view line, CalibrationTable& table) {
  if (line.empty() || line[0] == '#') return;
  std::string_view rest = line;
  const std::string_view word = take_word(rest);
  if (word == "calibrator") table.calibrator = unescaped(rest);
  else if (word == "samples") table.samples = take_number<std::int64_t>(rest, "number of samples");
  else if (word == "means") read_channels(rest, table.means, false);
  else if (word == "factors") read_channels(rest, table.factors, true);
  else read_value(line, table);
}

}  // namespace

std::string to_text(const CalibrationTable& table) {
  std::string text = fmt::format("{}\ncalibrator {}\nsamples {}\n# low high scale zero_point name\n", kHeader,
                                 escaped(table.calibrator), table.samples);
  for (const auto& [name, range] : table.ranges) {
    const Affine affine = affine_of(range);
    text += fmt::format("{} {} {} {} {}\n", range.low, range.high, affine.scale, affine.zero_point, escaped(name));
  }
  for (const auto& [word, channels] : {std::pair("means", &table.means), std::pair("factors", &table.factors)})
    for (const auto& [name, values] : *channels) {
      text += fmt::format("{} {}", word, values.size());
      for (const float v : values) text += fmt::format(" {}", v);
      text += " " + escaped(name) + "\n";
    }
  return text;
}

CalibrationTable parse_calibration(std::string_view text) {
  CalibrationTable table;
  int number = 0;
  bool tensorrt = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    ++number;
    try {
      if (number == 1) {
        tensorrt = is_tensorrt_header(line);
        if (!tensorrt && line != kHeader)
          fail_hint(fmt::format("a file that `monza quantize --calibration-cache` or TensorRT wrote: its first line is "
                                "'{}' or begins with 'TRT-'",
                                kHeader),
                    "it is no calibration cache: it begins with '{}'", line.substr(0, 40));
        if (tensorrt) table.calibrator = line;
      } else if (tensorrt) {
        read_tensorrt_line(line, table);
      } else {
        read_line(line, table);
      }
    } catch (const Error& e) {
      throw e.at(fmt::format("line {}", number));
    }
  }
  if (table.ranges.empty()) fail_hint(kWriteIt, "it holds no range");
  return table;
}

CalibrationTable load_calibration(const std::filesystem::path& path) {
  try {
    const auto file = MappedFile::open_to_read(path);
    constexpr std::size_t kMost = std::size_t{64} << 20;
    if (file->bytes().size() > kMost)
      fail_hint(kWriteIt, "it has {} bytes; a calibration cache has {} at most", file->bytes().size(), kMost);
    // Copied: a file that is cut while it is parsed would be a signal.
    std::string text(file->bytes().size(), '\0');
    file->read(0, std::as_writable_bytes(std::span(text)), "calibration cache");
    return parse_calibration(text);
  } catch (const Error& e) {
    throw e.at(message("calibration cache '{}'", path.string()));
  }
}

}  // namespace monza::quant
