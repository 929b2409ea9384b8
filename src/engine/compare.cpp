#include "engine/compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

std::string place(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t a = shape.size(); a-- > 0;) {
    at[a] = index % shape[a];
    index /= shape[a];
  }
  std::string text = "[";
  for (std::size_t a = 0; a < at.size(); ++a) text += (a ? ", " : "") + std::to_string(at[a]);
  return text + "]";
}

/// Walks both as doubles. `pair` gives element i of got and want, and whether they are the same; those that are not
/// differ by `least`, even where doubles cannot tell.
template <typename Pair>
Comparison walk(std::int64_t count, const std::vector<std::int64_t>& shape, double rtol, double atol, Pair&& pair,
                double least = 0) {
  Comparison result;
  double dot = 0, norm_a = 0, norm_b = 0, noise = 0, worst = -1;
  std::int64_t bad = 0, worst_at = 0;
  double worst_a = 0, worst_b = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [a, b, same] = pair(i);
    dot += a * b;
    if (!same) noise += (a - b) * (a - b);
    norm_a += a * a;
    norm_b += b * b;
    if (std::isfinite(b)) result.largest = std::max(result.largest, std::abs(b));
    if (same || (std::isnan(a) && std::isnan(b))) continue;
    const double error = std::max(std::abs(a - b), least);
    const bool within = error <= atol + rtol * std::abs(b) && std::isfinite(b);
    const double size = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    result.max_abs_error = std::max(result.max_abs_error, size);
    if (b != 0) result.max_rel_error = std::max(result.max_rel_error, std::isfinite(b) ? size / std::abs(b) : size);
    if (within) continue;
    ++bad;
    const double excess = size - rtol * (std::isfinite(b) ? std::abs(b) : 0.0);
    if (excess > worst) {
      worst = excess;
      worst_at = i;
      worst_a = a;
      worst_b = b;
    }
  }
  if (noise != 0) result.signal_to_noise = 10 * std::log10(norm_b / noise);  // NaN with NaN among the errors
  const double norms = std::sqrt(norm_a) * std::sqrt(norm_b);
  result.cosine = norms > 0 ? dot / norms : (result.max_abs_error == 0 ? 1 : 0);
  if (bad > 0) {
    result.ok = false;
    result.reason = fmt::format("{} of {} elements differ, most at {}: {:.9g}, expected {:.9g}", bad, count,
                                place(worst_at, shape), worst_a, worst_b);
  }
  return result;
}

std::string described(const TensorRef& t) {
  std::string shape;
  for (const std::int64_t d : t.shape) shape += (shape.empty() ? "" : "x") + std::to_string(d);
  return fmt::format("{}[{}]", dtype_name(t.dtype), t.shape.empty() ? "scalar" : shape);
}

/// Equal or not; an error is counted as 1.
Comparison compare_strings(const TensorRef& got, const TensorRef& want) {
  Comparison result;
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < got.numel(); ++i) {
    const std::string_view a = got.as<StringRef>()[i].view(), b = want.as<StringRef>()[i].view();
    if (a == b) continue;
    if (bad++ == 0) result.reason = fmt::format("at {}: '{}', expected '{}'", place(i, got.shape), a, b);
  }
  if (bad == 0) return result;
  result.ok = false;
  result.max_abs_error = result.max_rel_error = 1;
  result.cosine = 0;
  result.reason = fmt::format("{} of {} strings differ, first {}", bad, got.numel(), result.reason);
  return result;
}

struct Elements {
  double a, b;
  bool same;
};

}  // namespace

Comparison compare(const TensorRef& got, const TensorRef& want, double rtol, double atol) {
  if (got.dtype != want.dtype || got.shape != want.shape) {
    Comparison result;
    result.ok = false;
    result.max_abs_error = result.max_rel_error = result.cosine = std::numeric_limits<double>::quiet_NaN();
    result.reason = fmt::format("is {}, expected {}", described(got), described(want));
    return result;
  }
  const std::int64_t count = got.numel();
  if (got.dtype == DType::string) return compare_strings(got, want);
  switch (got.dtype) {
    case DType::f32:
    case DType::c64: {
      const auto *a = got.as<float>(), *b = want.as<float>();
      const std::int64_t n = got.dtype == DType::c64 ? 2 * count : count;
      auto shape = got.shape;
      if (got.dtype == DType::c64) shape.push_back(2);
      return walk(n, shape, rtol, atol, [&](std::int64_t i) { return Elements{a[i], b[i], a[i] == b[i]}; });
    }
    case DType::c128: {
      const auto *a = got.as<double>(), *b = want.as<double>();
      auto shape = got.shape;
      shape.push_back(2);
      return walk(2 * count, shape, rtol, atol, [&](std::int64_t i) { return Elements{a[i], b[i], a[i] == b[i]}; });
    }
    default: break;
  }
  const ElementAccess& access = element_access(got.dtype);
  if (access.load == nullptr) fail("tensors of {} cannot be compared", dtype_name(got.dtype));
  // 64-bit integers are compared as such: a double cannot tell large ones apart.
  const bool exact = !is_float(got.dtype);
  return walk(
      count, got.shape, rtol, atol,
      [&](std::int64_t i) {
        const double a = access.load(got.data, i), b = access.load(want.data, i);
        return Elements{a, b, exact ? access.load_int(got.data, i) == access.load_int(want.data, i) : a == b};
      },
      exact ? 1 : 0);
}

Comparison compare_to_largest(const TensorRef& got, const TensorRef& want, double tolerance) {
  Comparison c = compare(got, want, 0, 0);
  if (c.ok || std::isnan(c.max_abs_error)) return c;
  // One unit is the least that integers can differ by.
  return compare(got, want, 0, tolerance * c.largest);
}

Comparison judge(const TensorRef& got, const TensorRef& want, const Criterion& criterion, std::string_view name) {
  if (!criterion.by_cosine || got.dtype == DType::string) return compare_to_largest(got, want, criterion.tolerance);
  Comparison c = compare(got, want, 0, 0);
  if (c.ok || std::isnan(c.max_abs_error)) return c;
  if (want.numel() < 2) return compare_to_largest(got, want, criterion.tolerance);
  const double least = criterion.least(name);
  c.ok = c.cosine >= least;
  c.reason = c.ok ? "" : fmt::format("cosine {:.6f}, where {:.6f} is the least", c.cosine, least);
  return c;
}

Comparison compare_as_onnx(const TensorRef& got, const TensorRef& want) {
  switch (want.dtype) {
    case DType::f16:
    case DType::f32:
    case DType::f64:
    case DType::c64:
    case DType::c128: return compare(got, want, 1e-3, 1e-7);
    case DType::bf16: return compare(got, want, 0x1p-6, 1e-7);
    default: return compare(got, want, 0, 0);
  }
}

}  // namespace monza
