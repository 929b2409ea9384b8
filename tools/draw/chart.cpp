#include "tools/draw/chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tools/draw/svg.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr const char* kAxis = "stroke:#444";
constexpr const char* kGrid = "stroke:#e4e6ea";
constexpr const char* kTick = "fill:#444;font-size:11px";
constexpr const char* kBar = "fill:#9ecae9;stroke:#4878a8;stroke-width:0.6";
constexpr const char* kLine = "stroke:#c0562b;stroke-width:2;fill:none";

/// "0", "0.25", "1200": as many digits as a tick needs.
std::string tick_text(double value) {
  return value == 0 ? "0" : std::abs(value) >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

}  // namespace

Histogram histogram_of(std::vector<double> values, std::size_t bins) {
  Histogram h;
  if (values.empty() || bins == 0) return h;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<std::size_t>(std::ceil(0.995 * static_cast<double>(values.size()))) - 1;
  h.low = values.front();
  const double high = values[last];
  // Few values in many bins would show noise.
  const auto wanted = static_cast<std::size_t>(std::ceil(2 * std::sqrt(static_cast<double>(values.size()))));
  const std::size_t count = high > h.low ? std::clamp<std::size_t>(wanted, 1, bins) : 1;
  h.width = high > h.low ? (high - h.low) / static_cast<double>(count) : std::max(h.low, 1e-9) * 0.01;
  h.counts.assign(count, 0);
  for (std::size_t i = 0; i <= last; ++i)
    ++h.counts[std::min(count - 1, static_cast<std::size_t>((values[i] - h.low) / h.width))];
  h.above = values.size() - 1 - last;
  return h;
}

std::string text_histogram(const Histogram& h, std::size_t bar_width) {
  if (h.counts.empty()) return "";
  // A terminal shows a dozen lines at a glance: bins are put together.
  const std::size_t together = (h.counts.size() + 11) / 12;
  std::vector<std::size_t> counts;
  for (std::size_t i = 0; i < h.counts.size(); i += together) {
    std::size_t sum = 0;
    for (std::size_t k = i; k < std::min(i + together, h.counts.size()); ++k) sum += h.counts[k];
    counts.push_back(sum);
  }
  const std::size_t most = std::max<std::size_t>(1, *std::max_element(counts.begin(), counts.end()));
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::size_t bar = (counts[i] * bar_width + most - 1) / most;
    text += fmt::format("{:>12}  {:<{}} {}\n", time_text(h.low + h.width * static_cast<double>(i * together)),
                        std::string(bar, '#'), bar_width, counts[i]);
  }
  if (h.above > 0)
    text += fmt::format("{:>12}  {} run{} took longer than {}\n", "", h.above, h.above > 1 ? "s" : "",
                        time_text(h.low + h.width * static_cast<double>(h.counts.size())));
  return text;
}

std::string draw_histogram(const Histogram& h, const std::string& title, const std::vector<Mark>& marks) {
  constexpr double kLeft = 56, kTop = 46, kWide = 620, kHigh = 220;
  Svg svg(kLeft + kWide + 44, kTop + kHigh + 48);
  svg.text(kLeft, 20, title, "font-weight:600");
  if (h.counts.empty()) return svg.str();
  const double high = h.low + h.width * static_cast<double>(h.counts.size());
  const double most = double(*std::max_element(h.counts.begin(), h.counts.end()));
  const auto x = [&](double v) { return kLeft + (v - h.low) / (high - h.low) * kWide; };
  const auto y = [&](double count) { return kTop + kHigh - count / most * kHigh; };
  const double step = std::max(1.0, tick_step(most, 5));
  for (double c = 0; c <= most; c += step) {
    svg.line(kLeft, y(c), kLeft + kWide, y(c), kGrid);
    svg.text(kLeft - 6, y(c) + 4, tick_text(c), kTick, "end");
  }
  for (std::size_t i = 0; i < h.counts.size(); ++i) {
    const double from = h.low + h.width * static_cast<double>(i), top = y(static_cast<double>(h.counts[i]));
    svg.rect(x(from), top, x(from + h.width) - x(from), kTop + kHigh - top, kBar,
             fmt::format("{} to {}: {} runs", time_text(from), time_text(from + h.width), h.counts[i]));
  }
  for (int i = 0; i <= 5; ++i) {
    const double v = h.low + (high - h.low) * i / 5;
    svg.text(x(v), kTop + kHigh + 16, time_text(v), kTick, "middle");
  }
  // Labels of marks that stand close go on two lines.
  double last = -1e9;
  bool low = false;
  for (const Mark& m : marks) {
    if (m.value < h.low || m.value > high) continue;
    low = x(m.value) - last < 70 && !low;
    last = x(m.value);
    svg.line(x(m.value), kTop - 4, x(m.value), kTop + kHigh, "stroke:#c0392b;stroke-dasharray:4 3");
    svg.text(x(m.value) + 3, low ? kTop + 8 : kTop - 6, m.name, "fill:#c0392b;font-size:11px");
  }
  if (h.above > 0)
    svg.text(kLeft + kWide, 20, fmt::format("{} longer run{} not shown", h.above, h.above > 1 ? "s" : ""), kTick,
             "end");
  svg.line(kLeft, kTop, kLeft, kTop + kHigh, kAxis);
  svg.line(kLeft, kTop + kHigh, kLeft + kWide, kTop + kHigh, kAxis);
  svg.text(kLeft + kWide / 2, kTop + kHigh + 36, "time of a run", "fill:#444", "middle");
  return svg.str();
}

