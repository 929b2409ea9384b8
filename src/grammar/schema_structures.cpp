// Arrays and objects of schemas.
#include <algorithm>
#include <functional>

#include "base/error.h"
#include "grammar/schema_compiler.h"

namespace monza::grammar {
namespace {

constexpr std::size_t kRest = ~std::size_t{0};  ///< the items behind those that have schemas of their own

/// The list of the first items' schemas, and the schema of the others; null where there is none.
struct Items {
  const Json *first, *rest;
};
Items items_of(const SchemaDocument& document, const Json& schema) {
  const Json* items = keyword(schema, "items");
  if (items != nullptr && items->is_array()) return {items, keyword(schema, "additionalItems")};
  return {array_of(document, schema, "prefixItems"), items};
}

bool is_false(const SchemaParts& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const SchemaPart& p) { return *p.schema == false; });
}

}  // namespace

SchemaParts SchemaCompiler::item(const SchemaParts& parts, std::size_t index) const {
  SchemaParts of;
  for (const SchemaPart& p : parts) {
    const Items items = items_of(document_, *p.schema);
    const bool has_own = items.first != nullptr && index < items.first->size();
    if (has_own) of.push_back({&(*items.first)[index]});
    else if (items.rest != nullptr) of.push_back({items.rest});
  }
  return of;
}

NodeId SchemaCompiler::array(const SchemaParts& parts) {
  std::uint32_t min = 0, max = kMany;
  std::size_t first = 0;
  bool different = false, contains = false;
  for (const SchemaPart& p : parts) {
    min = std::max(min, count_of(document_, *p.schema, "minItems").value_or(0));
    max = std::min(max, count_of(document_, *p.schema, "maxItems").value_or(kMany));
    if (const Json* of = items_of(document_, *p.schema).first) first = std::max(first, of->size());
    const Json* unique = keyword(*p.schema, "uniqueItems");
    different = different || (unique != nullptr && *unique == true);
    contains = contains || keyword(*p.schema, "contains") != nullptr;
  }
  if (min > max) return nothing_;
  const auto within = [&](NodeId items) { return builder_.sequence({open_array_, items, close_array_}); };
  if (max == 0 && !contains) return within(builder_.sequence({}));
  if (different && max > 1) return within(different_items(parts, min, max));
  if (contains) return within(counted_items(parts, min, max));
  const auto optional = [&](std::size_t index, NodeId items) {
    return index >= min ? builder_.repeat(items, 0, 1) : items;
  };
  const auto less = [](std::uint32_t count, std::size_t by) {
    return count == kMany ? kMany : static_cast<std::uint32_t>(count > by ? count - by : 0);
  };
  const NodeId rest = node(item(parts, kRest));
  const std::size_t own = std::min<std::size_t>(first, max);
  const std::size_t before = std::max<std::size_t>(own, 1);  // items in front of those that a comma and `rest` make
  NodeId tail = builder_.repeat(builder_.sequence({comma_, rest}), less(min, before), less(max, before));
  for (std::size_t i = own; i-- > 1;) tail = optional(i, builder_.sequence({comma_, node(item(parts, i)), tail}));
  return within(optional(0, builder_.sequence({own > 0 ? node(item(parts, 0)) : rest, tail})));
}

