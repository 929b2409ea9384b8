#include "text/decoder.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer.h"

namespace monza::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/// The byte that "<0x0A>" stands for, or -1.
int fallback_byte(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// English spacing, as BERT's tokenizer undoes its own.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

/// How many bytes at the beginning of `text` may be the beginning of one character: those that one U+FFFD replaces.
std::size_t unsound_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first >= 0xC2 && first < 0xE0   ? 2
                           : first >= 0xE0 && first < 0xF0 ? 3
                           : first >= 0xF0 && first < 0xF5 ? 4
                                                           : 1;
  std::size_t n = 1;
  for (; n < std::min(size, text.size()); ++n) {
    unsigned char low = 0x80, high = 0xBF;
    if (n == 1 && first == 0xE0) low = 0xA0;
    if (n == 1 && first == 0xED) high = 0x9F;
    if (n == 1 && first == 0xF0) low = 0x90;
    if (n == 1 && first == 0xF4) high = 0x8F;
    if (byte(n) < low || byte(n) > high) break;
  }
  return n;
}
bool may_continue(std::string_view text) {  // all of it is the beginning of a character that lacks bytes
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first >= 0xC2 && first < 0xE0   ? 2
                           : first >= 0xE0 && first < 0xF0 ? 3
                           : first >= 0xF0 && first < 0xF5 ? 4
                                                           : 1;
  return text.size() < size && unsound_bytes(text) == text.size();
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special), strip_left_(tokenizer.decoder_rules().strip_left) {}

std::string StreamDecoder::add(Token token) {
  const DecoderRules& rules = tokenizer_->decoder_rules();
  if (!tokenizer_->contains(token) || (skip_special_ && tokenizer_->is_special(token))) return {};
  std::string text(tokenizer_->token_text(token));
  const bool first = std::exchange(first_, false);
  if (const int byte = rules.byte_fallback ? fallback_byte(text) : -1; byte >= 0) {
    if (!pending_bytes_) append_text({});
    pending_bytes_ = true;
    pending_ += static_cast<char>(byte);
    return whole_characters(false);
  }
  std::string out;
  if (pending_bytes_) {  // the row of bytes has ended
    out = whole_characters(true);
    pending_bytes_ = false;
  }
  if (!rules.mark.empty()) replace_all(text, rules.mark, " ");
  if (rules.kind == DecoderRules::Kind::wordpiece) {
    if (!first && text.starts_with(rules.prefix)) text.erase(0, rules.prefix.size());
    else if (!first) text.insert(0, 1, ' ');
    if (rules.cleanup) clean_up(text);
  } else if (rules.kind == DecoderRules::Kind::spaced && !first) {
    text.insert(0, 1, ' ');
  }
  append_text(text);
  return out + whole_characters(false);
}

void StreamDecoder::append_text(std::string_view text) {
  while (strip_left_ > 0 && text.starts_with(' ')) text.remove_prefix(1), --strip_left_;
  if (!text.empty()) strip_left_ = 0;
  pending_ += text;
}

std::string token_bytes(const Tokenizer& tokenizer, Token token) {
  const DecoderRules& rules = tokenizer.decoder_rules();
  if (!tokenizer.contains(token) || tokenizer.is_special(token)) return {};
  std::string text(tokenizer.token_text(token));
  if (const int byte = rules.byte_fallback ? fallback_byte(text) : -1; byte >= 0) return {static_cast<char>(byte)};
  if (!rules.mark.empty()) replace_all(text, rules.mark, " ");
  return text;
}

std::string StreamDecoder::finish() { return whole_characters(true); }

std::string StreamDecoder::whole_characters(bool all) {
  std::string out;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const std::string_view rest = std::string_view(pending_).substr(at);
    if (const std::size_t bytes = utf8_bytes(rest); bytes > 0) {
      out += rest.substr(0, bytes);
      at += bytes;
      continue;
    }
    if (!all && may_continue(rest)) break;
    out += kReplacement;
    at += pending_bytes_ ? 1 : unsound_bytes(rest);
  }
  pending_.erase(0, at);
  return out;
}

}  // namespace monza::text