std::string draw_sweep(const std::string& key, const std::string& title, const std::vector<SweepPoint>& points) {
  constexpr double kLeft = 64, kTop = 56, kWide = 620, kHigh = 260, kRight = 76;
  Svg svg(kLeft + kWide + kRight, kTop + kHigh + 50);
  svg.text(kLeft, 20, title, "font-weight:600");
  if (points.empty()) return svg.str();
  double most_ms = 0, most_rate = 0;
  for (const SweepPoint& p : points) {
    most_ms = std::max(most_ms, p.p99_ms);
    most_rate = std::max(most_rate, p.throughput);
  }
  const double ms_tick = tick_step(most_ms, 5), rate_tick = tick_step(most_rate, 5);
  const double ms_top = std::ceil(most_ms / ms_tick) * ms_tick, rate_top = std::ceil(most_rate / rate_tick) * rate_tick;
  const double slot = kWide / static_cast<double>(points.size());
  const auto x = [&](std::size_t i) { return kLeft + slot * (static_cast<double>(i) + 0.5); };
  const auto y_ms = [&](double ms) { return kTop + kHigh - (ms_top > 0 ? ms / ms_top : 0) * kHigh; };
  const auto y_rate = [&](double r) { return kTop + kHigh - (rate_top > 0 ? r / rate_top : 0) * kHigh; };
  for (double v = 0; v <= ms_top * 1.0001; v += ms_tick) {
    svg.line(kLeft, y_ms(v), kLeft + kWide, y_ms(v), kGrid);
    svg.text(kLeft - 6, y_ms(v) + 4, tick_text(v), kTick, "end");
  }
  for (double v = 0; v <= rate_top * 1.0001; v += rate_tick)
    svg.text(kLeft + kWide + 6, y_rate(v) + 4, tick_text(v), kTick);
  const double bar = std::min(70.0, slot * 0.55);
  std::string line, tail;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const SweepPoint& p = points[i];
    svg.rect(x(i) - bar / 2, y_rate(p.throughput), bar, kTop + kHigh - y_rate(p.throughput), kBar,
             fmt::format("{} = {}: {:.2f} per second", key, p.value, p.throughput));
    svg.text(x(i), kTop + kHigh + 16, p.value, kTick, "middle");
    line += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x(i), y_ms(p.median_ms));
    tail += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x(i), y_ms(p.p99_ms));
  }
  svg.path(tail, "stroke:#c0562b;stroke-width:1.2;fill:none;stroke-dasharray:5 4");
  svg.path(line, kLine);
  for (std::size_t i = 0; i < points.size(); ++i)
    svg.circle(x(i), y_ms(points[i].median_ms), 4, "fill:#c0562b",
               fmt::format("{} = {}: median {:.3f} ms, p99 {:.3f} ms", key, points[i].value, points[i].median_ms,
                           points[i].p99_ms));
  svg.line(kLeft, kTop, kLeft, kTop + kHigh, kAxis);
  svg.line(kLeft + kWide, kTop, kLeft + kWide, kTop + kHigh, kAxis);
  svg.line(kLeft, kTop + kHigh, kLeft + kWide, kTop + kHigh, kAxis);
  svg.text(kLeft + kWide / 2, kTop + kHigh + 38, key, "fill:#444", "middle");
  svg.text(kLeft - 50, kTop - 14, "latency in ms: median, p99 (dashed)", "fill:#c0562b");
  svg.text(kLeft + kWide + 60, kTop - 14, "throughput per second (bars)", "fill:#4878a8", "end");
  return svg.str();
}

}  // namespace monza::tool