/// Items some of which "contains" counts: a rule for each number of items and of counted ones, as far as these matter.
NodeId SchemaCompiler::counted_items(const SchemaParts& parts, std::uint32_t min, std::uint32_t max) {
  const Json* owner = nullptr;
  std::size_t first = 0;
  for (const SchemaPart& p : parts) {
    if (const Json* of = items_of(document_, *p.schema).first) first = std::max(first, of->size());
    if (keyword(*p.schema, "contains") == nullptr) continue;
    if (owner != nullptr) document_.refuse(*p.schema, "contains", "several of them at once are not supported");
    owner = p.schema;
  }
  const Json& contains = *keyword(*owner, "contains");
  const std::uint32_t least = count_of(document_, *owner, "minContains").value_or(1);
  const std::uint32_t most = count_of(document_, *owner, "maxContains").value_or(kMany);
  const std::size_t last = max == kMany ? std::max<std::size_t>(min, first) + 1 : max;
  const std::uint32_t last_counted = most == kMany ? least : most;
  budget_.work((last + 1) * (std::size_t{last_counted} + 1) * 16);
  const Json* others = most == kMany ? nullptr : &negation_.of(contains);
  std::map<std::pair<std::size_t, std::uint32_t>, NodeId> rules;
  std::vector<std::pair<std::size_t, std::uint32_t>> open;
  const auto rule = [&](std::size_t items, std::uint32_t counted) {
    if (max == kMany) items = std::min(items, last);
    if (most == kMany) counted = std::min(counted, least);
    const auto [found, is_new] = rules.emplace(std::pair(items, counted), 0);
    if (is_new) found->second = builder_.rule("items"), open.emplace_back(items, counted);
    return found->second;
  };
  const NodeId all = rule(0, 0);
  while (!open.empty()) {
    const auto [items, counted] = open.back();
    open.pop_back();
    std::vector<NodeId> ways;
    if (items >= min && counted >= least) ways.push_back(builder_.sequence({}));
    const auto go_on = [&](const Json* also, std::uint32_t now) {
      SchemaParts of = item(parts, items < first ? items : kRest);
      if (also != nullptr) of.push_back({also});
      std::vector<NodeId> way{node(std::move(of)), rule(items + 1, now)};
      if (items > 0) way.insert(way.begin(), comma_);
      ways.push_back(builder_.sequence(std::move(way)));
    };
    if (items < max && (most == kMany || counted < most)) go_on(&contains, counted + 1);
    if (items < max) go_on(others, counted);
    builder_.define(rules[{items, counted}], builder_.sequence({builder_.choice(std::move(ways))}));
  }
  return all;
}

/// uniqueItems: of values that are listed, each at most once.
NodeId SchemaCompiler::different_items(const SchemaParts& parts, std::uint32_t min, std::uint32_t max) {
  const auto refuse = [&](const char* why) {
    for (const SchemaPart& p : parts)
      if (keyword(*p.schema, "uniqueItems") != nullptr) document_.refuse(*p.schema, "uniqueItems", why);
  };
  SchemaParts of = item(parts, kRest);
  flatten(of);
  const auto values = values_of(of);
  constexpr const char* kWhy =
      "it is supported of items that are listed (enum) and no arrays or objects, without 'contains'";
  for (const SchemaPart& p : parts)
    if (items_of(document_, *p.schema).first != nullptr || keyword(*p.schema, "contains") != nullptr) refuse(kWhy);
  if (!values || std::any_of(values->begin(), values->end(), [](const Json& v) { return v.is_structured(); }))
    refuse(kWhy);
  // The texts of the values, which are as different as the values are.
  DfaBuilder trie(budget_);
  (void)trie.add();
  Members m;
  std::map<std::pair<Dfa::State, std::uint8_t>, Dfa::State> steps;
  std::vector<std::string> texts;
  for (const Json& value : *values) texts.push_back(value.dump());
  // A text comes before those that it begins: its last state is then new, and can have its label.
  std::sort(texts.begin(), texts.end());
  for (const std::string& text : texts) {
    Dfa::State at = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      const auto [found, is_new] = steps.emplace(std::pair(at, byte), 0);
      if (is_new) {
        found->second = trie.add(i + 1 == text.size() ? m.named + 1 : 0);
        trie.edge(at, {byte, byte, found->second});
      }
      at = found->second;
    }
    ++m.named;
    m.values.push_back(Members::kNoValue);
  }
  m.names.dfa = trie.build();
  m.separator = comma_;
  m.min = min;
  m.max = max;
  return builder_.members(std::move(m));
}

SchemaParts SchemaCompiler::named_value(const SchemaParts& parts, const std::string& name) {
  SchemaParts of;
  for (const SchemaPart& p : parts) {
    bool known = false;
    const Json *properties = object_of(document_, *p.schema, "properties"),
               *patterns = object_of(document_, *p.schema, "patternProperties"),
               *others = keyword(*p.schema, "additionalProperties");
    if (properties != nullptr && properties->contains(name)) of.push_back({&(*properties)[name]}), known = true;
    if (patterns != nullptr)
      for (const auto& [text, schema] : patterns->items())
        if (pattern(*p.schema, "patternProperties", text).label_of(name) != 0) of.push_back({&schema}), known = true;
    if (!known && others != nullptr) of.push_back({others});
  }
  return of;
}

