// Attributes of a node: named plain values that print and parse.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/constant.h"

namespace monza::ir {

using AttrValue = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                               std::vector<std::string>, std::shared_ptr<const Constant>>;

/// Attributes by name, in sorted order, so that equal nodes print equal text.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, AttrValue>> list) : map_(list) {}

  bool has(std::string_view name) const { return map_.find(name) != map_.end(); }
  void set(std::string name, AttrValue value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  void erase(std::string_view name);

  // Getters: the value, or the fallback when absent; Error when it is of another type.
  std::int64_t i(std::string_view name, std::int64_t fallback) const;
  double f(std::string_view name, double fallback) const;
  std::string s(std::string_view name, std::string_view fallback) const;
  std::vector<std::int64_t> ints(std::string_view name, std::vector<std::int64_t> fallback = {}) const;
  std::vector<double> floats(std::string_view name, std::vector<double> fallback = {}) const;
  std::vector<std::string> strings(std::string_view name) const;
  std::shared_ptr<const Constant> tensor(std::string_view name) const;

  const std::map<std::string, AttrValue, std::less<>>& all() const { return map_; }
  friend bool operator==(const Attrs& a, const Attrs& b);

 private:
  std::map<std::string, AttrValue, std::less<>> map_;
};

}  // namespace monza::ir
