#include "differential/judge.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/shape.h"

namespace monza::differential {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (std::size_t i = 0; i < shape.size(); ++i) text += fmt::format("{}{}", i ? "," : "", shape[i]);
  return "[" + text + "]";
}

/// Complex numbers are compared as the pairs of floats that they are.
TensorRef as_pairs(TensorRef t) {
  if (t.dtype != DType::c64 && t.dtype != DType::c128) return t;
  t.dtype = t.dtype == DType::c64 ? DType::f32 : DType::f64;
  t.shape.push_back(2);
  return t;
}

/// What `got` may differ from each element of `want` by.
class Tolerance {
 public:
  Tolerance(const Expected& e, const TensorRef& want) : e_(e) {
    if (!is_float(want.dtype)) return;
    const ElementAccess& access = element_access(want.dtype);
    for (std::int64_t i = 0; i < want.numel(); ++i) {
      const double v = std::abs(access.load(want.data, i));
      if (std::isfinite(v)) largest_ = std::max(largest_, v);
    }
  }
  /// The error in tolerances; above 1 is wrong.
  double excess(double got, double want) const {
    if (got == want || (std::isnan(got) && std::isnan(want))) return 0;
    if (!std::isfinite(got) || !std::isfinite(want)) return std::numeric_limits<double>::infinity();
    const double allowed = e_.absolute + e_.relative * std::abs(want) + e_.of_largest * largest_;
    return allowed > 0 ? std::abs(got - want) / allowed : std::numeric_limits<double>::infinity();
  }

 private:
  const Expected& e_;
  double largest_ = 0;
};

}  // namespace

Difference compare(const TensorRef& got_raw, const Expected& expected, std::size_t most) {
  const TensorRef got = as_pairs(got_raw), want = as_pairs(expected.value.ref());
  Difference d;
  if (got.dtype != want.dtype || got.shape != want.shape) {
    d.what = fmt::format("{}{} instead of {}{}", name_of(got_raw.dtype), shape_text(got_raw.shape),
                         name_of(expected.value.dtype()), shape_text(expected.value.shape()));
    return d;
  }
  const auto add = [&](std::int64_t index, std::string a, std::string b, double excess) {
    ++d.count;
    d.worst.push_back({index, std::move(a), std::move(b), excess});
    const auto larger = [](const Element& x, const Element& y) { return x.excess > y.excess; };
    if (d.worst.size() <= 4 * most) return;
    std::stable_sort(d.worst.begin(), d.worst.end(), larger);
    d.worst.resize(most);
  };
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (got.dtype == DType::string) {
    for (std::int64_t i = 0; i < got.numel(); ++i)
      if (got.as<StringRef>()[i].view() != want.as<StringRef>()[i].view())
        add(i, std::string(got.as<StringRef>()[i].view()), std::string(want.as<StringRef>()[i].view()), kInfinite);
  } else {
    const ElementAccess& access = element_access(got.dtype);
    const Tolerance tolerance(expected, want);
    for (std::int64_t i = 0; i < got.numel(); ++i) {
      if (is_float(got.dtype)) {
        const double a = access.load(got.data, i), b = access.load(want.data, i), e = tolerance.excess(a, b);
        if (e > 1) add(i, fmt::format("{:.9g}", a), fmt::format("{:.9g}", b), e);
        continue;
      }
      const std::int64_t a = access.load_int(got.data, i), b = access.load_int(want.data, i);
      if (a != b)
        add(i, std::to_string(a), std::to_string(b), std::abs(static_cast<double>(a) - static_cast<double>(b)));
    }
  }
  std::stable_sort(d.worst.begin(), d.worst.end(),
                   [](const Element& x, const Element& y) { return x.excess > y.excess; });
  if (d.worst.size() > most) d.worst.resize(most);
  return d;
}

std::string first_unequal(const TensorRef& a_raw, const TensorRef& b_raw) {
  const TensorRef a = as_pairs(a_raw), b = as_pairs(b_raw);
  if (a.dtype != b.dtype || a.shape != b.shape) return shape_text(a_raw.shape) + " and " + shape_text(b_raw.shape);
  if (a.dtype == DType::string) {
    for (std::int64_t i = 0; i < a.numel(); ++i)
      if (a.as<StringRef>()[i].view() != b.as<StringRef>()[i].view()) return fmt::format("element {}", i);
    return "";
  }
  const std::size_t bytes = std::min(a.bytes, b.bytes);
  if (bytes == 0 || std::memcmp(a.data, b.data, bytes) == 0) return "";
  const ElementAccess& access = element_access(a.dtype);
  std::int64_t count = 0, first = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = access.load(a.data, i), y = access.load(b.data, i);
    const bool equal = is_float(a.dtype)
                           ? (x == y && std::signbit(x) == std::signbit(y)) || (std::isnan(x) && std::isnan(y))
                           : access.load_int(a.data, i) == access.load_int(b.data, i);
    if (equal) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return "";
  return fmt::format("{} elements, the first {}: {:.9g} and {:.9g}", count, first, access.load(a.data, first),
                     access.load(b.data, first));
}

}  // namespace monza::differential
