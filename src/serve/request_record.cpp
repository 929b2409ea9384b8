#include "serve/request_record.h"

#include <algorithm>

#include "serve/batch.h"

namespace monza::serve {
namespace {

/// Lower-case digits, as the standard has them, and not all of them zero.
bool is_id(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos && text.find_first_not_of('0') != text.npos;
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  constexpr std::size_t kLength = 55;  // of version 00; later ones may have more behind it
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), span = text.substr(36, 16),
                         flags = text.substr(53, 2);
  if (version.find_first_not_of("0123456789abcdef") != version.npos || version == "ff") return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  if (!is_id(trace) || !is_id(span) || flags.find_first_not_of("0123456789abcdef") != flags.npos) return std::nullopt;
  const char low = flags[1];
  return TraceParent{std::string(trace), std::string(span), (low >= 'a' ? low - 'a' + 10 : low - '0') % 2 == 1};
}

void RequestRecord::take_times(const Slot& slot) {
  if (slot.outputs.empty() || !slot.status || slot.timed_out) return;
  rows = slot.rows;
  batch_rows = slot.batch_rows;
  ready = slot.ready_at;
  begun = slot.begun_at;
  ended = slot.ended_at;
}

}  // namespace monza::serve
