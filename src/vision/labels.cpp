#include "monza/vision/labels.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace monza::vision {
namespace {

constexpr std::size_t max_file_bytes = std::size_t{4} << 20;
constexpr int max_classes = 1 << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// Reads the literals that Python's repr() and JSON share, as far as class names need them.
class NamesParser {
 public:
  explicit NamesParser(std::string_view text) : text_(text) {}

  std::vector<std::string> parse() {
    if (accept('{')) return finish(parse_dictionary());
    if (accept('[')) return finish(parse_list(']'));
    if (accept('(')) return finish(parse_list(')'));
    refuse("a dictionary or list");
  }

 private:
  std::vector<std::string> parse_dictionary() {
    std::map<int, std::string> names;
    while (!accept('}')) {
      const int key = parse_key();
      expect(':');
      if (!names.emplace(key, parse_string()).second) refuse(fmt::format("class {} only once", key));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    std::vector<std::string> list;
    for (auto& [key, name] : names) {
      // A gap would shift every later name by one; it gets the number as its name instead.
      while (static_cast<int>(list.size()) < key) list.push_back(fmt::format("class {}", list.size()));
      list.push_back(std::move(name));
    }
    return list;
  }

  std::vector<std::string> parse_list(char end) {
    std::vector<std::string> names;
    while (!accept(end)) {
      names.push_back(parse_string());
      if (!accept(',')) {
        expect(end);
        break;
      }
    }
    return names;
  }

  int parse_key() {
    skip_space();
    // JSON has only strings as keys: "0".
    const std::string quoted = at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'') ? parse_string() : "";
    const std::string_view digits = quoted.empty() ? text_.substr(at_) : std::string_view(quoted);
    int key = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), key);
    if (error != std::errc{} || key < 0 || key >= max_classes) refuse("the number of a class");
    if (quoted.empty()) at_ += static_cast<std::size_t>(end - digits.data());
    return key;
  }

  std::string parse_string() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) refuse("a quoted name");
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      if (++at_ >= text_.size()) break;
      const char c = text_[at_++];
      switch (c) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'x': append_utf8(out, parse_hex(2)); break;
        case 'u': append_utf8(out, parse_hex(4)); break;
        default: out += c;
      }
    }
    if (at_ >= text_.size()) refuse("the end of the name");
    ++at_;
    return out;
  }

  unsigned parse_hex(std::size_t digits) {
    unsigned code = 0;
    const std::string_view part = text_.substr(at_, digits);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), code, 16);
    if (part.size() != digits || error != std::errc{} || end != part.data() + digits) refuse("hexadecimal digits");
    at_ += digits;
    return code;
  }

  std::vector<std::string> finish(std::vector<std::string> names) {
    skip_space();
    if (at_ != text_.size()) refuse("nothing more");
    return names;
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(fmt::format("'{}'", c));
  }
  [[noreturn]] void refuse(std::string_view wanted) const {
    fail_hint("--labels FILE with one name a line",
              "the model's metadata 'names' is not understood at byte {}: expected {}, found '{}'", at_, wanted,
              text_.substr(std::min(at_, text_.size()), 24));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string> parse_label_lines(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::vector<std::string> labels;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    labels.emplace_back(trimmed(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  return labels;
}

std::vector<std::string> load_labels(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path, max_file_bytes);
  const auto bytes = file->bytes();
  auto labels = parse_label_lines({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (labels.empty()) fail_hint("a text file with one class name a line", "{}: holds no class names", path.string());
  return labels;
}

std::vector<std::string> parse_names_metadata(std::string_view text) { return NamesParser(text).parse(); }

std::string label_of(const std::vector<std::string>& labels, int class_id) {
  if (class_id >= 0 && static_cast<std::size_t>(class_id) < labels.size() &&
      !labels[static_cast<std::size_t>(class_id)].empty())
    return labels[static_cast<std::size_t>(class_id)];
  return fmt::format("class {}", class_id);
}

}  // namespace monza::vision
