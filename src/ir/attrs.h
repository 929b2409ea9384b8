// Attributes of a node: named plain values that print and parse, and what an operator declares of them.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/constant.h"

namespace monza::ir {

using AttrValue = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                               std::vector<std::string>, std::shared_ptr<const Constant>>;

/// What a value is, in the order of AttrValue.
enum class AttrKind : std::uint8_t { integer, number, string, ints, floats, strings, tensor };
/// "an integer", "a list of strings", ...
const char* attr_kind_name(AttrKind kind);

/// Attributes by name, in sorted order, so that equal nodes print equal text. What a node's mean, and those that it
/// leaves out, is for an AttrReader to say.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, AttrValue>> list) : map_(list) {}

  bool has(std::string_view name) const { return map_.find(name) != map_.end(); }
  void set(std::string name, AttrValue value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  void erase(std::string_view name);

  const std::map<std::string, AttrValue, std::less<>>& all() const { return map_; }
  friend bool operator==(const Attrs& a, const Attrs& b);

 private:
  std::map<std::string, AttrValue, std::less<>> map_;
};

/// The default of a list of integers: as many of this one as the list should have.
struct Each {
  std::int64_t value;
};

/// One attribute that an operator declares: its name, its kind and what holds where a node leaves it out.
///
///     constexpr AttrDef kAttrs[] = {{"axis", -1}, {"epsilon", 1e-5}, {"mode", "linear"}, {"strides", Each{1}},
///                                   {"axes", AttrKind::ints}, required("to", AttrKind::string)};
struct AttrDef {
  enum class Absent : std::uint8_t {
    is_default,  ///< reads give the default
    is_asked,    ///< the operator does something else then: it asks has() first. Lists read as empty, tensors as null
    is_refused,
  };

  constexpr AttrDef() = default;
  constexpr AttrDef(const char* name, std::integral auto value)
      : name(name), kind(AttrKind::integer), absent(Absent::is_default), integer(value) {}
  constexpr AttrDef(const char* name, double value)
      : name(name), kind(AttrKind::number), absent(Absent::is_default), number(value) {}
  constexpr AttrDef(const char* name, const char* value)
      : name(name), kind(AttrKind::string), absent(Absent::is_default), string(value) {}
  constexpr AttrDef(const char* name, Each each)
      : name(name), kind(AttrKind::ints), absent(Absent::is_default), integer(each.value) {}
  constexpr AttrDef(const char* name, AttrKind kind, Absent absent = Absent::is_asked)
      : name(name), kind(kind), absent(absent) {}

  const char* name = "";
  AttrKind kind = AttrKind::integer;
  Absent absent = Absent::is_asked;
  std::int64_t integer = 0;  ///< default of an integer, and of each element of a list of them
  double number = 0;
  const char* string = "";
};
constexpr AttrDef required(const char* name, AttrKind kind) { return {name, kind, AttrDef::Absent::is_refused}; }

using AttrSchema = std::span<const AttrDef>;

/// Schemas one after the other, for operators that share a part.
template <std::size_t... N>
constexpr auto joined(const AttrDef (&... parts)[N]) {
  std::array<AttrDef, (N + ...)> all;
  auto at = all.begin();
  ((at = std::copy(parts, parts + N, at)), ...);
  return all;
}

/// Reads attributes under a schema: what is given, else the default that the schema declares. A view; what it reads
/// must outlive it. Error for a name that the schema does not have, or has as another kind, and for one without a
/// default that is not given.
class AttrReader {
 public:
  AttrReader(AttrSchema schema, const Attrs& given) : schema_(schema), given_(&given) {}

  /// Whether it is given.
  bool has(std::string_view name) const;
  std::int64_t i(std::string_view name) const;
  double f(std::string_view name) const;
  std::string s(std::string_view name) const;
  /// As given, else empty.
  std::vector<std::int64_t> ints(std::string_view name) const;
  /// As given (with any number of elements), else `count` times the default of each.
  std::vector<std::int64_t> ints(std::string_view name, std::size_t count) const;
  std::vector<double> floats(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;
  std::shared_ptr<const Constant> tensor(std::string_view name) const;

  const Attrs& given() const { return *given_; }

  /// Error for an attribute that the schema does not have (with those that are near) or that is of another kind, and
  /// for a required one that is missing. `owner` is what has the schema: "Softmax".
  void check(const char* owner) const;

 private:
  const AttrDef& declared(std::string_view name) const;
  /// The value that is given, null where the default holds.
  const AttrValue* find(std::string_view name, AttrKind kind) const;
  template <typename T>
  T list(std::string_view name, AttrKind kind) const;

  AttrSchema schema_;
  const Attrs* given_;
};

}  // namespace monza::ir
