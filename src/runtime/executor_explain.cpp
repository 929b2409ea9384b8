// What was wrong with the last run or binding, in words.
#include <algorithm>

#include <fmt/ranges.h>

#include "base/error.h"
#include "runtime/executor.h"
#include "tensor/dtype.h"

namespace monza::runtime {
namespace {

/// "f32[2,3]"
std::string type_text(const TensorView& v) {
  return fmt::format("{}[{}]", dtype_name(v.dtype), fmt::join(v.shape.dim, v.shape.dim + v.shape.rank, ","));
}

}  // namespace

std::string Executor::shapes_of(const plan::Step& step) const {
  constexpr std::uint32_t kMost = 8;  // a Concat may have thousands
  std::string text;
  const auto list = [&](const plan::Range& range, const char* what) {
    for (std::uint32_t i = 0; i < std::min(range.count, kMost); ++i)
      if (const TensorView& v = views_[range.begin + i]; v.present())
        text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", what, i, type_text(v));
    if (range.count > kMost) text += fmt::format(" and {} more", range.count - kMost);
  };
  list(step.inputs, "input");
  list(step.outputs, "output");
  return text;
}

std::string Executor::explain() const {
  if (failure_.check >= 0) {
    const plan::Check& c = plan_.checks[static_cast<std::size_t>(failure_.check)];
    std::string text = fmt::format("{} is {}", plan_.text(c.what), failure_.value);
    return failure_.high == failure_.low ? text + fmt::format(", not {}", failure_.low)
                                         : text + fmt::format(", not within {} to {}", failure_.low, failure_.high);
  }
  if (failure_.operand >= 0) return "it would be " + type_text(views_[static_cast<std::size_t>(failure_.operand)]);
  if (failure_.step >= 0) return shapes_of(plan_.steps[static_cast<std::size_t>(failure_.step)]);
  if (failure_.port < 0) return {};
  const plan::ModelPort& port =
      (failure_.output ? plan_.outputs : plan_.inputs)[static_cast<std::size_t>(failure_.port)];
  std::string text = fmt::format("{} '{}'", failure_.output ? "output" : "input", plan_.text(port.name));
  if (failure_.axis >= 0)
    return text + fmt::format(", axis {}: {} is not within {} to {}", failure_.axis, failure_.value, failure_.low,
                              failure_.high);
  return text + fmt::format(" ({}, rank {})", dtype_name(port.dtype), port.rank);
}

}  // namespace monza::runtime
