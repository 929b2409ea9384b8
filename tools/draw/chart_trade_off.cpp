// Accuracy against latency.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tools/draw/chart.h"
#include "tools/draw/svg.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr double kLeft = 72, kTop = 54, kWide = 640, kHigh = 320, kRight = 30;
constexpr const char* kSmallText = "fill:#444;font-size:11px";

struct Box {
  double x = 0, y = 0, w = 0, h = 0;
  bool meets(const Box& b) const { return x < b.x + b.w && b.x < x + w && y < b.y + b.h && b.y < y + h; }
};

/// The range of an axis: whole ticks around what is shown.
struct Axis {
  double low = 0, high = 1, step = 0.2;
  Axis(double from, double to, int ticks) : step(tick_step(to - from, ticks)) {
    low = std::floor(from / step + 1e-9) * step;
    high = std::ceil(to / step - 1e-9) * step;
  }
};

/// Where labels fit: beside their points, or further above or below with a line to them, clear of points, of the front
/// and of labels set before.
class Labels {
 public:
  explicit Labels(std::vector<Box> taken) : taken_(std::move(taken)) {}

  void draw(Svg& svg, double x, double y, const std::string& text, const char* style) {
    const double w = 6.6 * static_cast<double>(text.size()), h = 13;
    std::vector<Box> places = {{x + 9, y - 7, w, h}, {x - w - 9, y - 7, w, h}};
    for (int row = 1; row <= 8; ++row)
      for (const double top : {y - 4 - 16.0 * row, y - 9 + 16.0 * row})
        for (const double left : {x + 4, x - w - 4, x - w / 2}) places.push_back({left, top, w, h});
    const auto fits = [&](const Box& b) {
      return b.x > kLeft + 2 && b.x + b.w < kLeft + kWide + kRight && b.y > kTop - 12 && b.y + b.h < kTop + kHigh &&
             std::none_of(taken_.begin(), taken_.end(), [&](const Box& t) { return t.meets(b); });
    };
    const auto found = std::find_if(places.begin(), places.end(), fits);
    const Box& at = found != places.end() ? *found : places[0];
    const double middle = at.y + h / 2;
    if (std::abs(middle - y) > 24)
      svg.line(x, y, std::clamp(x, at.x, at.x + w), middle < y ? at.y + h : at.y, "stroke:#9aa1ac;stroke-width:0.8");
    taken_.push_back(at);
    svg.text(at.x, at.y + 11, text, style);
  }

 private:
  std::vector<Box> taken_;
};

}  // namespace

std::string draw_trade_off(const std::string& title, const std::string& metric, const std::vector<TradeOff>& points) {
  Svg svg(kLeft + kWide + kRight, kTop + kHigh + 52);
  svg.text(kLeft, 20, title, "font-weight:600");
  svg.text(kLeft, 40, metric, "fill:#444");
  if (points.empty()) return svg.str();
  double slowest = 0, least = points[0].accuracy, most = least;
  for (const TradeOff& p : points) {
    slowest = std::max(slowest, p.ms);
    least = std::min(least, p.accuracy);
    most = std::max(most, p.accuracy);
  }
  // The axis spans one percent at least: what differs by less looks as near as it is.
  const double margin = std::max({(most - least) * 0.12, std::abs(most) * 5e-3, 1e-9});
  const Axis ax(0, std::max(slowest * 1.08, 1e-6), 7), ay(least - margin, most + margin, 6);
  const auto x = [&](double ms) { return kLeft + (ms - ax.low) / (ax.high - ax.low) * kWide; };
  const auto y = [&](double v) { return kTop + kHigh - (v - ay.low) / (ay.high - ay.low) * kHigh; };
  for (int i = 0; ay.low + i * ay.step <= ay.high + ay.step * 1e-6; ++i) {
    const double v = ay.low + i * ay.step;
    svg.line(kLeft, y(v), kLeft + kWide, y(v), "stroke:#e4e6ea");
    svg.text(kLeft - 7, y(v) + 4, fmt::format("{:.5g}", v), kSmallText, "end");
  }
  for (int i = 0; ax.low + i * ax.step <= ax.high + ax.step * 1e-6; ++i) {
    const double v = ax.low + i * ax.step;
    svg.line(x(v), kTop, x(v), kTop + kHigh, "stroke:#eef0f3");
    svg.text(x(v), kTop + kHigh + 17, fmt::format("{:.4g}", v), kSmallText, "middle");
  }
  std::vector<TradeOff> front;
  std::copy_if(points.begin(), points.end(), std::back_inserter(front), [](const TradeOff& p) { return p.best; });
  std::sort(front.begin(), front.end(), [](const TradeOff& a, const TradeOff& b) { return a.ms < b.ms; });
  // What can be had within a time: a step up at each point of the front.
  std::string steps;
  std::vector<Box> taken;
  for (std::size_t i = 0; i < front.size(); ++i) {
    const double from = x(front[i].ms), to = i + 1 < front.size() ? x(front[i + 1].ms) : kLeft + kWide;
    const double here = y(front[i].accuracy), next = i + 1 < front.size() ? y(front[i + 1].accuracy) : here;
    if (i == 0) steps = fmt::format("M{:.1f} {:.1f}", from, here);
    steps += fmt::format("H{:.1f}V{:.1f}", to, next);
    taken.push_back({from, here - 1, to - from, 2});
    taken.push_back({to - 1, next, 2, here - next});
  }
  if (!front.empty()) svg.path(steps, "stroke:#c0562b;stroke-width:1.4;fill:none;stroke-dasharray:5 4");
  svg.line(kLeft, kTop, kLeft, kTop + kHigh, "stroke:#444");
  svg.line(kLeft, kTop + kHigh, kLeft + kWide, kTop + kHigh, "stroke:#444");
  for (const TradeOff& p : points) {
    taken.push_back({x(p.ms) - 6, y(p.accuracy) - 6, 12, 12});
    svg.circle(x(p.ms), y(p.accuracy), 5, p.best ? "fill:#c0562b" : "fill:#fff;stroke:#4878a8;stroke-width:2",
               fmt::format("{}: {:.5g} in {}", p.label, p.accuracy, time_text(p.ms)));
  }
  Labels labels(std::move(taken));
  for (const TradeOff& p : points)
    labels.draw(svg, x(p.ms), y(p.accuracy), shortened(p.label, 48), p.best ? "fill:#c0562b" : "fill:#4878a8");
  svg.text(kLeft + kWide / 2, kTop + kHigh + 40, "median latency in ms", "fill:#444", "middle");
  svg.circle(kLeft + kWide - 264, 16, 5, "fill:#c0562b");
  svg.text(kLeft + kWide - 254, 20, "none is as fast and as accurate", kSmallText);
  svg.circle(kLeft + kWide - 46, 16, 5, "fill:#fff;stroke:#4878a8;stroke-width:2");
  svg.text(kLeft + kWide - 36, 20, "others", kSmallText);
  return svg.str();
}

}  // namespace monza::tool
