#include "tools/measure/statistics.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace monza::tool {

Summary summarize(std::vector<double> values) {
  Summary s;
  if (values.empty()) return s;
  std::sort(values.begin(), values.end());
  const auto rank = [&](double p) {
    const auto k = static_cast<std::size_t>(std::ceil(p * static_cast<double>(values.size())));
    return values[std::clamp<std::size_t>(k, 1, values.size()) - 1];
  };
  s.min = values.front();
  s.max = values.back();
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  s.median = rank(0.5);
  s.p90 = rank(0.9);
  s.p95 = rank(0.95);
  s.p99 = rank(0.99);
  double squares = 0;
  for (double v : values) squares += (v - s.mean) * (v - s.mean);
  s.spread = s.mean > 0 ? std::sqrt(squares / static_cast<double>(values.size())) / s.mean : 0;
  return s;
}

const char* instability(const std::vector<double>& values) {
  if (values.size() < 10) return "fewer than 10 runs were measured; use a longer --duration";
  const Summary all = summarize(values);
  if (all.median > 1.25 * all.min)
    return "the median is more than 25 % above the minimum: the machine is busy, or its clock changes";
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  const double first = summarize({values.begin(), half}).median, second = summarize({half, values.end()}).median;
  if (std::abs(first - second) > 0.1 * std::min(first, second))
    return "the first and the second half of the runs differ by more than 10 %: warm up for longer, or the clock "
           "drifts";
  return "";
}

namespace {

std::int64_t involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

}  // namespace

Contention::Contention() : switches_(involuntary_switches()), start_(std::chrono::steady_clock::now()) {}

double Contention::per_second() const {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return seconds > 0 ? static_cast<double>(involuntary_switches() - switches_) / seconds : 0;
}

std::string crowding(double switches, int threads, const std::vector<double>& run_ms) {
  // A thread that is alone on its CPU is interrupted a few times a second; one that shares it, a hundred times.
  constexpr double kUsual = 25;
  if (switches > kUsual * threads)
    return fmt::format("other work took the CPU {:.0f} times a second: the machine is busy", switches);
  return instability(run_ms);
}

}  // namespace monza::tool
