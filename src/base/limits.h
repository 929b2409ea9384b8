// The limits of monza/limits.h as a list, and the error when one is reached.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "monza/limits.h"

namespace monza {

struct LimitInfo {
  std::int64_t Limits::* field;
  const char* name;    ///< "nodes": the field; the option is --max-nodes
  bool bytes;          ///< a size: the option takes 256M
  const char* bounds;  ///< one line for people
};
std::span<const LimitInfo> limit_list();
/// "--max-nodes"
std::string limit_option(std::int64_t Limits::* field);

/// Throws the Error of a limit when `found` is above it: "1048576 WHAT are more than the limit of 100000". `found` may
/// be INT64_MAX for "more than can be counted".
void check_limit(const Limits& limits, std::int64_t Limits::* field, std::int64_t found, std::string_view what);
/// Throws Error for limits that are none: all are above 0.
void check_limits(const Limits& limits);

}  // namespace monza
