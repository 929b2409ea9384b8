#include "grammar/expansion.h"

#include <algorithm>

namespace monza::grammar {

void Expansion::expand(NodeId node, std::uint32_t frame) {
  add(node, frame);
  run();
}

void Expansion::end(const Thread& thread, std::uint32_t label) {
  // The names of other members are numbered behind the named ones.
  const bool other = thread.part == Thread::Part::other;
  const Grammar& g = places_.grammar();
  add(kEnds, thread.frame, other ? g.members(g.node(thread.node)).named + label : label);
  run();
}

void Expansion::run() {
  while (!tasks_.empty()) {
    const Task t = tasks_.back();
    tasks_.pop_back();
    if (++steps_ > kMostSteps)
      fail_hint("a grammar that can read a text in fewer ways", "a grammar is read in more than {} ways at once",
                kMostSteps);
    if (t.node != kEnds) {
      if (begun_.insert(std::uint64_t{t.node} << 32 | t.frame).second) begin(t.node, t.frame);
    } else if (ended_.insert(std::uint64_t{t.label} << 32 | t.frame).second) {
      ended(t.frame, t.label);
    }
  }
}

void Expansion::begin(NodeId id, std::uint32_t frame) {
  const Grammar& g = places_.grammar();
  const Node& n = g.node(id);
  if (!n.productive) return;
  switch (n.kind) {
    case Node::Kind::terminal:
      if (g.terminal(n).dfa->goes_on(0)) keep({frame, id, 0, 0, Thread::Part::terminal});
      break;
    case Node::Kind::sequence:
      for (std::uint32_t i = 0; i < n.children.size(); ++i) {
        const bool last = i + 1 == n.children.size();  // nothing waits behind it: recursion there needs no frames
        add(n.children[i], last ? frame : places_.frame({frame, id, i + 1}));
        if (!g.node(n.children[i]).nullable) break;
      }
      break;
    case Node::Kind::choice:
    case Node::Kind::rule:
      for (const NodeId child : n.children) add(child, frame);
      break;
    case Node::Kind::repeat:
      if (n.max > 0) add(n.children[0], n.max == 1 ? frame : places_.frame({frame, id, 1}));
      break;
    case Node::Kind::members:
      begin_name(id, frame, {id, Places::Set::At::name, 0, std::vector<std::uint64_t>((g.members(n).named + 63) / 64)});
      break;
  }
}

void Expansion::ended(std::uint32_t frame, std::uint32_t label) {
  if (frame == Places::kBottom) {
    can_end_ = true;
    return;
  }
  const Grammar& g = places_.grammar();
  const Places::Frame f = places_.frames_[frame];
  const Node& n = g.node(f.node);
  switch (n.kind) {
    case Node::Kind::sequence:
      for (std::uint32_t i = f.value; i < n.children.size(); ++i) {
        const bool last = i + 1 == n.children.size();
        add(n.children[i], last ? f.parent : places_.frame({f.parent, f.node, i + 1}));
        if (!g.node(n.children[i]).nullable) return;
      }
      add(kEnds, f.parent);
      break;
    case Node::Kind::repeat: {
      // Where there is no upper limit, counting ends at the lower one.
      const std::uint32_t most = n.max == kMany ? std::max(n.min, 1u) : n.max;
      if (n.max == kMany || f.value < n.max)
        add(n.children[0], places_.frame({f.parent, f.node, std::min(f.value + 1, most)}));
      if (f.value >= n.min || g.node(n.children[0]).nullable) add(kEnds, f.parent);
      break;
    }
    case Node::Kind::members: member_ended(f.node, f, label); break;
    case Node::Kind::terminal:
    case Node::Kind::choice:
    case Node::Kind::rule: break;  // these wait for nothing
  }
}

void Expansion::begin_name(NodeId id, std::uint32_t parent, Places::Set set) {
  const Members& m = places_.grammar().members(places_.grammar().node(id));
  set.at = Places::Set::At::name;
  const std::uint32_t number = places_.set(std::move(set));
  const std::uint32_t frame = places_.frame({parent, id, number});
  const auto& allowed = places_.allowed_[number];
  const bool any = std::any_of(allowed.begin(), allowed.end(), [](std::uint64_t word) { return word != 0; });
  if (any && m.names.dfa && !m.names.dfa->empty()) keep({frame, id, 0, 0, Thread::Part::name});
  if (places_.others_allowed_[number] != 0) keep({frame, id, 0, 0, Thread::Part::other});
}

void Expansion::member_ended(NodeId id, const Places::Frame& f, std::uint32_t label) {
  const Members& m = places_.grammar().members(places_.grammar().node(id));
  Places::Set set = places_.sets_[f.value];
  using At = Places::Set::At;
  if (set.at == At::name) {
    if (label <= m.named) {
      const std::uint32_t name = label - 1;
      if ((places_.allowed_[f.value][name / 64] >> (name % 64) & 1) == 0) return;
      set.seen[name / 64] |= std::uint64_t{1} << (name % 64);
    }
    const std::uint32_t most = m.max == kMany ? m.min : m.max;
    set.count = std::min(set.count + 1, most);
    set.at = At::value;
    const NodeId value = m.values[label - 1];
    const std::uint32_t frame = places_.frame({f.parent, id, places_.set(std::move(set))});
    if (value == Members::kNoValue) add(kEnds, frame);
    else add(value, frame);
    return;
  }
  if (set.at == At::separator) return begin_name(id, f.parent, std::move(set));
  const auto has = [&](std::uint32_t name) { return (set.seen[name / 64] >> (name % 64) & 1) != 0; };
  if (set.count >= m.min && std::all_of(m.required.begin(), m.required.end(), has)) add(kEnds, f.parent);
  const auto& allowed = places_.allowed_[f.value];
  const bool more = places_.others_allowed_[f.value] != 0 ||
                    std::any_of(allowed.begin(), allowed.end(), [](std::uint64_t word) { return word != 0; });
  if (!more) return;
  set.at = At::separator;
  add(m.separator, places_.frame({f.parent, id, places_.set(std::move(set))}));
}

}  // namespace monza::grammar
