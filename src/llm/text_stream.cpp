#include "llm/text_stream.h"

#include <algorithm>
#include <utility>

namespace monza::llm {

TextStream::TextStream(const text::Tokenizer& tokenizer, Token before, std::vector<std::string> stops)
    : decoder_(tokenizer, true), stops_(std::move(stops)) {
  std::erase(stops_, "");
  (void)decoder_.add(before);
}

std::string TextStream::add(Token token) {
  held_ += decoder_.add(token);
  return take(false);
}

std::string TextStream::finish() {
  if (stopped_) return {};
  held_ += decoder_.finish();
  return take(true);
}

/// What of held_ is certain, or all of it; up to the first stop text, if there is one.
std::string TextStream::take(bool all) {
  std::size_t end = held_.npos;
  for (const std::string& stop : stops_) end = std::min(end, held_.find(stop));
  stopped_ = end != held_.npos;
  if (stopped_) held_.resize(end);
  const std::size_t kept = stopped_ || all ? 0 : beginning_of_stop();
  std::string given = held_.substr(0, held_.size() - kept);
  held_.erase(0, given.size());
  return given;
}

/// Bytes at the end that a stop text may begin with.
std::size_t TextStream::beginning_of_stop() const {
  std::size_t most = 0;
  for (const std::string& stop : stops_)
    for (std::size_t n = std::min(held_.size(), stop.size()); n > most; --n)
      if (held_.ends_with(std::string_view(stop).substr(0, n))) most = n;
  return most;
}

}  // namespace monza::llm
