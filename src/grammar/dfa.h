// Deterministic automata over bytes: the terminals of grammars.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "grammar/budget.h"

namespace monza::grammar {

/// Immutable, and every state can still reach one that accepts: a text is a beginning of the language exactly when the
/// automaton lives. State 0 is the start.
class Dfa {
 public:
  using State = std::uint32_t;
  static constexpr State kDead = ~State{0};
  static constexpr std::uint32_t kFar = ~std::uint32_t{0};

  /// No language at all where there are no states.
  bool empty() const { return labels_.empty(); }
  std::size_t size() const { return labels_.size(); }
  State next(State state, std::uint8_t byte) const { return table_[std::size_t{state} * classes_ + class_of_[byte]]; }
  /// Which of its languages the text so far is in, counted from 1; 0: in none.
  std::uint32_t label(State state) const { return labels_[state]; }
  /// Whether any byte may follow.
  bool goes_on(State state) const { return goes_on_[state] != 0; }
  /// Of automata of characters: whether arriving here ends one. The start's own transitions end none.
  bool ends_character(State state) const { return !character_ends_.empty() && character_ends_[state] != 0; }
  std::uint32_t characters(State from, State to) const { return from != 0 && ends_character(to) ? 1 : 0; }
  /// Characters that it takes at least until the text is in a language.
  std::uint32_t characters_left(State state) const { return left_.empty() ? 0 : left_[state]; }

 private:
  friend class DfaBuilder;
  std::array<std::uint8_t, 256> class_of_{};
  std::size_t classes_ = 0;
  std::vector<State> table_;  ///< [states, classes]
  std::vector<std::uint32_t> labels_;
  std::vector<std::uint8_t> goes_on_, character_ends_;
  std::vector<std::uint32_t> left_;
};
using DfaPtr = std::shared_ptr<const Dfa>;

/// Bytes [first, last] lead to state `to`.
struct ByteEdge {
  std::uint8_t first, last;
  Dfa::State to;
  auto operator<=>(const ByteEdge&) const = default;
};

/// States are added with edges to any states, also to those that come later.
class DfaBuilder {
 public:
  explicit DfaBuilder(Budget& budget) : budget_(budget) {}
  Dfa::State add(std::uint32_t label = 0, bool ends_character = false);
  /// Edges of a state must not overlap.
  void edge(Dfa::State from, ByteEdge edge);
  std::size_t size() const { return states_.size(); }
  /// Leaves out what cannot be reached, or cannot reach a state that accepts. State 0 is the start.
  DfaPtr build(bool counts_characters = false) const;

 private:
  struct Entry {
    std::vector<ByteEdge> edges;
    std::uint32_t label;
    bool ends_character;
  };
  std::vector<std::uint8_t> useful() const;
  void count_left(Dfa& dfa) const;

  Budget& budget_;
  std::vector<Entry> states_;
};

/// Of exactly this text.
DfaPtr literal(std::string_view text, Budget& budget);

}  // namespace monza::grammar
