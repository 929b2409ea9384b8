#include "jinja/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

bool is_number(const Value& v) { return v.is<bool>() || v.is<std::int64_t>() || v.is<double>(); }
double number_of(const Value& v) {
  if (const bool* b = v.get<bool>()) return *b ? 1 : 0;
  if (const auto* i = v.get<std::int64_t>()) return static_cast<double>(*i);
  return *v.get<double>();
}
/// Integers, and true and false as such, are compared exactly.
const std::int64_t* integer_of(const Value& v, std::int64_t& held) {
  if (const bool* b = v.get<bool>()) return held = *b ? 1 : 0, &held;
  return v.get<std::int64_t>();
}

}  // namespace

void Extent::add(const Value& item) {
  if (item.is<std::shared_ptr<Namespace>>()) fail("a namespace inside a list or a dictionary is not supported");
  const Extent* inner = item.list() != nullptr   ? &item.list()->extent
                        : item.dict() != nullptr ? &item.dict()->extent
                                                 : nullptr;
  if (inner != nullptr) depth = std::max(depth, inner->depth + 1);
  if (depth > kMaxDepth) fail("lists and dictionaries are nested more than {} deep", kMaxDepth);
  size += size_of(item) + 2;
  if (size > kMaxSize) fail("a list or dictionary has more than {} bytes", kMaxSize);
}

std::int64_t size_of(const Value& value) {
  if (const std::string* text = value.text()) return static_cast<std::int64_t>(text->size());
  if (const List* list = value.list()) return list->extent.size;
  if (const Dict* dict = value.dict()) return dict->extent.size;
  return 8;
}

namespace {

/// Equal for keys that are equal, and "" for what is no key. true, 1 and 1.0 are one key, as in Python.
std::string key_of(const Value& key) {
  if (const std::string* text = key.text()) return "'" + *text;
  std::int64_t held;
  if (const std::int64_t* i = is_number(key) ? integer_of(key, held) : nullptr) return std::to_string(*i);
  const double* d = key.get<double>();
  if (d != nullptr && std::floor(*d) == *d && std::fabs(*d) < 0x1p62)
    return std::to_string(static_cast<std::int64_t>(*d));
  return d != nullptr ? number_text(*d) : key.is<None>() ? "None" : "";
}

}  // namespace

const Value* Dict::find(const Value& key) const {
  const auto at = index.find(key_of(key));
  return at == index.end() ? nullptr : &items[at->second].second;
}

void Dict::set(Value key, Value value) {
  std::string known = key_of(key);
  if (known.empty()) fail("a dictionary's key is a '{}'; texts, numbers and None are supported", type_name(key));
  extent.add(key), extent.add(value);
  const auto [at, added] = index.emplace(std::move(known), items.size());
  if (added) items.emplace_back(std::move(key), std::move(value));
  else items[at->second].second = std::move(value);
}

Value make_list(std::vector<Value> items, List::Kind kind) {
  List list{std::move(items), kind, {}};
  for (const Value& item : list.items) list.extent.add(item);
  return std::make_shared<const List>(std::move(list));
}

Value make_dict(Dict dict) { return std::make_shared<const Dict>(std::move(dict)); }

Value make_function(std::string name, std::function<Value(const Arguments&)> call) {
  return std::make_shared<const Function>(Function{std::move(name), std::move(call)});
}

std::string type_name(const Value& value) {
  if (const List* list = value.list())
    return list->kind == List::Kind::list ? "list" : list->kind == List::Kind::tuple ? "tuple" : "generator";
  if (const auto* names = value.get<std::shared_ptr<Namespace>>()) return (*names)->type;
  constexpr std::array names = {"Undefined", "NoneType", "bool",      "int",      "float", "str",
                                "list",      "dict",     "Namespace", "function", "Markup"};
  return names[value.index()];
}

std::string object_name(const Value& value) { return value.is<None>() ? "None" : type_name(value) + " object"; }

void need_defined(const Value& value) {
  if (const auto* undefined = value.get<Undefined>()) fail("{}", undefined->why);
}

