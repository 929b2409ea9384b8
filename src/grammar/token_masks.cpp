#include "grammar/token_masks.h"

#include <algorithm>

#include "base/error.h"

namespace monza::grammar {
namespace {

constexpr std::size_t kDeepest = 256;  ///< nodes of a path: tokens have at most 255 bytes

}  // namespace

TokenMasks::TokenMasks(GrammarPtr grammar, TokenTriePtr tokens)
    : grammar_(std::move(grammar)), tokens_(std::move(tokens)), mask_(tokens_->size()), path_(kDeepest) {}

const TokenMask& TokenMasks::allowed(const Matcher& matcher) {
  Places& places = matcher.places();
  if (&places.grammar() != grammar_.get()) fail("a matcher of another grammar");
  if (serial_ != places.serial() || masks_.size() * (tokens_->size() / 8 + 64) > kMostMasks) masks_.clear();
  serial_ = places.serial();
  const auto [found, is_new] = masks_.try_emplace(matcher.place());
  if (!is_new) return found->second;
  mask_.clear();
  const auto threads = places.threads(matcher.place());
  const std::vector<Thread> all(threads.begin(), threads.end());  // walking finds places, which moves them
  for (const Thread& thread : all) add_thread(places, thread);
  found->second = mask_;
  return found->second;
}

void TokenMasks::add_thread(Places& places, const Thread& thread) {
  const Terminal& terminal = places.terminal(thread);
  // Which names may come depends on those that were there.
  if (thread.part == Thread::Part::name) return walk(places, 0, places.alone(thread));
  Entry& e = entry(terminal, thread.state);
  if (e.is_walked) return walk(places, 0, places.alone(thread));
  add_inside(e, terminal, thread);
  std::map<std::uint32_t, Place> behind;  // by label
  for (const Exit& exit : e.exits) {
    const std::uint32_t characters = thread.characters + exit.characters;
    if (characters < terminal.min_characters || characters > terminal.max_characters) continue;
    const auto [place, is_new] = behind.try_emplace(exit.label, Places::kDead);
    if (is_new) place->second = places.behind(thread, exit.label);
    if (place->second == Places::kDead) continue;
    if (exit.must) add_tokens(exit.node);
    walk(places, exit.node, place->second);
  }
}

void TokenMasks::add_inside(Entry& e, const Terminal& terminal, const Thread& thread) {
  const std::uint32_t left = terminal.max_characters - thread.characters;
  if (e.needs.empty() || terminal.max_characters == kMany || left >= kNever) {
    for (const Token token : e.sparse) mask_.add(token);
    if (e.sparse.empty()) mask_.add(e.dense);
    return;
  }
  const auto [found, is_new] = e.within.try_emplace(left);
  if (is_new) {
    found->second = TokenMask(tokens_->size());
    for (std::size_t t = 0; t < e.needs.size(); ++t)
      if (e.needs[t] <= left) found->second.add(static_cast<Token>(t));
    entry_bytes_ += tokens_->size() / 8;
  }
  mask_.add(found->second);
}

TokenMasks::Entry& TokenMasks::entry(const Terminal& terminal, Dfa::State state) {
  if (entry_bytes_ > kMostBytes) entries_.clear(), entry_bytes_ = 0;
  const auto [found, is_new] = entries_.try_emplace({terminal.dfa.get(), state, terminal.is_counted()});
  Entry& e = found->second;
  if (!is_new) return e;
  e = find(terminal, state);
  entry_bytes_ +=
      256 + e.dense.words().size() * 8 + e.sparse.size() * 4 + e.exits.size() * sizeof(Exit) + e.needs.size();
  return e;
}

TokenMasks::Entry TokenMasks::find(const Terminal& terminal, Dfa::State state) const {
  const Dfa& dfa = *terminal.dfa;
  const auto& nodes = tokens_->nodes();
  Entry e;
  if (terminal.is_counted()) e.needs.assign(tokens_->size(), kNever);
  std::vector<Dfa::State> states(kDeepest);
  std::vector<std::uint32_t> characters(kDeepest);
  states[0] = state;
  std::size_t seen = 0;
  for (std::uint32_t i = 1; i < nodes.size();) {
    const TokenTrie::Node& n = nodes[i];
    const Dfa::State to = dfa.next(states[n.depth - 1u], n.byte);
    if (to == Dfa::kDead) {
      i = n.end;
      continue;
    }
    ++seen;
    states[n.depth] = to;
    characters[n.depth] = characters[n.depth - 1u] + dfa.characters(states[n.depth - 1u], to);
    const bool must_end = !dfa.goes_on(to);
    for (std::uint32_t t = n.first; t < n.last && !must_end; ++t) {
      const Token token = tokens_->tokens()[t];
      e.sparse.push_back(token);
      if (terminal.is_counted())
        e.needs[static_cast<std::size_t>(token)] = static_cast<std::uint8_t>(std::min<std::uint32_t>(
            characters[n.depth] + std::min<std::uint32_t>(dfa.characters_left(to), kNever), kNever - 1u));
    }
    if (dfa.label(to) != 0 && (n.end > i + 1 || must_end))
      e.exits.push_back({i, dfa.label(to), characters[n.depth], must_end});
    ++i;
  }
  if (e.exits.size() * 2 > seen && seen > 64) {
    e = {};
    e.is_walked = true;
  } else if (e.sparse.size() * 64 > tokens_->size()) {
    e.dense = TokenMask(tokens_->size());
    for (const Token token : e.sparse) e.dense.add(token);
    e.sparse.clear();
  }
  return e;
}

/// Adds the tokens below `node` that the grammar can read from `place` on.
void TokenMasks::walk(Places& places, std::uint32_t node, Place place) {
  const auto& nodes = tokens_->nodes();
  path_[nodes[node].depth] = place;
  for (std::uint32_t i = node + 1; i < nodes[node].end;) {
    const TokenTrie::Node& n = nodes[i];
    const Place to = places.next(path_[n.depth - 1u], n.byte);
    if (to == Places::kDead) {
      i = n.end;
      continue;
    }
    path_[n.depth] = to;
    add_tokens(i);
    ++i;
  }
}

void TokenMasks::add_tokens(std::uint32_t node) {
  const TokenTrie::Node& n = tokens_->nodes()[node];
  for (std::uint32_t t = n.first; t < n.last; ++t) mask_.add(tokens_->tokens()[t]);
}

}  // namespace monza::grammar
