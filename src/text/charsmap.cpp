// SentencePiece's table: four bytes that say how long its tree is, the tree (a double array, as darts-clone writes it),
// and the texts that its leaves name, each ended by a zero byte.
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "text/normalizer.h"

namespace monza::text {
namespace {

constexpr std::string_view kFile = "the tokenizer's table of characters (precompiled_charsmap)";

class Charsmap final : public Normalizer {
 public:
  explicit Charsmap(std::string bytes) {
    std::uint32_t size = 0;
    if (bytes.size() >= sizeof size) std::memcpy(&size, bytes.data(), sizeof size);
    if (bytes.size() < sizeof size || size % 4 != 0 || size == 0 || size > bytes.size() - sizeof size)
      fail("{} is damaged: its {} bytes hold no tree of {}", kFile, bytes.size(), size);
    units_.resize(size / 4);
    std::memcpy(units_.data(), bytes.data() + sizeof size, size);
    texts_ = bytes.substr(sizeof size + size);
    if (!texts_.empty() && texts_.back() != '\0') fail("{} is damaged: its last text has no end", kFile);
    for (std::size_t at = 0; at < texts_.size(); at += std::strlen(texts_.c_str() + at) + 1)
      if (utf8_fault(texts_.c_str() + at) != std::string_view::npos) fail("{} holds a text that is not UTF-8", kFile);
  }

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    const Unicode& unicode = Unicode::get();
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view rest = std::string_view(text).substr(at);
      // ASCII followed by ASCII is a cluster of its own, but for the end of a line.
      const bool plain = static_cast<unsigned char>(rest[0]) < 128 && rest[0] != '\r' &&
                         (rest.size() == 1 || static_cast<unsigned char>(rest[1]) < 128);
      const std::string_view cluster = rest.substr(0, plain ? 1 : unicode.cluster_bytes(rest));
      at += cluster.size();
      // A short cluster is looked up as a whole, then each of its characters.
      if (cluster.size() < 6 && append_mapped(cluster, out)) continue;
      for (std::size_t i = 0; i < cluster.size();) {
        const std::string_view one = cluster.substr(i, character_at(cluster, i).bytes);
        if (!append_mapped(one, out)) out += one;
        i += one.size();
      }
    }
    text = std::move(out);
  }

 private:
  /// What the shortest key that `key` begins with stands for.
  bool append_mapped(std::string_view key, std::string& out) const {
    const auto offset = [](std::uint32_t unit) { return unit >> 10 << ((unit & (1u << 9)) >> 6); };
    std::size_t at = offset(units_[0]);
    for (const char c : key) {
      at ^= static_cast<unsigned char>(c);
      if (c == '\0' || at >= units_.size()) return false;
      const std::uint32_t unit = units_[at];
      if ((unit & (1u << 31 | 0xFF)) != static_cast<unsigned char>(c)) return false;
      at ^= offset(unit);
      if ((unit >> 8 & 1) == 0) continue;
      const std::size_t text = at < units_.size() ? units_[at] & ~(1u << 31) : texts_.size();
      if (text >= texts_.size()) return false;
      out += texts_.c_str() + text;
      return true;
    }
    return false;
  }

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace

NormalizerPtr make_charsmap(std::string bytes) { return std::make_unique<Charsmap>(std::move(bytes)); }

}  // namespace monza::text
