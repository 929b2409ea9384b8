// A tree becomes an automaton that may be in many states, and that one which is in one: the sets of them.
#include "grammar/regex.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "grammar/regex_parser.h"

namespace monza::grammar {
namespace {

using Kind = RegexNode::Kind;
using States = std::vector<std::uint32_t>;  ///< sorted

/// States with edges on characters, and edges that take none, at any place or only at one end of the text.
class Nfa {
 public:
  explicit Nfa(Budget& budget) : budget_(budget) { (void)add(), (void)add(); }
  static constexpr std::uint32_t kStart = 0, kAccept = 1;

  /// The pattern is found anywhere: any characters stand in front of it, and behind it.
  void build(const RegexNode& pattern) {
    states_[kStart].sets.emplace_back(CodeSet::all(), kStart);
    states_[kAccept].sets.emplace_back(CodeSet::all(), kAccept);
    build(pattern, kStart, kAccept);
  }

  CharDfa determinise() {
    std::vector<char32_t> cuts;
    for (const State& s : states_)
      for (const auto& [set, to] : s.sets)
        for (const CodeRange& r : set.ranges()) cuts.push_back(r.first), cuts.push_back(r.last + 1);
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    CharDfa dfa;
    std::map<States, std::uint32_t> numbers;
    std::vector<States> open;
    const auto number = [&](States states) {
      const auto [found, is_new] = numbers.emplace(std::move(states), static_cast<std::uint32_t>(open.size()));
      if (is_new) open.push_back(found->first);
      return found->second;
    };
    (void)number(closure({kStart}, true, false));
    for (std::size_t at = 0; at < open.size(); ++at) {
      const States from = open[at];
      CharDfa::State state;
      const States last = closure(from, at == 0, true);
      state.label = std::binary_search(last.begin(), last.end(), kAccept) ? 1 : 0;
      for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
        States to;
        for (const std::uint32_t s : from)
          for (const auto& [set, next] : states_[s].sets)
            if (set.contains(cuts[c])) to.push_back(next);
        budget_.work(2 + from.size());
        if (to.empty()) continue;
        const std::uint32_t target = number(closure(std::move(to), false, false));
        const CodeRange on{cuts[c], cuts[c + 1] - 1};
        auto& edges = state.edges;
        if (!edges.empty() && edges.back().to == target && edges.back().on.last + 1 == on.first)
          edges.back().on.last = on.last;
        else edges.push_back({on, target});
      }
      dfa.states.push_back(std::move(state));
    }
    return intersect(dfa, CharDfa::all(), budget_);  // leaves out what leads nowhere
  }

 private:
  enum class When : std::uint8_t { always, at_begin, at_end };
  struct State {
    std::vector<std::pair<CodeSet, std::uint32_t>> sets;
    std::vector<std::pair<When, std::uint32_t>> free;
  };

  std::uint32_t add() {
    budget_.work(16);
    states_.emplace_back();
    return static_cast<std::uint32_t>(states_.size() - 1);
  }
  void link(std::uint32_t from, std::uint32_t to, When when = When::always) {
    states_[from].free.emplace_back(when, to);
  }

  void build(const RegexNode& node, std::uint32_t from, std::uint32_t to) {
    switch (node.kind) {
      case Kind::set:
        budget_.work(node.set.ranges().size());
        states_[from].sets.emplace_back(node.set, to);
        return;
      case Kind::begin: return link(from, to, When::at_begin);
      case Kind::end: return link(from, to, When::at_end);
      case Kind::sequence:
        for (const RegexNode& child : node.children) {
          const std::uint32_t next = add();
          build(child, from, next);
          from = next;
        }
        return link(from, to);
      case Kind::choice:
        for (const RegexNode& child : node.children) {
          const std::uint32_t begin = add();  // a loop of one alternative must not be one of all
          link(from, begin);
          build(child, begin, to);
        }
        return;
      case Kind::repeat: return build_repeat(node, from, to);
      case Kind::ahead:
      case Kind::not_ahead: fail("a pattern looks ahead elsewhere than at its beginning, which is not supported");
    }
  }

  void build_repeat(const RegexNode& node, std::uint32_t from, std::uint32_t to) {
    const RegexNode& child = node.children[0];
    for (std::uint32_t i = 0; i < node.min; ++i) {
      const std::uint32_t next = add();
      build(child, from, next);
      from = next;
    }
    if (node.max == RegexParser::kMany) {
      const std::uint32_t loop = add(), end = add();
      link(from, loop);
      build(child, loop, end);
      link(end, loop);
      return link(loop, to);
    }
    for (std::uint32_t i = node.min; i < node.max; ++i) {
      const std::uint32_t next = add();
      link(from, to);
      build(child, from, next);
      from = next;
    }
    link(from, to);
  }

  States closure(States states, bool at_begin, bool at_end) {
    if (seen_.size() < states_.size()) seen_.resize(states_.size());
    ++round_;
    States all;
    for (const std::uint32_t s : states)
      if (seen_[s] != round_) seen_[s] = round_, all.push_back(s);
    for (std::size_t i = 0; i < all.size(); ++i)
      for (const auto& [when, to] : states_[all[i]].free) {
        if ((when == When::at_begin && !at_begin) || (when == When::at_end && !at_end)) continue;
        if (seen_[to] != round_) seen_[to] = round_, all.push_back(to);
      }
    budget_.work(all.size());
    std::sort(all.begin(), all.end());
    return all;
  }

  Budget& budget_;
  std::vector<State> states_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t round_ = 0;
};

CharDfa find_anywhere(const RegexNode& pattern, Budget& budget) {
  Nfa nfa(budget);
  nfa.build(pattern);
  return nfa.determinise();
}

RegexNode from_begin(std::vector<RegexNode> rest) {
  RegexNode all;
  all.children.push_back({Kind::begin});
  for (RegexNode& node : rest) all.children.push_back(std::move(node));
  return all;
}

}  // namespace

CharDfa regex(std::string_view pattern, Budget& budget) {
  RegexNode tree = RegexParser(pattern, budget).parse();
  // ^(?=A)(?!B)C: what C says, and A, and not B, each from the beginning.
  std::vector<RegexNode>& nodes = tree.children[0].children;
  std::size_t at = 0;
  while (at < nodes.size() && nodes[at].kind == Kind::begin) ++at;
  if (tree.children.size() > 1 || at == 0) return find_anywhere(tree, budget);
  CharDfa all = CharDfa::all();
  for (; at < nodes.size() && (nodes[at].kind == Kind::ahead || nodes[at].kind == Kind::not_ahead); ++at) {
    const CharDfa ahead = find_anywhere(from_begin(nodes[at].children), budget);
    all = intersect(all, nodes[at].kind == Kind::ahead ? ahead : complement(ahead, budget), budget);
  }
  nodes.erase(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(at));
  return intersect(all, find_anywhere(from_begin(std::move(nodes)), budget), budget);
}

}  // namespace monza::grammar
