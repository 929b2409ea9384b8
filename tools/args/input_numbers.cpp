#include "tools/args/input_numbers.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tools/args/shape_text.h"
#include "tools/args/usage_error.h"

namespace monza::tool {
namespace {

template <typename T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> truth(std::string_view text) {
  if (text == "true") return 1;
  if (text == "false") return 0;
  return std::nullopt;
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// Least and greatest of an integer type, as far as 64 bits with a sign go.
std::pair<std::int64_t, std::int64_t> range_of(DType dtype) {
  const int bits = static_cast<int>(dtype_bits(dtype));
  if (dtype == DType::boolean) return {0, 1};
  if (bits >= 64) return {is_signed(dtype) ? INT64_MIN : 0, INT64_MAX};
  if (!is_signed(dtype)) return {0, (static_cast<std::int64_t>(1) << bits) - 1};
  return {-(static_cast<std::int64_t>(1) << (bits - 1)), (static_cast<std::int64_t>(1) << (bits - 1)) - 1};
}

void store(const std::string& name, std::string_view text, Tensor& tensor, std::int64_t at) {
  const DType dtype = tensor.dtype();
  const ElementAccess& access = element_access(dtype);
  if (is_float(dtype)) {
    const auto flag = truth(text);
    access.store(tensor.ref().data, at, flag ? double(*flag) : parse<double>(text).value_or(0));
    return;
  }
  const auto value = truth(text).has_value() ? truth(text) : parse<std::int64_t>(text);
  const auto [least, greatest] = range_of(dtype);
  if (!value || *value < least || *value > greatest)
    throw UsageError(message("input '{}' holds {}, and {} is no such number", name, dtype_name(dtype), text));
  access.store_int(tensor.ref().data, at, *value);
}

}  // namespace

bool is_numbers(const std::string& text) {
  const auto parts = parts_of(text);
  return std::all_of(parts.begin(), parts.end(),
                     [](std::string_view part) { return truth(part).has_value() || parse<double>(part).has_value(); });
}

Tensor tensor_of_numbers(const std::string& name, const std::string& text, DType dtype,
                         std::vector<std::int64_t> shape) {
  if (element_access(dtype).store == nullptr)
    throw UsageError(
        message("input '{0}' holds {1}, which numbers do not give\n  try: --input {0}=FILE", name, dtype_name(dtype)));
  const auto parts = parts_of(text);
  const auto count = static_cast<std::int64_t>(parts.size());
  if (shape.size() == 1 && shape[0] < 0) shape[0] = count;
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t d) { return d < 0; }))
    throw UsageError(
        message("input '{0}' leaves dimensions open ({1}), so {2} does not say how many elements it "
                "has\n  try: --shape {0}=..., or a file",
                name, extents_text(shape), text));
  Tensor tensor(dtype, std::move(shape));
  if (count > 1 && count != tensor.numel())
    throw UsageError(message("{} numbers are given for input '{}' of {} elements ({})", count, name, tensor.numel(),
                             extents_text(tensor.shape())));
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    store(name, parts[count > 1 ? static_cast<std::size_t>(i) : 0], tensor, i);
  return tensor;
}

}  // namespace monza::tool
