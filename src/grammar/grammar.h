// Grammars as graphs of nodes over terminals that are automata of bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/dfa.h"

namespace monza::grammar {

using NodeId = std::uint32_t;
constexpr std::uint32_t kMany = ~std::uint32_t{0};

struct Terminal {
  DfaPtr dfa;
  std::uint32_t min_characters = 0, max_characters = kMany;  ///< of an automaton of characters
  bool is_counted() const { return min_characters > 0 || max_characters != kMany; }
};

/// Members in any order with a separator between them, none of the named ones twice: an object's properties, or the
/// different elements of an array.
struct Members {
  Terminal names;   ///< label i + 1: named member i
  Terminal others;  ///< label i + 1: a member of values[named + i]; may be there any number of times
  NodeId separator = 0;
  std::uint32_t named = 0;     ///< how many
  std::vector<NodeId> values;  ///< what follows a name, of the named ones and of the others' kinds; kNoValue: nothing
  std::vector<std::uint32_t> required;  ///< named members, sorted
  std::uint32_t min = 0, max = kMany;   ///< members
  static constexpr NodeId kNoValue = ~NodeId{0};
};

struct Node {
  enum class Kind : std::uint8_t { terminal, sequence, choice, repeat, members, rule } kind = Kind::sequence;
  bool nullable = false;           ///< the empty text is in its language
  bool productive = false;         ///< its language has a text at all
  std::uint32_t index = 0;         ///< of terminals() or members(); of a rule: its name
  std::uint32_t min = 1, max = 1;  ///< of a repeat
  std::vector<NodeId> children;
};

/// Immutable: safe from any thread. Made by a GrammarBuilder.
class Grammar {
 public:
  NodeId root() const { return root_; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  const Terminal& terminal(const Node& node) const { return terminals_[node.index]; }
  const std::vector<Terminal>& terminals() const { return terminals_; }
  const Members& members(const Node& node) const { return members_[node.index]; }
  /// Of a name's automaton in members `index`: bit i of the state's words: name i can still become the whole.
  std::span<const std::uint64_t> reach(const Node& node, Dfa::State state) const {
    const Reach& r = reach_[node.index];
    return {r.bits.data() + state * r.words, r.words};
  }

 private:
  friend class GrammarBuilder;
  struct Reach {
    std::size_t words = 0;
    std::vector<std::uint64_t> bits;  ///< [states, words]
  };
  NodeId root_ = 0;
  std::vector<Node> nodes_;
  std::vector<Terminal> terminals_;
  std::vector<Members> members_;
  std::vector<Reach> reach_;
};
using GrammarPtr = std::shared_ptr<const Grammar>;

/// Nodes are added from the leaves up; rules can be referred to before they are defined.
class GrammarBuilder {
 public:
  static constexpr std::size_t kMaxNames = 4096;  ///< of members

  explicit GrammarBuilder(Budget& budget) : budget_(budget) {}
  NodeId terminal(Terminal terminal);
  NodeId terminal(DfaPtr dfa) { return terminal(Terminal{std::move(dfa)}); }
  NodeId text(std::string_view text) { return terminal(literal(text, budget_)); }
  NodeId sequence(std::vector<NodeId> children);
  NodeId choice(std::vector<NodeId> children);
  NodeId repeat(NodeId child, std::uint32_t min, std::uint32_t max);
  NodeId members(Members members);
  NodeId rule(std::string name);
  void define(NodeId rule, NodeId as) { nodes_[rule].children = {as}; }
  bool is_defined(NodeId rule) const { return !nodes_[rule].children.empty(); }
  const Node& node(NodeId id) const { return nodes_[id]; }
  Budget& budget() { return budget_; }
  /// Throws Error for rules that begin with themselves, and where no text is in the language at all.
  GrammarPtr build(NodeId root);

 private:
  NodeId add(Node node);
  bool solve_members(Members& m) const;
  void solve();
  void refuse_left_recursion() const;
  std::vector<NodeId> beginnings(const Node& node) const;
  void find_reach(Grammar& grammar) const;

  Budget& budget_;
  std::vector<Node> nodes_;
  std::vector<Terminal> terminals_;
  std::vector<Members> members_;
  std::vector<std::string> rule_names_;
};

}  // namespace monza::grammar
