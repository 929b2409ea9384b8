#include "tools/draw/page.h"

#include <fmt/core.h>

#include "tools/draw/svg.h"

namespace monza::tool {

// Scripts are forbidden to the page as a second wall behind the escaping.
const std::string_view kPageHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { --ink: #1f2329; --soft: #5b6270; --rule: #e2e5ea; --panel: #f6f7f9; --accent: #2f6db3; }
body { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); margin: 0; background: #fff; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 28px 80px; }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 8px; padding-top: 12px; border-top: 2px solid var(--rule); }
h3 { font-size: 14px; margin: 18px 0 6px; }
p { margin: 4px 0 10px; color: var(--soft); max-width: 80ch; }
nav { margin: 10px 0 0; } nav a { margin-right: 16px; color: var(--accent); text-decoration: none; }
table { border-collapse: collapse; font-size: 13px; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid #c5cad2; position: sticky; top: 0; background: #fff; }
th, td { padding: 3px 14px 3px 0; vertical-align: top; } td { border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 1%; }
td.w { white-space: nowrap; }
code, .k { font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 10px; margin: 16px 0; }
.card { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.card b { display: block; font-size: 19px; font-weight: 600; } .card span { color: var(--soft); font-size: 12px; }
.scroll { overflow: auto; max-height: 640px; border: 1px solid var(--rule); border-radius: 8px; }
.scroll > table { width: 100%; } .scroll td:first-child, .scroll th:first-child { padding-left: 12px; }
.bar { background: #9ecae9; height: 9px; display: inline-block; border-radius: 2px; vertical-align: middle; }
.gain { background: #f3b28c; }
details { margin: 6px 0; } summary { cursor: pointer; color: var(--accent); overflow-wrap: anywhere; }
.taken { font-weight: 600; } .no { color: var(--soft); }
svg { display: block; }
</style>
)";

std::string page_card(const std::string& value, const std::string& what) {
  return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>\n", escape_markup(value), escape_markup(what));
}

}  // namespace monza::tool
