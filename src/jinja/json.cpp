#include "jinja/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

using Json = nlohmann::ordered_json;

void append_quoted(std::string& out, std::string_view text, bool ascii) {
  const auto unit = [&](unsigned code) { out += fmt::format("\\u{:04x}", code); };
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto c = text::character_at(text, at);
    const std::string_view bytes = text.substr(at, c.bytes);
    at += c.bytes;
    constexpr std::string_view kFrom = "\"\\\n\r\t\b\f", kTo = "\"\\nrtbf";
    if (const std::size_t i = c.code < 0x80 ? kFrom.find(static_cast<char>(c.code)) : kFrom.npos; i != kFrom.npos)
      out += '\\', out += kTo[i];
    else if (c.code < 0x20) unit(c.code);
    else if (!ascii || c.code < 0x7F) out += bytes;
    else if (c.code == 0x7F) out += bytes;
    else if (c.code < 0x10000) unit(c.code);
    else unit(0xD800 + ((c.code - 0x10000) >> 10)), unit(0xDC00 + ((c.code - 0x10000) & 0x3FF));
  }
  out += '"';
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  std::string take() { return std::move(out_); }

  void write(const Value& v, int level) {
    if (v.is<None>()) out_ += "null";
    else if (const bool* b = v.get<bool>()) out_ += *b ? "true" : "false";
    else if (const auto* i = v.get<std::int64_t>()) out_ += std::to_string(*i);
    else if (const double* d = v.get<double>())
      out_ += std::isnan(*d) ? "NaN" : std::isinf(*d) ? (*d < 0 ? "-Infinity" : "Infinity") : number_text(*d);
    else if (const std::string* text = v.text()) append_quoted(out_, *text, style_.ascii);
    else if (const Dict* dict = v.dict()) write_dict(*dict, level);
    else if (v.list() != nullptr && v.list()->kind != List::Kind::generator) write_list(*v.list(), level);
    else fail("Object of type {} is not JSON serializable", type_name(v));
  }

 private:
  void line(int level) {
    if (style_.indent >= 0) out_ += '\n' + std::string(static_cast<std::size_t>(style_.indent * level), ' ');
  }
  template <typename Items, typename Each>
  void all(char open, char close, const Items& items, int level, const Each& each) {
    out_ += open;
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) out_ += style_.item_mark;
      line(level + 1);
      each(item);
    }
    if (!first) line(level);
    out_ += close;
    if (static_cast<std::int64_t>(out_.size()) > kMaxSize) fail("a text has more than {} bytes", kMaxSize);
  }
  void write_list(const List& list, int level) {
    all('[', ']', list.items, level, [&](const Value& v) { write(v, level + 1); });
  }
  void write_dict(const Dict& dict, int level) {
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& item : dict.items) order.push_back(&item);
    if (style_.sorted)
      std::stable_sort(order.begin(), order.end(),
                       [](const auto* a, const auto* b) { return compare(a->first, b->first, "<") < 0; });
    all('{', '}', order, level, [&](const auto* item) {
      const Value& key = item->first;
      append_quoted(out_, key.text() != nullptr ? *key.text() : write_json(key), style_.ascii);
      out_ += style_.key_mark;
      write(item->second, level + 1);
    });
  }

  const JsonStyle& style_;
  std::string out_;
};

Value from_json(const Json& json, int depth) {
  if (depth > kMaxDepth) fail("the JSON is nested more than {} deep", kMaxDepth);
  switch (json.type()) {
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::number_integer: return json.get<std::int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) return json.get<double>();
      return json.get<std::int64_t>();
    case Json::value_t::number_float: return json.get<double>();
    case Json::value_t::string: return json.get_ref<const std::string&>();
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, depth + 1));
      return make_list(std::move(items));
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, value] : json.items()) dict.set(key, from_json(value, depth + 1));
      return make_dict(std::move(dict));
    }
    default: return None{};
  }
}

}  // namespace

std::string write_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return writer.take();
}

Value read_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) fail("what is read as JSON is none");
  return from_json(json, 0);
}

}  // namespace monza::jinja