bool truth(const Value& value) {
  return std::visit(
      Overloaded{
          [](const Undefined&) { return false; }, [](const None&) { return false; }, [](bool b) { return b; },
          [](std::int64_t i) { return i != 0; }, [](double d) { return d != 0; },
          [](const std::string& s) { return !s.empty(); }, [](const Markup& s) { return !s.empty(); },
          [](const std::shared_ptr<const List>& l) { return !l->items.empty() || l->kind == List::Kind::generator; },
          [](const std::shared_ptr<const Dict>& d) { return !d->items.empty(); }, [](const auto&) { return true; }},
      static_cast<const Value::variant&>(value));
}

bool equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) {
    std::int64_t x, y;
    const std::int64_t *i = integer_of(a, x), *j = integer_of(b, y);
    return i != nullptr && j != nullptr ? *i == *j : number_of(a) == number_of(b);
  }
  if (a.text() != nullptr && b.text() != nullptr) return *a.text() == *b.text();
  if (a.index() != b.index()) return false;
  if (const List *l = a.list(), *m = b.list(); l != nullptr)
    return l->kind == m->kind && std::equal(l->items.begin(), l->items.end(), m->items.begin(), m->items.end(), equal);
  if (const Dict *d = a.dict(), *e = b.dict(); d != nullptr) {
    if (d->items.size() != e->items.size()) return false;
    for (const auto& [key, value] : d->items)
      if (const Value* other = e->find(key); other == nullptr || !equal(value, *other)) return false;
    return true;
  }
  if (const auto* n = a.get<std::shared_ptr<Namespace>>()) return *n == *b.get<std::shared_ptr<Namespace>>();
  if (const auto* f = a.get<std::shared_ptr<const Function>>()) return *f == *b.get<std::shared_ptr<const Function>>();
  return true;  // two that are undefined, or none
}

int compare(const Value& a, const Value& b, const char* op) {
  need_defined(a), need_defined(b);
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (is_number(a) && is_number(b)) {
    std::int64_t x, y;
    const std::int64_t *i = integer_of(a, x), *j = integer_of(b, y);
    return i != nullptr && j != nullptr ? order(*i, *j) : order(number_of(a), number_of(b));
  }
  if (a.text() != nullptr && b.text() != nullptr) return order(*a.text(), *b.text());
  if (const List *l = a.list(), *m = b.list(); l != nullptr && m != nullptr && l->kind == m->kind) {
    for (std::size_t i = 0; i < std::min(l->items.size(), m->items.size()); ++i)
      if (!equal(l->items[i], m->items[i])) return compare(l->items[i], m->items[i], op);
    return order(l->items.size(), m->items.size());
  }
  fail("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  // Python writes an exponent from 1e16 on, and below 1e-4.
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (plain && text.find('.') == text.npos) text += ".0";
  return text;
}

std::string to_text(const Value& value) {
  if (const std::string* text = value.text()) return *text;
  return value.is<Undefined>() ? std::string() : to_repr(value);
}

namespace {

std::string quoted(const std::string& text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else out += c;
  }
  return out + quote;
}

template <typename Items, typename Write>
std::string joined(const Items& items, const Write& write) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ", ";
    out += write(item);
  }
  return out;
}

}  // namespace

std::string to_repr(const Value& value) {
  return std::visit(
      Overloaded{
          [](const Undefined&) { return std::string("Undefined"); }, [](const None&) { return std::string("None"); },
          [](bool b) { return std::string(b ? "True" : "False"); }, [](std::int64_t i) { return std::to_string(i); },
          [](double d) { return number_text(d); }, [](const std::string& s) { return quoted(s); },
          [](const Markup& s) { return quoted(s); },
          [](const std::shared_ptr<const List>& l) {
            const std::string inner = joined(l->items, to_repr);
            if (l->kind != List::Kind::tuple) return "[" + inner + "]";
            return "(" + inner + (l->items.size() == 1 ? ",)" : ")");
          },
          [](const std::shared_ptr<const Dict>& d) {
            const auto entry = [](const auto& item) { return to_repr(item.first) + ": " + to_repr(item.second); };
            return "{" + joined(d->items, entry) + "}";
          },
          [](const std::shared_ptr<Namespace>& n) { return "<" + n->type + ">"; },
          [](const std::shared_ptr<const Function>& f) { return "<function " + f->name + ">"; }},
      static_cast<const Value::variant&>(value));
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace monza::jinja
