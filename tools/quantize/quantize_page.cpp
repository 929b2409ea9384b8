#include "tools/quantize/quantize_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/cpu.h"
#include "quant/quantizer.h"
#include "tools/draw/chart.h"
#include "tools/draw/page.h"
#include "tools/draw/svg.h"
#include "tools/text/terminal.h"
#include "tools/text/version.h"

namespace monza::tool {
namespace {

std::string e(std::string_view text) { return escape_markup(text); }

std::string summary(const QuantizeResult& r) {
  std::string html = "<div class=\"cards\">\n";
  if (!r.metric.empty()) {
    html += page_card(fmt::format("{:.2f}", r.quantised_score),
                      fmt::format("{} of {} samples; {:.2f} in floats", r.metric, r.samples, r.float_score));
    html += page_card(fmt::format("{:.2f} lost", r.drop()),
                      r.drop_interval ? fmt::format("points; {:.2f} to {:.2f} on other samples, in 95 of 100 cases",
                                                    r.drop_interval->low, r.drop_interval->high)
                                      : std::string("in the metric's unit"));
  }
  html +=
      page_card(fmt::format("{:.2f} x", r.speedup()),
                fmt::format("as fast as floats: {} instead of {}", time_text(r.quantised_ms), time_text(r.float_ms)));
  html += page_card(fmt::format("{:.1f} %", r.integer_share * 100), "of the multiply-adds in INT8");
  if (!r.holds) html += page_card("broken", "the contract does not hold: no engine was written");
  return html + "</div>\n";
}

/// All that was scored, and the result, which may keep more in floats than any trial.
std::string curve(const QuantizeResult& r) {
  if (r.metric.empty()) return "<p>Nothing was scored: --eval names samples to score on.</p>\n";
  std::vector<TradeOff> points = {{"floats", r.float_ms, r.float_score, false},
                                  {"result", r.quantised_ms, r.quantised_score, false}};
  for (const Trial& t : r.trials)
    if (t.ms > 0 && !(t.plan == r.plan)) points.push_back({t.what, t.ms, t.score, false});
  for (TradeOff& p : points)
    p.best = std::none_of(points.begin(), points.end(), [&](const TradeOff& o) {
      return o.ms <= p.ms && o.accuracy >= p.accuracy && (o.ms < p.ms || o.accuracy > p.accuracy);
    });
  std::string html = "<div class=\"scroll\">" + draw_trade_off("What was tried", r.metric, points) + "</div>";
  html += "<p>Each point is an engine that can be had: keep its nodes in floats with --constrain NODE=fp32.</p>\n";
  for (const Trial& t : r.trials) {
    html += fmt::format("<details><summary>{}: {:.2f}, {:.2f} lost{}</summary><div class=\"scroll\"><table>\n",
                        e(t.what), t.score, r.float_score - t.score, t.ms > 0 ? ", " + time_text(t.ms) : "");
    for (const auto& [node, why] : t.plan.kept)
      html += fmt::format("<tr><td class=\"k name\">{}</td><td class=\"why\">{}</td></tr>\n", e(node), e(why));
    html += "</table></div></details>\n";
  }
  return html;
}

std::string nodes(const QuantizeResult& r) {
  std::string html = fmt::format(
      "<h2 id=\"nodes\">Nodes in floats</h2>\n<p>{} of the products compute in floats.</p>\n"
      "<div class=\"scroll\"><table><tr><th>node</th><th>why</th></tr>\n",
      r.kept.size());
  for (const KeptNode& k : r.kept)
    html += fmt::format("<tr><td class=\"k name\">{}</td><td class=\"why\">{}</td></tr>\n", e(k.node), e(k.why));
  html += "</table></div>\n";
  if (r.costs.empty()) return html;
  html +=
      "<h3>What each costs</h3>\n<p>Squared error of the outputs over their squares, with this product alone in INT8."
      "</p>\n<div class=\"scroll\"><table><tr><th class=\"n\">error</th><th>node</th></tr>\n";
  for (const ProductCost& c : r.costs)
    html += fmt::format("<tr><td class=\"n\">{:.2g}</td><td class=\"k name\">{}</td></tr>\n", c.error, e(c.node));
  return html + "</table></div>\n";
}

std::string scales(const QuantizeResult& r) {
  std::string html =
      "<h2 id=\"scales\">Scales</h2>\n<p>What the 8 bits of each value stand for. Values between which elements only "
      "move share the widest of their ranges.</p>\n<div class=\"scroll\"><table><tr><th>value</th><th "
      "class=\"n\">from</th><th class=\"n\">to</th><th class=\"n\">scale</th><th class=\"n\">zero point</th><th "
      "class=\"n\">seen</th><th class=\"n\">cut off</th><th class=\"n\">signal to noise</th></tr>\n";
  for (const auto& [name, range] : r.plan.ranges) {
    const quant::Affine affine = quant::affine_of(range);
    std::string seen, clipped, ratio;
    if (const auto it = r.quality.find(name); it != r.quality.end()) {
      seen = fmt::format("{:.4g} to {:.4g}", it->second.low, it->second.high);
      clipped = fmt::format("{:.3f} %", it->second.clipped * 100);
      ratio = fmt::format("{:.1f} dB", it->second.signal_to_noise);
    }
    html += fmt::format(
        "<tr><td class=\"k name\">{}</td><td class=\"n\">{:.4g}</td><td class=\"n\">{:.4g}</td><td "
        "class=\"n\">{:.4g}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        e(name), range.low, range.high, affine.scale, affine.zero_point, seen, clipped, ratio);
  }
  return html + "</table></div>\n";
}

}  // namespace

std::string quantize_page(const std::string& model_file, const QuantizeResult& r) {
  const std::string title = file_name(model_file) + " in 8 bits";
  return page_begin(title, std::string(version_text()) + " on " + cpu_info().model,
                    {{"curve", "Accuracy and latency"}, {"nodes", "Nodes"}, {"scales", "Scales"}}) +
         summary(r) + "<h2 id=\"curve\">Accuracy and latency</h2>\n" + curve(r) + nodes(r) + scales(r) + page_end();
}

}  // namespace monza::tool
