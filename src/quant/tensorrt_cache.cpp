#include "quant/tensorrt_cache.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/error.h"

namespace monza::quant {
namespace {

constexpr float kMost = 127;  // of TensorRT's signed integers, which are symmetric

}  // namespace

bool is_tensorrt_header(std::string_view line) { return line.starts_with("TRT-"); }

void read_tensorrt_line(std::string_view line, CalibrationTable& table) {
  if (line.empty()) return;
  constexpr std::size_t kDigits = 8;
  const std::size_t colon = line.rfind(": ");
  const std::string_view digits = colon == line.npos ? std::string_view() : line.substr(colon + 2);
  std::uint32_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  if (digits.size() != kDigits || error != std::errc{} || end != digits.data() + digits.size() || colon == 0)
    fail_hint("lines such as 'images: 3c010a14'", "it is no name with the eight hexadecimal digits of a float: '{}'",
              line.substr(0, 80));
  const auto scale = std::bit_cast<float>(bits);
  const std::string name(line.substr(0, colon));
  if (!std::isfinite(scale * kMost) || scale < 0) fail_hint("calibrate again", "the scale of '{}' is {}", name, scale);
  if (!table.ranges.emplace(name, ValueRange{-scale * kMost, scale * kMost}).second)
    fail_hint("calibrate again", "the scale of '{}' stands there twice", name);
}

std::string to_tensorrt_text(const CalibrationTable& table) {
  std::string text = "TRT-8601-EntropyCalibration2\n";
  for (const auto& [name, range] : table.ranges) {
    if (name.find_first_of("\r\n") != name.npos) continue;
    const float scale = std::max(std::abs(range.low), std::abs(range.high)) / kMost;
    text += fmt::format("{}: {:08x}\n", name, std::bit_cast<std::uint32_t>(scale));
  }
  return text;
}

}  // namespace monza::quant
