#include "grammar/grammar.h"

#include <algorithm>

namespace monza::grammar {
namespace {

constexpr std::size_t kMaxBeginnings = 2000;  ///< nodes that begin with each other: how deep a matcher recurses

}  // namespace

NodeId GrammarBuilder::add(Node node) {
  budget_.node();
  budget_.work(4 + node.children.size());
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId GrammarBuilder::terminal(Terminal terminal) {
  terminals_.push_back(std::move(terminal));
  return add({.kind = Node::Kind::terminal, .index = static_cast<std::uint32_t>(terminals_.size() - 1)});
}

NodeId GrammarBuilder::sequence(std::vector<NodeId> children) {
  if (children.size() == 1) return children[0];
  return add({.kind = Node::Kind::sequence, .children = std::move(children)});
}

NodeId GrammarBuilder::choice(std::vector<NodeId> children) {
  if (children.size() == 1) return children[0];
  return add({.kind = Node::Kind::choice, .children = std::move(children)});
}

NodeId GrammarBuilder::repeat(NodeId child, std::uint32_t min, std::uint32_t max) {
  if (min == 1 && max == 1) return child;
  return add({.kind = Node::Kind::repeat, .min = min, .max = max, .children = {child}});
}

NodeId GrammarBuilder::members(Members m) {
  if (m.named > kMaxNames) fail("{} names of members are more than {}", m.named, kMaxNames);
  members_.push_back(std::move(m));
  return add({.kind = Node::Kind::members, .index = static_cast<std::uint32_t>(members_.size() - 1)});
}

NodeId GrammarBuilder::rule(std::string name) {
  rule_names_.push_back(std::move(name));
  return add({.kind = Node::Kind::rule, .index = static_cast<std::uint32_t>(rule_names_.size() - 1)});
}

/// Whether members as they are known so far have a text.
bool GrammarBuilder::solve_members(Members& m) const {
  const auto can_be = [&](std::uint32_t value) {
    return m.values[value] == Members::kNoValue || nodes_[m.values[value]].productive;
  };
  std::uint32_t named = 0;
  for (std::uint32_t i = 0; i < m.named; ++i) named += can_be(i) ? 1 : 0;
  bool others = false;
  if (m.others.dfa)
    for (auto i = m.named; i < m.values.size(); ++i) others = others || can_be(i);
  const bool required = std::all_of(m.required.begin(), m.required.end(), can_be);
  return required && m.required.size() <= m.max && m.min <= m.max && (others || named >= m.min);
}

/// What may be empty, and what has a text: the least solution, by going round until nothing changes. Work lists of
/// parents keep that linear.
void GrammarBuilder::solve() {
  std::vector<std::vector<NodeId>> parents(nodes_.size());
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    for (const NodeId child : nodes_[id].children) parents[child].push_back(id);
    if (nodes_[id].kind == Node::Kind::members)
      for (const NodeId value : members_[nodes_[id].index].values)
        if (value != Members::kNoValue) parents[value].push_back(id);
  }
  std::vector<NodeId> open;
  for (NodeId id = 0; id < nodes_.size(); ++id) open.push_back(id);
  while (!open.empty()) {
    Node& n = nodes_[open.back()];
    const NodeId id = open.back();
    open.pop_back();
    budget_.work(1 + n.children.size());
    bool nullable = false, productive = false;
    const auto is_nullable = [&](NodeId child) { return nodes_[child].nullable; };
    const auto is_productive = [&](NodeId child) { return nodes_[child].productive; };
    switch (n.kind) {
      case Node::Kind::terminal: {
        const Terminal& t = terminals_[n.index];
        productive =
            !t.dfa->empty() && t.min_characters <= t.max_characters && t.dfa->characters_left(0) <= t.max_characters;
        nullable = productive && t.dfa->label(0) != 0 && t.min_characters == 0;
        break;
      }
      case Node::Kind::sequence:
      case Node::Kind::rule:
        nullable = std::all_of(n.children.begin(), n.children.end(), is_nullable);
        productive = std::all_of(n.children.begin(), n.children.end(), is_productive);
        break;
      case Node::Kind::choice:
        nullable = std::any_of(n.children.begin(), n.children.end(), is_nullable);
        productive = std::any_of(n.children.begin(), n.children.end(), is_productive);
        break;
      case Node::Kind::repeat:
        nullable = n.min == 0 || is_nullable(n.children[0]);
        productive = n.min == 0 || is_productive(n.children[0]);
        break;
      case Node::Kind::members: {
        Members& m = members_[n.index];
        productive = solve_members(m);
        nullable = productive && m.required.empty() && m.min == 0;
        break;
      }
    }
    if (nullable == n.nullable && productive == n.productive) continue;
    n.nullable = nullable;
    n.productive = productive;
    open.insert(open.end(), parents[id].begin(), parents[id].end());
  }
}

std::vector<NodeId> GrammarBuilder::beginnings(const Node& node) const {
  if (node.kind != Node::Kind::sequence) return node.children;
  std::vector<NodeId> all;
  for (const NodeId child : node.children) {
    all.push_back(child);
    if (!nodes_[child].nullable) break;
  }
  return all;
}

void GrammarBuilder::refuse_left_recursion() const {
  struct Step {
    NodeId node;
    std::vector<NodeId> next;
  };
  enum : std::uint8_t { unseen, open, done };
  std::vector<std::uint8_t> state(nodes_.size(), unseen);
  for (NodeId start = 0; start < nodes_.size(); ++start) {
    if (state[start] != unseen) continue;
    std::vector<Step> path{{start, beginnings(nodes_[start])}};
    state[start] = open;
    while (!path.empty()) {
      if (path.back().next.empty()) {
        state[path.back().node] = done;
        path.pop_back();
        continue;
      }
      const NodeId child = path.back().next.back();
      path.back().next.pop_back();
      if (state[child] == done) continue;
      if (state[child] == open) {
        auto at = std::find_if(path.begin(), path.end(), [&](const Step& s) { return s.node == child; });
        while (at != path.end() && nodes_[at->node].kind != Node::Kind::rule) ++at;
        fail_hint("recursion on the right: items ::= item items?, or a repetition: item+",
                  "rule '{}' begins with itself", at == path.end() ? "" : rule_names_[nodes_[at->node].index]);
      }
      if (path.size() > kMaxBeginnings) fail("rules begin with each other over more than {} steps", kMaxBeginnings);
      state[child] = open;
      path.push_back({child, beginnings(nodes_[child])});
    }
  }
}

void GrammarBuilder::find_reach(Grammar& grammar) const {
  for (const Members& m : grammar.members_) {
    Grammar::Reach r;
    r.words = (m.named + 63) / 64;
    const Dfa* dfa = m.names.dfa.get();
    const std::size_t n = dfa != nullptr ? dfa->size() : 0;
    budget_.work(n * (r.words + 1));
    r.bits.resize(n * r.words);
    // Names are finite, so that going back from the last states ends; each state is finished behind its followers.
    std::vector<std::uint8_t> seen(n);
    std::vector<std::pair<Dfa::State, unsigned>> path;
    if (n > 0) path.emplace_back(0, 0);
    while (!path.empty()) {
      const Dfa::State s = path.back().first;
      std::uint64_t* bits = r.bits.data() + s * r.words;
      Dfa::State to = Dfa::kDead;
      if (path.back().second < 256) to = dfa->next(s, static_cast<std::uint8_t>(path.back().second++));
      else seen[s] = 1;
      if (seen[s] != 0) {
        if (const std::uint32_t label = dfa->label(s); label != 0)
          bits[(label - 1) / 64] |= std::uint64_t{1} << ((label - 1) % 64);
        path.pop_back();
        if (!path.empty())
          for (std::size_t w = 0; w < r.words; ++w) r.bits[path.back().first * r.words + w] |= bits[w];
      } else if (to != Dfa::kDead) {
        if (seen[to] == 0) path.emplace_back(to, 0);
        else
          for (std::size_t w = 0; w < r.words; ++w) bits[w] |= r.bits[to * r.words + w];
      }
    }
    grammar.reach_.push_back(std::move(r));
  }
}

GrammarPtr GrammarBuilder::build(NodeId root) {
  for (const Node& n : nodes_)
    if (n.kind == Node::Kind::rule && n.children.empty())
      fail("rule '{}' is used and not defined", rule_names_[n.index]);
  solve();
  refuse_left_recursion();
  for (const Members& m : members_)  // those of names are left out by the matcher, which cannot tell the others' apart
    for (std::size_t i = m.named; i < m.values.size(); ++i)
      if (m.values[i] != Members::kNoValue && !nodes_[m.values[i]].productive)
        fail("members are allowed whose value no text can be");
  if (!nodes_[root].productive) fail("no text at all is in this grammar's language");
  auto grammar = std::make_shared<Grammar>();
  grammar->root_ = root;
  grammar->nodes_ = std::move(nodes_);
  grammar->terminals_ = std::move(terminals_);
  grammar->members_ = std::move(members_);
  find_reach(*grammar);
  return grammar;
}

}  // namespace monza::grammar
