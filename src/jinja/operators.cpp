#include "jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "jinja/texts.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

[[noreturn]] void unsupported(const std::string& op, const Value& a, const Value& b) {
  fail("unsupported operand type(s) for {}: '{}' and '{}'", op, type_name(a), type_name(b));
}
[[noreturn]] void too_large() { fail("an integer has more than 64 bits"); }

const std::int64_t* whole(const Value& v, std::int64_t& held) {
  if (const bool* b = v.get<bool>()) return held = *b ? 1 : 0, &held;
  return v.get<std::int64_t>();
}
bool real(const Value& v, double& out) {
  std::int64_t held;
  if (const std::int64_t* i = whole(v, held)) return out = static_cast<double>(*i), true;
  if (const double* d = v.get<double>()) return out = *d, true;
  return false;
}

Value power_of(std::int64_t a, std::int64_t b) {
  if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
  std::int64_t result = 1;
  for (; b > 0; --b) {
    if (__builtin_mul_overflow(result, a, &result)) too_large();
    if (a == 0 || a == 1) break;
    if (a == -1) return std::int64_t{b % 2 == 0 ? 1 : -1};
  }
  return result;
}

Value of_integers(const std::string& op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "+"   ? __builtin_add_overflow(a, b, &result)
      : op == "-" ? __builtin_sub_overflow(a, b, &result)
                  : op == "*" && __builtin_mul_overflow(a, b, &result))
    too_large();
  if (op == "+" || op == "-" || op == "*") return result;
  if (op == "**") return power_of(a, b);
  if (b == 0) fail("division by zero");
  if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
  if (b == -1) return of_integers(op == "//" ? "-" : "*", 0, a);  // the least integer has no counterpart
  const std::int64_t rest = a % b, below = rest != 0 && (rest < 0) != (b < 0) ? 1 : 0;
  return op == "//" ? a / b - below : rest + below * b;  // as Python rounds: down
}

Value of_reals(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) fail("division by zero");
  if (op == "/") return a / b;
  const double down = std::floor(a / b);
  return op == "//" ? down : a - down * b;
}

/// A text or list several times.
Value repeated(const Value& a, std::int64_t times, Budget& budget) {
  const std::int64_t size = size_of(a);
  times = std::max<std::int64_t>(times, 0);
  if (times > 0 && size > kMaxSize / times) fail("a text or list has more than {} bytes", kMaxSize);
  budget.bytes(size * times);
  if (const std::string* text = a.text()) {
    std::string out;
    out.reserve(text->size() * static_cast<std::size_t>(times));
    for (; times > 0; --times) out += *text;
    return out;
  }
  std::vector<Value> items;
  for (; times > 0; --times) items.insert(items.end(), a.list()->items.begin(), a.list()->items.end());
  return make_list(std::move(items), a.list()->kind);
}

std::string escaped(const Value& text) { return text.is<Markup>() ? *text.text() : html_escaped(*text.text()); }

Value sum_of(const Value& a, const Value& b, Budget& budget) {
  if (a.text() != nullptr && b.text() != nullptr) {
    if (size_of(a) + size_of(b) > kMaxSize) fail("a text has more than {} bytes", kMaxSize);
    budget.bytes(size_of(a) + size_of(b));
    if (!a.is<Markup>() && !b.is<Markup>()) return *a.text() + *b.text();
    return Markup{escaped(a) + escaped(b)};
  }
  if (a.list() != nullptr && b.list() != nullptr && a.list()->kind == b.list()->kind) {
    budget.bytes(size_of(a) + size_of(b));
    std::vector<Value> items = a.list()->items;
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return make_list(std::move(items), a.list()->kind);
  }
  if (a.text() != nullptr || a.list() != nullptr)
    fail("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b));
  unsupported("+", a, b);
}

/// Where a slice begins, of `size` items, and how many it has.
struct Range {
  std::int64_t begin, count, step;
};
Range range_of(std::int64_t size, const Value& begin, const Value& end, const Value& step) {
  const auto bound = [](const Value& v, std::int64_t otherwise) {
    need_defined(v);
    if (v.is<None>()) return otherwise;
    if (!v.is<std::int64_t>()) fail("slice indices must be integers or None");
    return *v.get<std::int64_t>();
  };
  const std::int64_t by = bound(step, 1);
  if (by == 0) fail("slice step cannot be zero");
  const std::int64_t least = by < 0 ? -1 : 0, most = by < 0 ? size - 1 : size;
  const auto placed = [&](std::int64_t at) {
    return std::clamp(at < 0 ? std::max(at, -size) + size + (at < -size ? least : 0) : at, least, most);
  };
  const std::int64_t from = begin.is<None>() ? (by < 0 ? most : least) : placed(bound(begin, 0));
  const std::int64_t to = end.is<None>() ? (by < 0 ? least : most) : placed(bound(end, 0));
  const std::int64_t distance = by < 0 ? from - to : to - from;
  if (distance <= 0) return {0, 0, 1};
  const std::uint64_t stride = by < 0 ? 0 - static_cast<std::uint64_t>(by) : static_cast<std::uint64_t>(by);
  return {from, static_cast<std::int64_t>((static_cast<std::uint64_t>(distance) - 1) / stride) + 1, by};
}

}  // namespace

