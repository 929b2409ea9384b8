#include "pipelines/query.h"

#include <algorithm>
#include <charconv>

#include "serve/request_error.h"

namespace monza::pipelines {

std::string_view query_value(std::string_view query, std::string_view key, std::string_view otherwise) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == key) return pair.substr(std::min(equals + 1, pair.size()));
  }
  return otherwise;
}

double query_number(std::string_view query, std::string_view key, double otherwise, double least, double most) {
  const std::string_view text = query_value(query, key, "");
  if (text.empty()) return otherwise;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most))
    serve::fail_with(400, "'{}' is '{}', and no number from {} to {}", key, text, least, most);
  return value;
}

}  // namespace monza::pipelines
