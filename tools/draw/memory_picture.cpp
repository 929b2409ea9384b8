// The memory map: which step uses which address of the arena.
#include <fmt/core.h>

#include <algorithm>

#include "plan/data/memory_map.h"
#include "tools/draw/graph_picture.h"
#include "tools/draw/svg.h"
#include "tools/text/terminal.h"

namespace monza::tool {

std::vector<ArenaBlock> drawn_blocks(const plan::Plan& plan) {
  std::vector<ArenaBlock> list;
  for (const plan::ArenaBlock& b : plan::arena_blocks(plan))
    list.push_back(
        {b.device, b.offset, b.bytes, b.first, b.last, (b.scratch ? "scratch of " : "") + std::string(b.step)});
  return list;
}

std::string draw_memory(const plan::Plan& plan, int device) {
  constexpr double kLeft = 78, kTop = 34, kWide = 980, kHigh = 420, kBottom = 44;
  Svg svg(kLeft + kWide + 20, kTop + kHigh + kBottom);
  const auto& d = plan.devices[static_cast<std::size_t>(device)];
  const double bytes = std::max(1.0, static_cast<double>(d.arena_bytes)),
               steps = std::max(1.0, static_cast<double>(plan.steps.size()));
  const auto x = [&](double step) { return kLeft + step / steps * kWide; };
  const auto y = [&](double at) { return kTop + kHigh - at / bytes * kHigh; };
  svg.text(
      kLeft, 20,
      fmt::format("arena {}: {}, and no order of these steps does with less than {}", device,
                  bytes_text(static_cast<double>(d.arena_bytes)), bytes_text(static_cast<double>(d.arena_lower_bound))),
      "font-weight:600");
  // Ticks at round numbers of the unit that is shown.
  double unit = 1;
  while (unit * 1024 < bytes) unit *= 1024;
  const double byte_tick = tick_step(bytes / unit, 6) * unit, step_tick = std::max(1.0, tick_step(steps, 10));
  for (double at = 0; at <= bytes * 1.0001; at += byte_tick) {
    svg.line(kLeft, y(at), kLeft + kWide, y(at), "stroke:#e4e6ea");
    svg.text(kLeft - 6, y(at) + 4, at == 0 ? "0" : bytes_text(at), "fill:#444;font-size:11px", "end");
  }
  for (double s = 0; s <= steps; s += step_tick)
    svg.text(x(s), kTop + kHigh + 16, fmt::format("{:.0f}", s), "fill:#444;font-size:11px", "middle");
  svg.text(kLeft + kWide / 2, kTop + kHigh + 34, "step", "fill:#444", "middle");
  for (const ArenaBlock& b : drawn_blocks(plan)) {
    if (b.device != device) continue;
    const bool scratch = b.what.starts_with("scratch of ");
    const double top = y(static_cast<double>(b.offset + b.bytes)),
                 height = std::max(0.4, y(static_cast<double>(b.offset)) - top);
    svg.rect(x(b.first), top, std::max(0.6, x(static_cast<double>(b.last) + 1) - x(b.first)), height,
             "fill:" + (scratch ? std::string("#dcdfe4") : colour_of(b.what)) + ";stroke:#4a4f58;stroke-width:0.4",
             fmt::format("{}\n{} at {}, steps {} to {}", b.what, bytes_text(static_cast<double>(b.bytes)), b.offset,
                         b.first, b.last));
  }
  svg.line(kLeft, y(static_cast<double>(d.arena_lower_bound)), kLeft + kWide,
           y(static_cast<double>(d.arena_lower_bound)), "stroke:#c0392b;stroke-dasharray:5 4");
  svg.line(kLeft, kTop, kLeft, kTop + kHigh, "stroke:#444");
  svg.line(kLeft, kTop + kHigh, kLeft + kWide, kTop + kHigh, "stroke:#444");
  return svg.str();
}

}  // namespace monza::tool