Value arithmetic(const std::string& op, const Value& a, const Value& b, Budget& budget) {
  need_defined(a), need_defined(b);
  std::int64_t held_a, held_b;
  const std::int64_t *i = whole(a, held_a), *j = whole(b, held_b);
  if (i != nullptr && j != nullptr) return of_integers(op, *i, *j);
  if (double x, y; real(a, x) && real(b, y)) return of_reals(op, x, y);
  const auto sequence = [](const Value& v) { return v.text() != nullptr || v.list() != nullptr; };
  if (op == "*" && sequence(a) && j != nullptr) return repeated(a, *j, budget);
  if (op == "*" && sequence(b) && i != nullptr) return repeated(b, *i, budget);
  if (op == "+") return sum_of(a, b, budget);
  if (op == "%" && a.text() != nullptr) fail("formatting a text with '%' is not supported");
  unsupported(op, a, b);
}

Value negative(const Value& value) {
  need_defined(value);
  std::int64_t held;
  if (const std::int64_t* i = whole(value, held)) return of_integers("-", 0, *i);
  if (const double* d = value.get<double>()) return -*d;
  fail("bad operand type for unary -: '{}'", type_name(value));
}

bool contains(const Value& container, const Value& item) {
  if (container.is<Undefined>()) return false;
  if (const std::string* text = container.text()) {
    need_defined(item);
    if (item.text() == nullptr) fail("'in <string>' requires string as left operand, not {}", type_name(item));
    return text->find(*item.text()) != text->npos;
  }
  if (const List* list = container.list())
    return std::any_of(list->items.begin(), list->items.end(), [&](const Value& v) { return equal(v, item); });
  if (const Dict* dict = container.dict()) return dict->find(item) != nullptr;
  fail("argument of type '{}' is not iterable", type_name(container));
}

Value slice(const Value& value, const Value& begin, const Value& end, const Value& step) {
  need_defined(value);
  const std::string* text = value.text();
  const List* list = value.list();
  if (text == nullptr && list == nullptr) fail("'{}' cannot be sliced", object_name(value));
  if (list != nullptr) {
    Range r = range_of(static_cast<std::int64_t>(list->items.size()), begin, end, step);
    std::vector<Value> items;
    for (; r.count > 0; --r.count) {
      items.push_back(list->items[static_cast<std::size_t>(r.begin)]);
      if (r.count > 1) r.begin += r.step;
    }
    return make_list(std::move(items), list->kind);
  }
  std::vector<std::string_view> all;
  for (std::size_t at = 0; at < text->size();) {
    all.push_back(std::string_view(*text).substr(at, text::character_at(*text, at).bytes));
    at += all.back().size();
  }
  Range r = range_of(static_cast<std::int64_t>(all.size()), begin, end, step);
  std::string out;
  for (; r.count > 0; --r.count) {
    out += all[static_cast<std::size_t>(r.begin)];
    if (r.count > 1) r.begin += r.step;
  }
  return out;
}

std::vector<Value> items_of(const Value& value, Budget& budget) {
  std::vector<Value> items;
  budget.bytes((value.text() != nullptr ? kCharacterCost : 1) * size_of(value));
  if (value.is<Undefined>()) return items;
  if (const List* list = value.list()) return list->items;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, held] : dict->items) items.push_back(key);
    return items;
  }
  const std::string* text = value.text();
  if (text == nullptr) fail("'{}' object is not iterable", type_name(value));
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t bytes = text::character_at(*text, at).bytes;
    items.emplace_back(std::string_view(*text).substr(at, bytes));
    at += bytes;
  }
  return items;
}

}  // namespace monza::jinja