/// All other names, by the patterns that they match: each set of patterns is a label.
SchemaCompiler::Others SchemaCompiler::others(const SchemaParts& parts, const std::vector<std::string>& names) {
  Others all{complement(CharDfa::of(names, budget_), budget_), {}};
  using Set = std::vector<std::pair<std::size_t, const Json*>>;  ///< parts, and the schemas of their patterns
  std::vector<Set> sets{{}};
  std::map<Set, std::uint32_t> numbers{{{}, 0}};
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const Json* patterns = object_of(document_, *parts[part].schema, "patternProperties");
    if (patterns == nullptr) continue;
    for (const auto& [text, schema] : patterns->items())
      all.names = combine(all.names, pattern(*parts[part].schema, "patternProperties", text), budget_,
                          [&, of = &schema](std::uint32_t label, std::uint32_t matches) {
                            if (label == 0 || matches == 0) return label;
                            Set with = sets[label - 1];
                            with.emplace_back(part, of);
                            const auto [found, is_new] = numbers.emplace(with, static_cast<std::uint32_t>(sets.size()));
                            if (is_new) sets.push_back(std::move(with));
                            return found->second + 1;
                          });
  }
  std::vector<std::uint32_t> labels;  ///< of each set; 0 where no value may be
  for (const Set& set : sets) {
    SchemaParts of;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const Json* rest = keyword(*parts[part].schema, "additionalProperties");
      bool matched = false;
      for (const auto& [owner, schema] : set)
        if (owner == part) of.push_back({schema}), matched = true;
      if (!matched && rest != nullptr) of.push_back({rest});
    }
    flatten(of);
    const bool none = is_false(of) || types(of) == 0;
    if (!none) all.values.push_back(std::move(of));
    labels.push_back(none ? 0 : static_cast<std::uint32_t>(all.values.size()));
  }
  all.names = combine(all.names, CharDfa::all(), budget_,
                      [&](std::uint32_t label, std::uint32_t) { return label == 0 ? 0 : labels[label - 1]; });
  return all;
}

NodeId SchemaCompiler::object(const SchemaParts& parts) {
  Members m;
  std::set<std::string> all_names, required;
  std::optional<CharDfa> allowed;  ///< by propertyNames
  for (const SchemaPart& p : parts) {
    if (const Json* properties = object_of(document_, *p.schema, "properties"))
      for (const auto& [name, of] : properties->items()) all_names.insert(name);
    for (std::string& name : required_of(document_, *p.schema)) required.insert(std::move(name));
    m.min = std::max(m.min, count_of(document_, *p.schema, "minProperties").value_or(0));
    m.max = std::min(m.max, count_of(document_, *p.schema, "maxProperties").value_or(kMany));
    if (const Json* names = keyword(*p.schema, "propertyNames")) {
      const CharDfa of = language({{names}});
      allowed = allowed ? intersect(*allowed, of, budget_) : of;
    }
  }
  all_names.insert(required.begin(), required.end());
  const std::vector<std::string> names(all_names.begin(), all_names.end());
  m.named = static_cast<std::uint32_t>(names.size());
  for (std::uint32_t i = 0; i < m.named; ++i) {
    const bool may_be = !allowed || allowed->label_of(names[i]) != 0;
    m.values.push_back(may_be ? builder_.sequence({colon_, node(named_value(parts, names[i]))}) : nothing_);
    if (required.contains(names[i])) m.required.push_back(i);
  }
  if (m.named > 0) m.names.dfa = json_string(CharDfa::of(names, budget_), budget_);
  Others more = others(parts, names);
  if (allowed) more.names = intersect(more.names, *allowed, budget_);
  if (!is_empty(more.names)) {
    // Nothing remembers the names of others, so that the same could come twice and be counted twice.
    if (m.min > std::max<std::size_t>(1, required.size()))
      for (const SchemaPart& p : parts)
        if (keyword(*p.schema, "minProperties") != nullptr)
          document_.refuse(*p.schema, "minProperties", "above 1 it is not supported where names are free");
    m.others.dfa = json_string(more.names, budget_);
    for (SchemaParts& of : more.values) m.values.push_back(builder_.sequence({colon_, node(std::move(of))}));
  }
  m.separator = comma_;
  return builder_.sequence({open_object_, builder_.members(std::move(m)), close_object_});
}

}  // namespace monza::grammar
