// What +, in, [a:b] and the like do with values.
#pragma once

#include "jinja/budget.h"
#include "jinja/value.h"

namespace monza::jinja {

/// `op` is + - * / // % or **.
Value arithmetic(const std::string& op, const Value& a, const Value& b, Budget& budget);
Value negative(const Value& value);
bool contains(const Value& container, const Value& item);
/// `bounds`: begin, end and step, None where they are left out.
Value slice(const Value& value, const Value& begin, const Value& end, const Value& step);
/// Bytes that a text's byte counts for where it is taken apart into characters.
constexpr std::int64_t kCharacterCost = 16;
/// What a loop goes through: items, keys, or characters.
std::vector<Value> items_of(const Value& value, Budget& budget);

}  // namespace monza::jinja
