// Numbers, strings and constants of schemas.
#include <cmath>

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/regex.h"
#include "grammar/schema_compiler.h"

namespace monza::grammar {
namespace {

constexpr std::uint32_t kMaxHostName = 253;  ///< characters; RFC 1034, written out

/// The one text of a number: whole ones without a point.
std::string number_text(const Json& value) {
  if (value.is_number_float())
    if (const double v = value.get<double>(); v == std::trunc(v) && std::abs(v) < 1e18) return fmt::format("{:.0f}", v);
  return value.dump();
}

}  // namespace

NodeId SchemaCompiler::punctuation(const char* pattern) {
  return builder_.terminal(utf8(regex(pattern, budget_), budget_));
}

NodeId SchemaCompiler::constant(const Json& value) {
  const auto [found, is_new] = shared_.emplace(value.dump(), 0);
  if (!is_new) return found->second;
  if (++depth_ > budget_.limits().depth) fail("a schema takes more than {} levels", budget_.limits().depth);
  NodeId id = 0;
  if (value.is_string()) {
    id = builder_.terminal(json_string(CharDfa::of({value.get<std::string>()}, budget_), budget_));
  } else if (value.is_array()) {
    std::vector<NodeId> all{open_array_};
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) all.push_back(comma_);
      all.push_back(constant(value[i]));
    }
    all.push_back(close_array_);
    id = builder_.sequence(std::move(all));
  } else if (value.is_object()) {
    Members m;
    std::vector<std::string> names;
    for (const auto& [name, member] : value.items()) {
      m.required.push_back(static_cast<std::uint32_t>(names.size()));
      names.push_back(name);
      m.values.push_back(builder_.sequence({colon_, constant(member)}));
    }
    m.named = static_cast<std::uint32_t>(names.size());
    if (m.named > 0) m.names.dfa = json_string(CharDfa::of(names, budget_), budget_);
    m.separator = comma_;
    id = builder_.sequence({open_object_, builder_.members(std::move(m)), close_object_});
  } else {
    id = builder_.text(value.is_number() ? number_text(value) : value.dump());
  }
  --depth_;
  shared_[value.dump()] = id;
  return id;
}

NodeId SchemaCompiler::number(const SchemaParts& parts, std::uint32_t types) {
  NumberRange range;
  range.integers = (types & kWhole) != 0;
  range.fractions = (types & kFraction) != 0;
  for (const SchemaPart& p : parts) {
    for (const bool least : {true, false})
      for (const NumberRange::Bound& bound : bounds_of(document_, *p.schema, least)) {
        auto& kept = least ? range.least : range.most;
        const int order = kept ? (least ? 1 : -1) * compare(bound.value, kept->value) : 1;
        if (order > 0 || (order == 0 && bound.exclusive)) kept = bound;
      }
    if (const Json* multiple = keyword(*p.schema, "multipleOf")) {
      if (!multiple->is_number()) document_.refuse(*p.schema, "multipleOf", "it is no number");
      const Decimal of = decimal_of(*multiple);
      if (of.is_zero() || of.negative) document_.refuse(*p.schema, "multipleOf", "it is not above 0");
      range.multiples.push_back(of);
    }
  }
  return builder_.terminal(numbers(range, budget_));
}

const CharDfa& SchemaCompiler::pattern(const Json& schema, const char* keyword, const std::string& text) {
  auto found = patterns_.find(text);
  if (found != patterns_.end()) return found->second;
  try {
    return patterns_.emplace(text, regex(text, budget_)).first->second;
  } catch (const Error& e) {
    document_.refuse(schema, keyword, e.what());
  }
}

SchemaCompiler::Strings SchemaCompiler::strings(const SchemaParts& parts) {
  Strings s;
  const auto hold = [&](const CharDfa& texts, bool opposite = false) {
    const CharDfa wanted = opposite ? complement(texts, budget_) : texts;
    s.texts = s.free ? wanted : intersect(s.texts, wanted, budget_);
    s.free = false;
  };
  for (const SchemaPart& p : parts) {
    const Json& schema = *p.schema;
    s.min = std::max(s.min, count_of(document_, schema, "minLength").value_or(0));
    s.max = std::min(s.max, count_of(document_, schema, "maxLength").value_or(kMany));
    for (const char* name : {"pattern", "$notPattern"})
      if (const Json* of = keyword(schema, name)) {
        if (!of->is_string()) document_.refuse(schema, name, "it is no string");
        hold(pattern(schema, name, of->get<std::string>()), name[0] == '$');
      }
    if (const Json* other = keyword(schema, "$notString"); other != nullptr && other->is_string())
      hold(CharDfa::of({other->get<std::string>()}, budget_), true);
    const Json* format = keyword(schema, "format");
    if (format == nullptr || !format->is_string()) continue;
    const char* text = format_pattern(format->get<std::string>());
    if (text == nullptr) continue;
    if (*text == '\0') document_.refuse(schema, "format", "'" + format->get<std::string>() + "' is not supported");
    hold(pattern(schema, "format", text));
    if (*format == "hostname") s.max = std::min(s.max, kMaxHostName);
  }
  if (!s.free && s.min > 0) {
    s.texts = intersect(s.texts, at_least(s.min, budget_), budget_);
    s.min = 0;
  }
  return s;
}

NodeId SchemaCompiler::string(const SchemaParts& parts) {
  const Strings s = strings(parts);
  return builder_.terminal(Terminal{s.free ? string_dfa_ : json_string(s.texts, budget_), s.min, s.max});
}

/// The names that a schema of names allows.
CharDfa SchemaCompiler::language(SchemaParts parts) {
  flatten(parts);
  if (const auto values = values_of(parts)) {
    std::vector<std::string> texts;
    for (const Json& value : *values)
      if (value.is_string()) texts.push_back(value.get<std::string>());
    return CharDfa::of(texts, budget_);
  }
  if ((types(parts) & kString) == 0) return {};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    SchemaParts chosen = parts;
    const auto split_at = split(chosen[i]);
    if (!split_at) continue;
    if (++depth_ > budget_.limits().depth) fail("a schema takes more than {} levels", budget_.limits().depth);
    CharDfa any;
    for (const Json* alternative : *split_at) {
      SchemaParts with = chosen;
      with.push_back({alternative});
      any = combine(any, language(std::move(with)), budget_,
                    [](std::uint32_t x, std::uint32_t y) { return x != 0 || y != 0 ? 1u : 0u; });
    }
    --depth_;
    return any;
  }
  Strings s = strings(parts);
  if (s.free) s.texts = at_least(s.min, budget_);
  return s.max == kMany ? s.texts : intersect(s.texts, complement(at_least(s.max + 1, budget_), budget_), budget_);
}

}  // namespace monza::grammar
