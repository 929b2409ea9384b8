#include "ir/attrs.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"

namespace monza::ir {

namespace {
AttrKind kind_of(const AttrValue& value) { return static_cast<AttrKind>(value.index()); }

const AttrDef* find_def(AttrSchema schema, std::string_view name) {
  const auto it = std::ranges::find_if(schema, [&](const AttrDef& def) { return def.name == name; });
  return it == schema.end() ? nullptr : &*it;
}
}  // namespace

const char* attr_kind_name(AttrKind kind) {
  static constexpr const char* kNames[] = {"an integer",        "a number",          "a string", "a list of integers",
                                           "a list of numbers", "a list of strings", "a tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

void Attrs::erase(std::string_view name) {
  if (auto it = map_.find(name); it != map_.end()) map_.erase(it);
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

const AttrDef& AttrReader::declared(std::string_view name) const {
  const AttrDef* def = find_def(schema_, name);
  if (def == nullptr) fail("attribute '{}' is read, but not declared", name);
  return *def;
}

const AttrValue* AttrReader::find(std::string_view name, AttrKind kind) const {
  const AttrDef& def = declared(name);
  if (def.kind != kind)
    fail("attribute '{}' is read as {}, but declared as {}", name, attr_kind_name(kind), attr_kind_name(def.kind));
  const auto it = given_->all().find(name);
  if (it != given_->all().end()) {
    if (kind_of(it->second) != kind)
      fail("attribute '{}' is {}, but {} is expected", name, attr_kind_name(kind_of(it->second)), attr_kind_name(kind));
    return &it->second;
  }
  if (def.absent != AttrDef::Absent::is_default && kind < AttrKind::ints)
    fail("attribute '{}' is read, but it is not given and has no default", name);
  return nullptr;
}

bool AttrReader::has(std::string_view name) const { return given_->has(declared(name).name); }

std::int64_t AttrReader::i(std::string_view name) const {
  const AttrValue* v = find(name, AttrKind::integer);
  return v != nullptr ? std::get<std::int64_t>(*v) : declared(name).integer;
}

double AttrReader::f(std::string_view name) const {
  const AttrValue* v = find(name, AttrKind::number);
  return v != nullptr ? std::get<double>(*v) : declared(name).number;
}

std::string AttrReader::s(std::string_view name) const {
  const AttrValue* v = find(name, AttrKind::string);
  return v != nullptr ? std::get<std::string>(*v) : declared(name).string;
}

template <typename T>
T AttrReader::list(std::string_view name, AttrKind kind) const {
  const AttrValue* v = find(name, kind);
  return v != nullptr ? std::get<T>(*v) : T{};
}
std::vector<std::int64_t> AttrReader::ints(std::string_view name) const {
  return list<std::vector<std::int64_t>>(name, AttrKind::ints);
}
std::vector<std::int64_t> AttrReader::ints(std::string_view name, std::size_t count) const {
  return has(name) ? ints(name) : std::vector<std::int64_t>(count, declared(name).integer);
}
std::vector<double> AttrReader::floats(std::string_view name) const {
  return list<std::vector<double>>(name, AttrKind::floats);
}
std::vector<std::string> AttrReader::strings(std::string_view name) const {
  return list<std::vector<std::string>>(name, AttrKind::strings);
}
std::shared_ptr<const Constant> AttrReader::tensor(std::string_view name) const {
  return list<std::shared_ptr<const Constant>>(name, AttrKind::tensor);
}

void AttrReader::check(const char* owner) const {
  for (const auto& [name, value] : given_->all()) {
    const AttrDef* def = find_def(schema_, name);
    if (def == nullptr) {
      std::vector<std::string> names;
      for (const AttrDef& known : schema_) names.emplace_back(known.name);
      const std::vector<std::string> near = nearest_names(name, names);
      fail_hint(one_of(near.empty() ? names : near), "{} has no attribute '{}'", owner, name);
    }
    if (def->kind != kind_of(value))
      fail("attribute '{}' of {} is {}, but {} is expected", name, owner, attr_kind_name(kind_of(value)),
           attr_kind_name(def->kind));
  }
  for (const AttrDef& def : schema_)
    if (def.absent == AttrDef::Absent::is_refused && !given_->has(def.name))
      fail("{} needs the attribute '{}', {}", owner, def.name, attr_kind_name(def.kind));
}

}  // namespace monza::ir
