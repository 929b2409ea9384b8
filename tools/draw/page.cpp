#include "tools/draw/page.h"

#include <fmt/core.h>

#include "base/base64.h"
#include "tools/draw/sha256.h"
#include "tools/draw/svg.h"

namespace monza::tool {
namespace {

// Pictures keep their light colours in files of their own; a dark page turns them over, hues kept.
constexpr std::string_view kStyles = R"(
:root { color-scheme: light dark; --page: #fff; --ink: #1f2329; --soft: #5b6270; --rule: #e2e5ea; --panel: #f6f7f9;
  --accent: #2f6db3; --bar: #9ecae9; --gain: #f3b28c; --line: #c5cad2; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15181d; --ink: #e3e6eb; --soft: #a3abb8; --rule: #2c323b; --panel: #1e232a; --accent: #7db4f0;
    --bar: #3d78ad; --gain: #c0733f; --line: #454d59; }
  svg { filter: invert(.915) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); margin: 0;
  background: var(--page); }
main { max-width: 1180px; margin: 0 auto; padding: 24px 28px 80px; }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 8px; padding-top: 12px; border-top: 2px solid var(--rule); scroll-margin-top: 44px; }
h3 { font-size: 14px; margin: 18px 0 6px; }
p { margin: 4px 0 10px; color: var(--soft); max-width: 80ch; }
nav { position: sticky; top: 0; z-index: 2; background: var(--page); padding: 8px 0; margin: 6px 0 0; display: flex;
  flex-wrap: wrap; gap: 2px 16px; align-items: center; }
nav a { color: var(--accent); text-decoration: none; }
nav input { flex: 0 1 240px; font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; padding: 2px 8px; }
nav output { color: var(--soft); font-size: 12px; }
.miss { display: none; } g.miss { display: inline; opacity: .13; }
table { border-collapse: collapse; font-size: 13px; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); position: sticky;
  top: 0; background: var(--page); white-space: nowrap; }
th, td { padding: 3px 14px 3px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 1%; }
td.w { white-space: nowrap; }
td.name { min-width: 18em; } td.why { min-width: 24em; width: 60%; }
code, .k { font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(230px, 44%), 1fr)); gap: 10px; margin: 16px 0; }
.card { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.card b { display: block; font-size: 19px; font-weight: 600; } .card span { color: var(--soft); font-size: 12px; }
.scroll { overflow: auto; max-height: 640px; border: 1px solid var(--rule); border-radius: 8px; margin: 4px 0; }
.scroll > table { width: 100%; } .scroll td:first-child, .scroll th:first-child { padding-left: 12px; }
.wide { width: calc(100vw - 56px); margin-left: calc(50% - 50vw + 28px); height: 86vh; max-height: none; }
.wide svg { margin: 0 auto; }
.bar { background: var(--bar); height: 9px; display: inline-block; border-radius: 2px; vertical-align: middle; }
.gain { background: var(--gain); }
details { margin: 6px 0; } summary { cursor: pointer; color: var(--accent); overflow-wrap: anywhere; }
.taken, .taken .k { font-weight: 600; } .no { color: var(--soft); }
svg { display: block; }
@media (max-width: 640px) {
  main { padding: 14px 12px 60px; }
  .wide { width: 100%; margin-left: 0; }
  .card { padding: 8px 10px; } .card b { font-size: 16px; }
  td.name { min-width: 30em; } td.why { min-width: 26em; }
  .x { display: none; }
  .scroll { max-height: 80vh; }
  th { white-space: normal; }
  .stacked, .stacked tbody { display: block; }
  .stacked tr { display: grid; grid-template-columns: 4.6em minmax(0, 1fr) 4.6em 6.8em; gap: 0 6px; padding: 0 8px;
    border-bottom: 1px solid var(--rule); }
  .stacked td, .stacked th { border: 0; width: auto; padding: 2px 0 !important; }
  .stacked .bar { zoom: .7; }
  .stacked td.k { grid-column: 1 / -1; min-width: 0; } .stacked th:nth-last-child(-n+2) { display: none; }
}
)";

// Graphs are shown from the middle. What does not hold the words is hidden (a box of a graph is faded); Enter goes from
// hit to hit.
constexpr std::string_view kSearch = R"(
const find = document.getElementById('find'), found = document.getElementById('found');
const centre = box => { box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2; };
document.querySelectorAll('.wide').forEach(centre);
document.addEventListener('toggle', e => e.target.querySelectorAll('.wide').forEach(centre), true);
const parts = [...document.querySelectorAll('.scroll tr, details.f, g.box')].filter(
    e => (e.localName !== 'tr' || e.querySelector('td')) && !e.parentElement.closest('details.f'));
const texts = parts.map(e => e.textContent.toLowerCase());
let hits = [], at = -1;
find.hidden = false;
find.oninput = () => {
  const words = find.value.toLowerCase().split(' ').filter(w => w);
  hits = [];
  at = -1;
  parts.forEach((e, i) => {
    const hit = words.every(w => texts[i].includes(w));
    e.classList.toggle('miss', !hit);
    if (hit) hits.push(e);
  });
  found.textContent = words.length ? `${hits.length} of ${parts.length}` : '';
};
find.onkeydown = event => {
  if (event.key !== 'Enter' || !find.value.trim()) return;
  const shown = hits.filter(e => e.getClientRects().length);
  if (shown.length) shown[at = (at + 1) % shown.length].scrollIntoView({block: 'center', inline: 'center'});
};
)";

}  // namespace

std::string page_begin(const std::string& title, const std::string& about,
                       const std::vector<std::pair<const char*, const char*>>& sections) {
  std::string links;
  for (const auto& [id, text] : sections) links += fmt::format("<a href=\"#{}\">{}</a>", id, text);
  return fmt::format(
      R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{}</style>
<title>{}</title></head><body><main>
<h1>{}</h1>
<p>{}</p>
<nav>{}<input id="find" type="search" placeholder="search nodes, kernels, passes" aria-label="search" hidden=""/><output id="found"></output></nav>
)",
      base64(sha256(kSearch)), kStyles, escape_markup(title), escape_markup(title), escape_markup(about), links);
}

std::string page_end() { return fmt::format("</main><script>{}</script></body></html>\n", kSearch); }

std::string page_card(const std::string& value, const std::string& what) {
  return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>\n", escape_markup(value), escape_markup(what));
}

}  // namespace monza::tool
