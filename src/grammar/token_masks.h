// Which tokens may come next.
#pragma once

#include <map>
#include <unordered_map>

#include "grammar/matcher.h"
#include "grammar/token_trie.h"

namespace monza::grammar {

/// Of one grammar and one vocabulary; serves any number of matchers of the grammar. Not thread-safe.
///
/// Most tokens are decided by the terminal that a text is in the middle of: those that stay inside it are found once
/// for each state of its automaton. Behind where it may end, the few tokens that go on there are walked with the whole
/// grammar.
class TokenMasks {
 public:
  TokenMasks(GrammarPtr grammar, TokenTriePtr tokens);
  /// The tokens whose bytes `matcher` could advance by. Valid until the next call.
  const TokenMask& allowed(const Matcher& matcher);

 private:
  using Place = Places::Place;
  /// Where a terminal may end within a token, or must end with one.
  struct Exit {
    std::uint32_t node, label, characters;
    bool must;
  };
  /// What a terminal's automaton says of all tokens, from one of its states.
  struct Entry {
    bool is_walked = false;  ///< it ends within so many tokens that nothing is gained: what follows is empty
    TokenMask dense;         ///< tokens that stay inside, when there are many of them
    std::vector<Token> sparse;
    std::vector<Exit> exits;
    std::vector<std::uint8_t> needs;  ///< of counted ones: characters until a text can end; kNever: not inside
    std::map<std::uint32_t, TokenMask> within;  ///< of the dense ones those that need at most so many characters
  };
  static constexpr std::uint8_t kNever = 255;
  static constexpr std::size_t kMostBytes = std::size_t{96} << 20;  ///< of entries, before they are forgotten
  static constexpr std::size_t kMostMasks = std::size_t{16} << 20;

  Entry& entry(const Terminal& terminal, Dfa::State state);
  Entry find(const Terminal& terminal, Dfa::State state) const;
  void add_inside(Entry& entry, const Terminal& terminal, const Thread& thread);
  void add_thread(Places& places, const Thread& thread);
  void add_tokens(std::uint32_t node);
  void walk(Places& places, std::uint32_t node, Place place);

  GrammarPtr grammar_;
  TokenTriePtr tokens_;
  TokenMask mask_;  ///< that is being made
  std::map<std::tuple<const Dfa*, Dfa::State, bool>, Entry> entries_;
  std::size_t entry_bytes_ = 0;
  std::uint64_t serial_ = 0;  ///< of the places that masks_ are of
  std::unordered_map<Place, TokenMask> masks_;
  std::vector<Place> path_;
};

}  // namespace monza::grammar
