#include "grammar/dfa.h"

#include <algorithm>
#include <bitset>
#include <string_view>

namespace monza::grammar {

Dfa::State DfaBuilder::add(std::uint32_t label, bool ends_character) {
  budget_.work(8);
  states_.push_back({{}, label, ends_character});
  return static_cast<Dfa::State>(states_.size() - 1);
}

void DfaBuilder::edge(Dfa::State from, ByteEdge edge) {
  budget_.work(1);
  states_[from].edges.push_back(edge);
}

std::vector<std::uint8_t> DfaBuilder::useful() const {
  const std::size_t n = states_.size();
  std::vector<std::uint8_t> reached(n), useful(n);
  std::vector<std::vector<Dfa::State>> sources(n);
  std::vector<Dfa::State> open;
  if (n > 0) reached[0] = 1, open.push_back(0);
  while (!open.empty()) {
    const Dfa::State s = open.back();
    open.pop_back();
    for (const ByteEdge& e : states_[s].edges) {
      sources[e.to].push_back(s);
      if (!reached[e.to]) reached[e.to] = 1, open.push_back(e.to);
    }
  }
  for (std::size_t s = 0; s < n; ++s)
    if (reached[s] && states_[s].label != 0) useful[s] = 1, open.push_back(static_cast<Dfa::State>(s));
  while (!open.empty()) {
    const Dfa::State s = open.back();
    open.pop_back();
    for (const Dfa::State from : sources[s])
      if (!useful[from]) useful[from] = 1, open.push_back(from);
  }
  return useful;
}

DfaPtr DfaBuilder::build(bool counts_characters) const {
  auto dfa = std::make_shared<Dfa>();
  const std::vector<std::uint8_t> keep = useful();
  std::vector<Dfa::State> number(states_.size(), Dfa::kDead);
  std::bitset<257> cuts;
  Dfa::State count = 0;
  for (std::size_t s = 0; s < states_.size(); ++s) {
    if (!keep[s]) continue;
    number[s] = count++;
    for (const ByteEdge& e : states_[s].edges)
      if (keep[e.to]) cuts.set(e.first), cuts.set(std::size_t{e.last} + 1);
  }
  if (count == 0 || !keep[0]) return dfa;
  std::size_t classes = 0;
  for (std::size_t b = 0; b < 256; ++b) {
    if (b > 0 && cuts[b]) ++classes;
    dfa->class_of_[b] = static_cast<std::uint8_t>(classes);
  }
  dfa->classes_ = classes + 1;
  budget_.work(count * dfa->classes_);
  dfa->table_.assign(count * dfa->classes_, Dfa::kDead);
  dfa->goes_on_.resize(count);
  for (std::size_t s = 0; s < states_.size(); ++s) {
    if (!keep[s]) continue;
    dfa->labels_.push_back(states_[s].label);
    if (counts_characters) dfa->character_ends_.push_back(states_[s].ends_character);
    for (const ByteEdge& e : states_[s].edges) {
      if (!keep[e.to]) continue;
      dfa->goes_on_[number[s]] = 1;
      for (std::size_t c = dfa->class_of_[e.first]; c <= dfa->class_of_[e.last]; ++c)
        dfa->table_[number[s] * dfa->classes_ + c] = number[e.to];
    }
  }
  if (counts_characters) count_left(*dfa);
  return dfa;
}

/// Shortest ways backwards from what accepts, a layer for each character.
void DfaBuilder::count_left(Dfa& dfa) const {
  const std::size_t n = dfa.size();
  std::vector<std::vector<Dfa::State>> sources(n);
  for (std::size_t s = 0; s < n; ++s)
    for (std::size_t c = 0; c < dfa.classes_; ++c)
      if (const Dfa::State to = dfa.table_[s * dfa.classes_ + c]; to != Dfa::kDead)
        sources[to].push_back(static_cast<Dfa::State>(s));
  dfa.left_.assign(n, Dfa::kFar);
  std::vector<Dfa::State> layer, next;
  for (std::size_t s = 0; s < n; ++s)
    if (dfa.labels_[s] != 0) dfa.left_[s] = 0, layer.push_back(static_cast<Dfa::State>(s));
  for (std::uint32_t distance = 0; !layer.empty(); ++distance, layer.swap(next), next.clear()) {
    for (std::size_t i = 0; i < layer.size(); ++i) {
      const Dfa::State s = layer[i];
      if (dfa.left_[s] != distance) continue;
      for (const Dfa::State from : sources[s]) {
        const std::uint32_t step = dfa.characters(from, s);
        if (dfa.left_[from] <= distance + step) continue;
        dfa.left_[from] = distance + step;
        (step == 0 ? layer : next).push_back(from);
      }
    }
  }
}

DfaPtr literal(std::string_view text, Budget& budget) {
  DfaBuilder b(budget);
  for (std::size_t i = 0; i <= text.size(); ++i) (void)b.add(i == text.size() ? 1 : 0);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    b.edge(static_cast<Dfa::State>(i), {byte, byte, static_cast<Dfa::State>(i + 1)});
  }
  return b.build();
}

}  // namespace monza::grammar
