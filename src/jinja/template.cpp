#include "jinja/template.h"

#include "base/error.h"
#include "jinja/ast.h"
#include "jinja/evaluator.h"

namespace monza::jinja {
namespace {

constexpr std::size_t kMaxSource = std::size_t{1} << 20;

}  // namespace

struct Template::Parsed {
  Body body;
};

Template::Template(std::string_view source) {
  if (source.size() > kMaxSource) fail("the template has {} bytes, more than {}", source.size(), kMaxSource);
  parsed_ = std::make_unique<const Parsed>(Parsed{parse(source)});
}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::render(const Dict& variables, const std::tm& now) const {
  Evaluator evaluator(now);
  try {
    return evaluator.render(parsed_->body, variables);
  } catch (const Error& e) {
    throw e.at(message("line {}", evaluator.line()));
  }
}

std::string Template::render(const Dict& variables) const {
  const std::time_t time = std::time(nullptr);
  std::tm now{};
  localtime_r(&time, &now);
  return render(variables, now);
}

}  // namespace monza::jinja
