// A chat template, and behind a zero byte the JSON object of its variables.
#include <algorithm>

#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "jinja/json.h"
#include "jinja/template.h"
#include "monza/error.h"

namespace monza::fuzz {
namespace {

constexpr std::string_view kMessages =
    R"({"messages":[{"role":"system","content":"Be terse."},{"role":"user","content":[{"type":"text","text":"Hi \u00e9"}]},)"
    R"({"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}],)"
    R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"add_generation_prompt":true})";

void run(Bytes input) {
  const std::string_view all = text_of(input);
  const std::size_t end = std::min(all.find('\0'), all.size());
  const jinja::Template parsed(all.substr(0, end));
  const jinja::Value variables = jinja::read_json(end < all.size() ? all.substr(end + 1) : kMessages);
  if (variables.dict() == nullptr) return;
  if (utf8_fault(parsed.render(*variables.dict(), {})) != std::string_view::npos)
    finding("what was rendered is not UTF-8");
}

}  // namespace

// A rendering may make texts of 64 MiB, and go through 256 MiB.
const Target template_target{"template", run, nullptr, std::int64_t{512} << 20};

}  // namespace monza::fuzz
