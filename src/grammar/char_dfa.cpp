#include "grammar/char_dfa.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/utf8.h"

namespace monza::grammar {
namespace {

constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

/// Calls `each(range, to_a, to_b)` for the ranges on which neither changes; kNowhere where one has no edge.
template <typename Each>
void sweep(const std::vector<CharDfa::Edge>& a, const std::vector<CharDfa::Edge>& b, const Each& each) {
  std::size_t i = 0, j = 0;
  char32_t at = 0;
  while (i < a.size() || j < b.size()) {
    char32_t end = 0x110000;  // of the piece, exclusive
    std::uint32_t to_a = kNowhere, to_b = kNowhere;
    const auto look = [&](const std::vector<CharDfa::Edge>& edges, std::size_t k, std::uint32_t& to) {
      if (k == edges.size()) return;
      if (edges[k].on.first > at) return void(end = std::min(end, edges[k].on.first));
      to = edges[k].to;
      end = std::min<char32_t>(end, edges[k].on.last + 1);
    };
    look(a, i, to_a);
    look(b, j, to_b);
    if (to_a != kNowhere || to_b != kNowhere) each(CodeRange{at, end - 1}, to_a, to_b);
    at = end;
    while (i < a.size() && a[i].on.last < at) ++i;
    while (j < b.size() && b[j].on.last < at) ++j;
  }
}

/// Removes the states that reach no label, and edges to them. Neighbouring edges to one state become one.
void trim(CharDfa& dfa) {
  const std::size_t n = dfa.states.size();
  std::vector<std::vector<std::uint32_t>> sources(n);
  std::vector<std::uint32_t> open, number(n, kNowhere);
  for (std::uint32_t s = 0; s < n; ++s) {
    for (const CharDfa::Edge& e : dfa.states[s].edges) sources[e.to].push_back(s);
    if (dfa.states[s].label != 0) number[s] = 0, open.push_back(s);
  }
  while (!open.empty()) {
    const std::uint32_t s = open.back();
    open.pop_back();
    for (const std::uint32_t from : sources[s])
      if (number[from] == kNowhere) number[from] = 0, open.push_back(from);
  }
  if (n == 0 || number[0] == kNowhere) return dfa.states.clear();
  std::uint32_t count = 0;
  for (std::uint32_t s = 0; s < n; ++s)
    if (number[s] != kNowhere) number[s] = count++;
  std::vector<CharDfa::State> kept(count);
  for (std::uint32_t s = 0; s < n; ++s) {
    if (number[s] == kNowhere) continue;
    CharDfa::State& to = kept[number[s]];
    to.label = dfa.states[s].label;
    for (const CharDfa::Edge& e : dfa.states[s].edges) {
      if (number[e.to] == kNowhere) continue;
      const bool joins =
          !to.edges.empty() && to.edges.back().to == number[e.to] && to.edges.back().on.last + 1 == e.on.first;
      if (joins) to.edges.back().on.last = e.on.last;
      else to.edges.push_back({e.on, number[e.to]});
    }
  }
  dfa.states = std::move(kept);
}

std::vector<CharDfa::Edge> edges_to(const CodeSet& set, std::uint32_t to) {
  std::vector<CharDfa::Edge> edges;
  for (const CodeRange& r : set.ranges()) edges.push_back({r, to});
  return edges;
}

}  // namespace

CharDfa CharDfa::all() { return {{State{edges_to(CodeSet::all(), 0), 1}}}; }

CharDfa CharDfa::of(const std::vector<std::string>& texts, Budget& budget) {
  std::vector<std::map<char32_t, std::uint32_t>> trie(1);
  std::vector<std::uint32_t> labels(1);
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const std::string_view text = texts[t];
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t n = utf8_bytes(text.substr(i));
      if (n == 0) fail("'{}' is not UTF-8", text);
      const auto [found, is_new] =
          trie[at].emplace(utf8_code(text.substr(i, n)), static_cast<std::uint32_t>(trie.size()));
      at = found->second;
      i += n;
      if (!is_new) continue;
      budget.work(8);
      trie.emplace_back();
      labels.push_back(0);
    }
    labels[at] = static_cast<std::uint32_t>(t + 1);
  }
  CharDfa dfa;
  for (std::size_t s = 0; s < trie.size(); ++s) {
    dfa.states.push_back({{}, labels[s]});
    for (const auto& [code, to] : trie[s]) dfa.states[s].edges.push_back({{code, code}, to});
  }
  trim(dfa);
  return dfa;
}

std::uint32_t CharDfa::label_of(std::string_view text) const {
  if (states.empty()) return 0;
  std::uint32_t state = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_bytes(text.substr(i));
    if (n == 0) return 0;
    const char32_t code = utf8_code(text.substr(i, n));
    i += n;
    const auto& edges = states[state].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(),
                                   [&](const Edge& e) { return e.on.first <= code && code <= e.on.last; });
    if (edge == edges.end()) return 0;
    state = edge->to;
  }
  return states[state].label;
}

CharDfa combine(const CharDfa& a, const CharDfa& b, Budget& budget,
                const std::function<std::uint32_t(std::uint32_t, std::uint32_t)>& label) {
  CharDfa out;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  const auto number = [&](std::uint32_t x, std::uint32_t y) {
    const auto [found, is_new] = numbers.emplace(std::uint64_t{x} << 32 | y, static_cast<std::uint32_t>(pairs.size()));
    if (is_new) pairs.emplace_back(x, y);
    return found->second;
  };
  static const std::vector<CharDfa::Edge> kNone;
  (void)number(a.states.empty() ? kNowhere : 0, b.states.empty() ? kNowhere : 0);
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const auto [x, y] = pairs[p];
    CharDfa::State state;
    state.label = label(x == kNowhere ? 0 : a.states[x].label, y == kNowhere ? 0 : b.states[y].label);
    sweep(
        x == kNowhere ? kNone : a.states[x].edges, y == kNowhere ? kNone : b.states[y].edges,
        [&](CodeRange on, std::uint32_t to_x, std::uint32_t to_y) { state.edges.push_back({on, number(to_x, to_y)}); });
    budget.work(8 + state.edges.size());
    out.states.push_back(std::move(state));
  }
  trim(out);
  return out;
}

CharDfa intersect(const CharDfa& a, const CharDfa& b, Budget& budget) {
  return combine(a, b, budget, [](std::uint32_t x, std::uint32_t y) { return y != 0 ? x : 0u; });
}

CharDfa complement(const CharDfa& a, Budget& budget) {
  return combine(CharDfa::all(), a, budget, [](std::uint32_t x, std::uint32_t y) { return y == 0 ? x : 0u; });
}

CharDfa at_least(std::uint32_t characters, Budget& budget) {
  CharDfa dfa;
  for (std::uint32_t i = 0; i < characters; ++i) {
    budget.work(8);
    dfa.states.push_back({edges_to(CodeSet::all(), i + 1), 0});
  }
  dfa.states.push_back({edges_to(CodeSet::all(), characters), 1});
  return dfa;
}

bool is_empty(const CharDfa& a) { return a.states.empty(); }

}  // namespace monza::grammar
