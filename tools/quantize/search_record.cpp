#include "tools/quantize/search_record.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/output_file.h"

namespace monza::tool {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kHeader = "monza quantisation search 1";
constexpr std::size_t kMostBytes = std::size_t{16} << 20;

/// "KEY NUMBER", both hexadecimal, or nullopt.
std::optional<std::pair<std::uint64_t, double>> parse_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  std::pair<std::uint64_t, double> entry;
  const char *const middle = line.data() + space, *const end = line.data() + line.size();
  const auto key = std::from_chars(line.data(), middle, entry.first, 16);
  const auto number = std::from_chars(middle + 1, end, entry.second, std::chars_format::hex);
  if (key.ec != std::errc{} || key.ptr != middle || number.ec != std::errc{} || number.ptr != end) return std::nullopt;
  if (!std::isfinite(entry.second)) return std::nullopt;
  return entry;
}

}  // namespace

SearchRecord::SearchRecord(std::string path) : path_(std::move(path)) {
  if (path_.empty() || !fs::exists(path_)) return;
  const auto file = MappedFile::open_to_read(path_);
  std::string text(std::min(file->bytes().size(), kMostBytes), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)), "record of a search");
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (std::exchange(first, false)) {
      if (line != kHeader)
        throw Error(fmt::format("it is no record of a search: it begins with '{}'", line.substr(0, 40)),
                    "another name, or delete the file")
            .at(message("--search-cache '{}'", path_));
    } else if (const auto entry = parse_line(line)) {
      numbers_.insert(*entry);
    }
  }
}

std::optional<double> SearchRecord::find(std::uint64_t key) const {
  const auto it = numbers_.find(key);
  return it == numbers_.end() ? std::nullopt : std::optional(it->second);
}

void SearchRecord::add(std::uint64_t key, double number) {
  numbers_[key] = number;
  if (path_.empty()) return;
  std::string text = std::string(kHeader) + "\n";
  for (const auto& [k, n] : numbers_) {
    char digits[64];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), n, std::chars_format::hex);
    text += fmt::format("{:016x} {}\n", k, std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
  }
  write_file(path_, text);
}

std::uint64_t hash_of_files(const std::string& path) {
  std::vector<std::string> files;
  std::error_code none;
  const auto note = [&](const fs::path& file) {
    const auto changed = fs::last_write_time(file, none).time_since_epoch().count();
    files.push_back(
        fmt::format("{} {} {}", file.lexically_relative(path).string(), fs::file_size(file, none), changed));
  };
  if (fs::is_regular_file(path, none)) note(path);
  for (auto it = fs::recursive_directory_iterator(path, none); it != fs::recursive_directory_iterator();
       it.increment(none))
    if (it->is_regular_file(none)) note(it->path());
  std::sort(files.begin(), files.end());
  std::uint64_t hash = 0;
  for (const std::string& file : files) hash = hash64(file, hash);
  return hash;
}

}  // namespace monza::tool
