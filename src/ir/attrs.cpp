#include "ir/attrs.h"

#include "base/error.h"

namespace monza::ir {

namespace {
const char* kind_name(const AttrValue& value) {
  static constexpr const char* names[] = {"an integer",        "a number",          "a string", "a list of integers",
                                          "a list of numbers", "a list of strings", "a tensor"};
  return names[value.index()];
}

template <typename T>
const T* get(const std::map<std::string, AttrValue, std::less<>>& map, std::string_view name, const char* wanted) {
  auto it = map.find(name);
  if (it == map.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  if (value == nullptr) fail("attribute '{}' is {}, but {} is expected", name, kind_name(it->second), wanted);
  return value;
}
}  // namespace

void Attrs::erase(std::string_view name) {
  if (auto it = map_.find(name); it != map_.end()) map_.erase(it);
}

std::int64_t Attrs::i(std::string_view name, std::int64_t fallback) const {
  const auto* v = get<std::int64_t>(map_, name, "an integer");
  return v != nullptr ? *v : fallback;
}

double Attrs::f(std::string_view name, double fallback) const {
  const auto* v = get<double>(map_, name, "a number");
  return v != nullptr ? *v : fallback;
}

std::string Attrs::s(std::string_view name, std::string_view fallback) const {
  const auto* v = get<std::string>(map_, name, "a string");
  return v != nullptr ? *v : std::string(fallback);
}

std::vector<std::int64_t> Attrs::ints(std::string_view name, std::vector<std::int64_t> fallback) const {
  const auto* v = get<std::vector<std::int64_t>>(map_, name, "a list of integers");
  return v != nullptr ? *v : std::move(fallback);
}

std::vector<double> Attrs::floats(std::string_view name, std::vector<double> fallback) const {
  const auto* v = get<std::vector<double>>(map_, name, "a list of numbers");
  return v != nullptr ? *v : std::move(fallback);
}

std::vector<std::string> Attrs::strings(std::string_view name) const {
  const auto* v = get<std::vector<std::string>>(map_, name, "a list of strings");
  return v != nullptr ? *v : std::vector<std::string>{};
}

std::shared_ptr<const Constant> Attrs::tensor(std::string_view name) const {
  const auto* v = get<std::shared_ptr<const Constant>>(map_, name, "a tensor");
  return v != nullptr ? *v : nullptr;
}

bool operator==(const Attrs& a, const Attrs& b) {
  if (a.map_.size() != b.map_.size()) return false;
  for (auto i = a.map_.begin(), j = b.map_.begin(); i != a.map_.end(); ++i, ++j) {
    if (i->first != j->first || i->second.index() != j->second.index()) return false;
    const auto* s = std::get_if<std::shared_ptr<const Constant>>(&i->second);
    const auto* t = std::get_if<std::shared_ptr<const Constant>>(&j->second);
    if (s != nullptr ? !(*s == *t || (*s && *t && same_content(**s, **t))) : i->second != j->second) return false;
  }
  return true;
}

}  // namespace monza::ir
