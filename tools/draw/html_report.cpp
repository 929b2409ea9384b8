#include "tools/draw/html_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/cpu.h"
#include "engine/run/engine_impl.h"
#include "tensor/dtype.h"
#include "tools/args/model_args.h"
#include "tools/args/shape_text.h"
#include "tools/draw/chart.h"
#include "tools/draw/graph_picture.h"
#include "tools/draw/page.h"
#include "tools/draw/svg.h"
#include "tools/measure/statistics.h"
#include "tools/text/terminal.h"
#include "tools/text/version.h"

namespace monza::tool {
namespace {

std::string e(std::string_view text) { return escape_markup(text); }

std::string range_text(const TensorInfo& t) {
  std::string text;
  for (std::size_t a = 0; a < t.min.size(); ++a) {
    if (a > 0) text += " x ";
    text += t.min[a] == t.max[a] ? std::to_string(t.min[a]) : fmt::format("{}..{}", t.min[a], t.max[a]);
    if (!t.symbols[a].empty()) text += " (" + t.symbols[a] + ")";
  }
  return t.min.empty() ? "scalar" : text;
}

std::string summary(const PageContent& c) {
  const Engine::Stats s = c.engine->stats();
  double flops = 0;
  for (const plan::Step& step : c.engine->impl().image.plan.steps) flops += static_cast<double>(step.flops);
  std::string html = "<div class=\"cards\">\n";
  if (c.profile != nullptr) {
    const Summary runs = summarize(c.profile->run_ms);
    html += page_card(
        time_text(runs.median),
        fmt::format("median of {}, best {}", count_text(static_cast<std::int64_t>(c.profile->run_ms.size()), "run"),
                    time_text(runs.min)));
  }
  html += page_card(std::to_string(s.steps), "steps");
  html += page_card(fmt::format("{:.2f} GFLOP", flops * 1e-9), "work at the shape planned for");
  html += page_card(bytes_text(static_cast<double>(s.weights_bytes)), "weights");
  html +=
      page_card(bytes_text(static_cast<double>(s.arena_bytes)),
                fmt::format("activations (at least {})", bytes_text(static_cast<double>(s.arena_lower_bound_bytes))));
  html += page_card(bytes_text(static_cast<double>(c.file_bytes)), "engine file");
  // An engine's graph, planned anew, goes through no passes.
  html += page_card(time_text(c.build_ms),
                    s.passes_ms > 0 ? fmt::format("build: import {}, passes {}, plan {}", time_text(s.import_ms),
                                                  time_text(s.passes_ms), time_text(s.plan_ms))
                                    : fmt::format("build: plan {}", time_text(s.plan_ms)));
  html += page_card(precision_name(s.precision),
                    fmt::format("{}, {}, {}", device_name(s.device), count_text(s.threads, "thread"), s.isa));
  html += "</div>\n<div class=\"scroll\"><table><tr><th></th><th>name</th><th>type</th><th>extents</th></tr>\n";
  const auto ports = [&](const char* what, const std::vector<TensorInfo>& list) {
    for (const TensorInfo& t : list)
      html += fmt::format("<tr><td>{}</td><td class=\"k\">{}</td><td>{}</td><td>{}</td></tr>\n", what, e(t.name),
                          dtype_name(t.dtype), e(range_text(t)));
  };
  ports("input", c.engine->inputs());
  ports("output", c.engine->outputs());
  html += "</table></div>\n";
  if (const auto metadata = c.engine->metadata(); !metadata.empty()) {
    html += "<details><summary>metadata</summary><div class=\"scroll\"><table>\n";
    for (const auto& [key, value] : metadata)
      html += fmt::format("<tr><td class=\"k\">{}</td><td>{}</td></tr>\n", e(key), e(shortened(value, 400)));
    html += "</table></div></details>\n";
  }
  return html;
}

/// Microseconds, with a digit behind the point where there are few.
std::string step_time(double us) { return us < 1000 ? fmt::format("{:.1f} us", us) : time_text(us * 1e-3); }

std::string layers(const PageContent& c) {
  std::string html = "<h2 id=\"layers\">Layers</h2>\n";
  if (c.profile == nullptr) return html + fmt::format("<p>Not measured: {}</p>\n", e(c.no_profile_because));
  const ProfileResult& p = *c.profile;
  html += fmt::format(
      "<p>Sorted by what could be won: the time of a layer less its time at this machine's nearer ceiling. Ceilings of "
      "{}: fp32 {:.0f} GFLOP/s, memory {:.1f} GB/s; above 100 % the data came from a cache, or the kernel needs "
      "fewer operations than are counted. The part of a bar in "
      "orange is what could be won.</p>\n<div class=\"scroll\"><table class=\"stacked\">\n<tr><th "
      "class=\"n\">time</th><th>share</th>"
      "<th class=\"n\">to win</th><th class=\"n x\">GFLOP/s</th><th class=\"n x\">GB/s</th><th class=\"n\">of "
      "ceiling</th>"
      "<th>kernel</th><th>ONNX nodes</th></tr>\n",
      owner_of(p.ceilings), p.ceilings.f32_gflops, p.ceilings.read_gb_s);
  std::vector<const LayerTime*> sorted;
  double longest = 0;
  for (const LayerTime& l : p.layers) {
    sorted.push_back(&l);
    longest = std::max(longest, l.us);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const LayerTime* a, const LayerTime* b) { return a->gain_us > b->gain_us; });
  for (const LayerTime* l : sorted) {
    const double wide = longest > 0 ? 110 / longest : 0;
    html += fmt::format(
        "<tr><td class=\"n\">{}</td><td class=\"w\"><span class=\"bar\" "
        "style=\"width:{:.1f}px\">"
        "</span><span class=\"bar gain\" style=\"width:{:.1f}px\"></span> {:.1f} %</td><td class=\"n\">{}</td>"
        "<td class=\"n x\">{:.1f}</td><td class=\"n x\">{:.1f}</td><td class=\"n\">{}</td>"
        "<td class=\"k w\">{}</td><td class=\"k name\">{}</td></tr>\n",
        step_time(l->us), (l->us - l->gain_us) * wide, l->gain_us * wide, l->share * 100, step_time(l->gain_us),
        l->gflops, l->gb_s, *l->ceiling != 0 ? fmt::format("{:.0f} % {}", l->of_ceiling * 100, l->ceiling) : "",
        e(l->step.kernel.empty() ? l->step.op : l->step.kernel),
        e(l->step.name + (l->within.empty() ? "" : fmt::format(" ({:.4g} x in {})", l->calls, l->within))));
  }
  html += "</table></div>\n<h3>Whole runs</h3>\n";
  const Summary t = summarize(p.run_ms);
  return html + "<div class=\"scroll\">" +
         draw_histogram(histogram_of(p.run_ms), count_text(static_cast<std::int64_t>(p.run_ms.size()), "run"),
                        {{"median", t.median}, {"p90", t.p90}, {"p99", t.p99}}) +
         "</div>\n";
}

std::string fusions(const BuildReport& b) {
  std::string html =
      "<h2 id=\"fusions\">Fusions</h2>\n<p>Every pass in order, what it rewrote, and what almost matched.</p>\n"
      "<div class=\"scroll\"><table><tr><th>pass</th><th class=\"n\">rewrites</th><th class=\"n\">nodes after</th>"
      "<th class=\"n\">time</th></tr>\n";
  for (const PassRun& r : b.passes.passes)
    html += fmt::format(
        "<tr{}><td class=\"k w\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        r.rewrites == 0 ? " class=\"no\"" : "", e(r.name), r.enabled ? std::to_string(r.rewrites) : "off",
        r.nodes_after, r.seconds > 0 ? time_text(r.seconds * 1e3) : "");
  html += "</table></div>\n";
  html += fmt::format(
      "<details><summary>{}</summary><div class=\"scroll\"><table><tr><th class=\"n\">#</th>"
      "<th>pass</th><th>rewrite</th><th>at</th></tr>\n",
      count_text(static_cast<std::int64_t>(b.passes.rewrites.size()), "rewrite"));
  for (std::size_t i = 0; i < b.passes.rewrites.size(); ++i) {
    const Rewrite& r = b.passes.rewrites[i];
    html += fmt::format(
        "<tr><td class=\"n\">{}</td><td class=\"k w\">{}</td><td class=\"w\">{}</td><td class=\"k "
        "name\">{}</td></tr>\n",
        i + 1, e(r.pass), e(r.what), e(r.node));
  }
  html += fmt::format(
      "</table></div></details>\n<details{}><summary>{} near misses</summary><div class=\"scroll\"><table>"
      "<tr><th>pass</th><th>pattern</th><th>at</th><th>refused because</th></tr>\n",
      b.passes.near_misses.empty() || b.passes.near_misses.size() > 40 ? "" : " open", b.passes.near_misses.size());
  for (const NearMiss& m : b.passes.near_misses)
    html += fmt::format(
        "<tr><td class=\"k w\">{}</td><td class=\"w\">{}</td><td class=\"k name\">{}</td><td "
        "class=\"why\">{}</td></tr>\n",
        e(m.pass), e(m.pattern), e(m.node), e(m.reason));
  return html + "</table></div></details>\n";
}

std::string graphs(const BuildReport& b) {
  // A drawing of very many nodes is of no use, and slow to show.
  constexpr std::size_t kMostNodes = 3000;
  const auto drawn = [&](const char* title, const ir::Graph& graph, bool open) {
    const std::size_t nodes = graph.order().size();
    std::string html = fmt::format("<details{}><summary>{}: {} nodes</summary>", open ? " open" : "", title, nodes);
    if (nodes > kMostNodes) html += fmt::format("<p>Not drawn: more than {} nodes.</p>", kMostNodes);
    else html += "<div class=\"scroll wide\">" + draw_graph(graph) + "</div>";
    return html + "</details>\n";
  };
  return "<h2 id=\"graph\">Graph</h2>\n<p>Constants are left out. A box says its operator, its result and its ONNX "
         "node; the mouse shows all of them.</p>\n" +
         drawn("After the passes", *b.planned, true) +
         (b.imported != nullptr ? drawn("As imported", *b.imported, false) : "");
}

std::string memory(const PageContent& c) {
  const plan::Plan& plan = c.engine->impl().image.plan;
  std::string html =
      "<h2 id=\"memory\">Memory</h2>\n<p>Each box is a block of the arena: the steps that use it across, its addresses "
      "upwards; grey is scratch. The dashed line is the least that any placement needs.</p>\n";
  for (std::size_t d = 0; d < plan.devices.size(); ++d)
    html += "<div class=\"scroll\">" + draw_memory(plan, static_cast<int>(d)) + "</div>\n";
  std::vector<const plan::WeightBlock*> blocks;
  for (const plan::WeightBlock& w : plan.weight_blocks) blocks.push_back(&w);
  std::stable_sort(blocks.begin(), blocks.end(), [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
  html += fmt::format(
      "<details><summary>{} weight blocks, largest first</summary><div class=\"scroll\"><table><tr>"
      "<th class=\"n\">bytes</th><th>form</th><th>name</th></tr>\n",
      blocks.size());
  for (const plan::WeightBlock* w : blocks)
    html += fmt::format("<tr><td class=\"n\">{}</td><td>{}</td><td class=\"k\">{}</td></tr>\n",
                        bytes_text(static_cast<double>(w->bytes)), w->kernel >= 0 ? "packed" : "plain",
                        e(plan.text(w->name)));
  return html + "</table></div></details>\n";
}

std::string candidates(const BuildReport& b) {
  std::string html =
      "<h2 id=\"candidates\">Kernels</h2>\n<p>For each node the kernel it got, and every candidate with its time or "
      "its reason for refusing. Layouts are chosen for the whole graph, conversions counted: the fastest alone need "
      "not "
      "be taken.</p>\n";
  for (const plan::Choice& c : b.choices) {
    html += fmt::format(
        "<details class=\"f\"><summary>{} <code>{}</code> runs <code>{}</code></summary><div class=\"scroll\"><table>"
        "<tr><th>kernel</th><th class=\"n\">time</th><th>refused because</th></tr>\n",
        e(c.op), e(shortened(c.node, 160)), e(c.kernel));
    for (const std::string& kernel : c.accepted) {
      const auto timed = std::find_if(c.timed.begin(), c.timed.end(), [&](const auto& t) { return t.first == kernel; });
      html += fmt::format("<tr{}><td class=\"k w\">{}</td><td class=\"n\">{}</td><td></td></tr>\n",
                          kernel == c.kernel ? " class=\"taken\"" : "", e(kernel),
                          timed != c.timed.end() ? fmt::format("{:.1f} us", timed->second) : "not timed");
    }
    for (const auto& [kernel, reason] : c.refused)
      html +=
          fmt::format("<tr class=\"no\"><td class=\"k w\">{}</td><td class=\"n\"></td><td class=\"why\">{}</td></tr>\n",
                      e(kernel), e(reason));
    html += "</table></div></details>\n";
  }
  return html;
}

}  // namespace

std::string html_report(const PageContent& c) {
  return page_begin(file_name(c.model_file), std::string(version_text()) + " on " + cpu_info().model,
                    {{"layers", "Layers"},
                     {"fusions", "Fusions"},
                     {"graph", "Graph"},
                     {"memory", "Memory"},
                     {"candidates", "Kernels"}}) +
         summary(c) + layers(c) + fusions(*c.build) + graphs(*c.build) + memory(c) + candidates(*c.build) + page_end();
}

}  // namespace monza::tool
