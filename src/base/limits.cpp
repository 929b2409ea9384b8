#include "base/limits.h"

#include <limits>
#include <string>

#include "base/error.h"

namespace monza {

std::span<const LimitInfo> limit_list() {
  static constexpr LimitInfo list[] = {
      {&Limits::file_bytes, "file_bytes", true, "the model file without its external data"},
      {&Limits::weight_bytes, "weight_bytes", true, "tensors of the model together, external data included"},
      {&Limits::nodes, "nodes", false, "nodes, once functions are expanded"},
      {&Limits::values, "values", false, "inputs and outputs of all nodes, and initializers, together"},
      {&Limits::depth, "depth", false, "nesting of bodies and functions"},
      {&Limits::attribute_bytes, "attribute_bytes", true, "attributes and tensors of strings together"},
      {&Limits::name_bytes, "name_bytes", true, "one name, with the names of the functions around it"},
      {&Limits::expression_bytes, "expression_bytes", true, "symbolic shapes and elements of all values together"},
      {&Limits::value_bytes, "value_bytes", true, "one value at its largest shape"},
      {&Limits::trips, "trips", false, "iterations of a loop that nothing else bounds"},
      {&Limits::fold_bytes, "fold_bytes", true, "one constant that the build computes; larger ones wait for the run"},
      {&Limits::fold_operations, "fold_operations", false, "operations that the build spends on computing constants"},
      {&Limits::fold_seconds, "fold_seconds", false, "seconds that the build spends on computing constants"},
      {&Limits::timing_bytes, "timing_bytes", true, "operands of a kernel that is timed; larger ones take the first"},
  };
  return list;
}

namespace {

const LimitInfo& info_of(std::int64_t Limits::* field) {
  for (const LimitInfo& l : limit_list())
    if (l.field == field) return l;
  fail("a limit is not in the list");
}

}  // namespace

std::string limit_option(std::int64_t Limits::* field) {
  std::string name = std::string("--max-") + info_of(field).name;
  for (char& c : name)
    if (c == '_') c = '-';
  return name;
}

void check_limit(const Limits& limits, std::int64_t Limits::* field, std::int64_t found, std::string_view what) {
  const std::int64_t limit = limits.*field;
  if (found <= limit) return;
  const bool countable = found < std::numeric_limits<std::int64_t>::max();
  fail_hint(fmt::format("{} {} (Limits::{}), if the model is to be trusted", limit_option(field),
                        countable ? std::to_string(found) : "with a larger number", info_of(field).name),
            "{} {} are more than the limit of {}", countable ? std::to_string(found) : "more than 2^63", what, limit);
}

void check_limits(const Limits& limits) {
  for (const LimitInfo& l : limit_list())
    if (limits.*l.field < 1)
      fail_hint(fmt::format("leave it at its default of {}", Limits{}.*l.field),
                "the limit {} is {}, but must be above 0", l.name, limits.*l.field);
  // Bodies are walked by functions that call themselves: beyond this they would leave the stack.
  constexpr std::int64_t kDeepest = 200;
  if (limits.depth > kDeepest) fail("the limit depth is {}; at most {} is possible", limits.depth, kDeepest);
}

}  // namespace monza
