// Templates in the part of Jinja that language models' chat templates are written in (docs/adr/chat-templates.md).
//
//   const jinja::Template chat("{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}");
//   chat.render(*jinja::read_json(R"({"messages": [{"role": "user", "content": "Hi"}]})").dict());
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace monza::jinja {

/// A template, which may come from a stranger: what it may cost is bounded (budget.h). Immutable: safe from any thread.
class Template {
 public:
  /// Throws Error that names the line, for what is wrong or not supported.
  explicit Template(std::string_view source);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// Its text with these variables. `now` is what strftime_now() tells. Throws Error that names the line: for what is
  /// undefined and used, too expensive, or refused by the template itself (raise_exception).
  std::string render(const Dict& variables, const std::tm& now) const;
  /// The same, at this moment in local time.
  std::string render(const Dict& variables) const;

 private:
  struct Parsed;
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace monza::jinja
