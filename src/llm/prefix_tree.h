// What sequences that have ended have in common with those to come: a tree over pages of tokens.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "llm/sampler.h"
#include "monza/sequence.h"

namespace monza::llm {

/// A node is a page of tokens behind those of the nodes above it. Every leaf holds a sequence whose past is its path,
/// so all nodes' keys and values are kept, each once: sequences share pages (Sequence::fork). Pages go one by one, the
/// one that was not used for longest first, and never before those behind it. Not thread-safe.
class PrefixTree {
 public:
  explicit PrefixTree(std::int64_t page_length);
  ~PrefixTree();

  /// A sequence with the longest past that is known and begins `tokens`, in whole pages; none where there is none.
  std::optional<Sequence> find(std::span<const Token> tokens);
  /// Keeps the whole pages of a sequence whose past is `tokens`.
  void insert(std::span<const Token> tokens, Sequence sequence);
  /// Gives a page up; false when there is none. It is free when no sequence outside has it.
  bool evict();
  std::int64_t pages() const { return pages_; }

 private:
  struct Node;
  void touch(Node& node);
  void make_leaf(Node& node, Sequence sequence);
  void drop_leaf(Node& node);

  const std::size_t page_length_;
  std::unique_ptr<Node> root_;
  std::set<std::pair<std::uint64_t, Node*>> leaves_;  ///< by when they were used
  std::uint64_t uses_ = 0;
  std::int64_t pages_ = 0;
};

}  // namespace monza::llm
