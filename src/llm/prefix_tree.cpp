#include "llm/prefix_tree.h"

#include <utility>

#include "base/error.h"

namespace monza::llm {

struct PrefixTree::Node {
  Node* parent = nullptr;
  std::vector<Token> page;
  std::int64_t depth = 0;  ///< pages from the root, this one included
  std::uint64_t used = 0;
  std::map<std::vector<Token>, std::unique_ptr<Node>> children;
  std::optional<Sequence> sequence;  ///< of a leaf
};

PrefixTree::PrefixTree(std::int64_t page_length)
    : page_length_(static_cast<std::size_t>(page_length)), root_(std::make_unique<Node>()) {}

PrefixTree::~PrefixTree() {
  while (evict()) {  // leaf by leaf: a tree as deep as a sequence is long is not taken down by recursion
  }
}

void PrefixTree::touch(Node& node) {
  if (node.sequence) leaves_.erase({node.used, &node});
  node.used = uses_;
  if (node.sequence) leaves_.insert({node.used, &node});
}

void PrefixTree::make_leaf(Node& node, Sequence sequence) {
  const Status s = sequence.truncate(node.depth * static_cast<std::int64_t>(page_length_));
  if (!s) fail("{}", s.message());
  node.sequence = std::move(sequence);
  leaves_.insert({node.used, &node});
}

void PrefixTree::drop_leaf(Node& node) {
  leaves_.erase({node.used, &node});
  node.sequence.reset();
}

std::optional<Sequence> PrefixTree::find(std::span<const Token> tokens) {
  ++uses_;
  Node* at = root_.get();
  for (; tokens.size() >= page_length_; tokens = tokens.subspan(page_length_)) {
    const auto next = at->children.find(std::vector<Token>(tokens.begin(), tokens.begin() + page_length_));
    if (next == at->children.end()) break;
    at = next->second.get();
    touch(*at);
  }
  if (at == root_.get()) return std::nullopt;
  const Node* leaf = at;
  while (!leaf->sequence) leaf = leaf->children.begin()->second.get();
  Sequence found = leaf->sequence->fork();
  if (const Status s = found.truncate(at->depth * static_cast<std::int64_t>(page_length_)); !s) fail("{}", s.message());
  return found;
}

void PrefixTree::insert(std::span<const Token> tokens, Sequence sequence) {
  ++uses_;
  Node* at = root_.get();
  for (; tokens.size() >= page_length_; tokens = tokens.subspan(page_length_)) {
    std::vector<Token> page(tokens.begin(), tokens.begin() + page_length_);
    auto& next = at->children[page];
    if (next == nullptr) {
      if (at->sequence) drop_leaf(*at);  // those behind hold its pages from now on
      next = std::make_unique<Node>(Node{at, std::move(page), at->depth + 1});
      ++pages_;
    }
    at = next.get();
    touch(*at);
  }
  if (at != root_.get() && at->children.empty() && !at->sequence) make_leaf(*at, std::move(sequence));
}

bool PrefixTree::evict() {
  if (leaves_.empty()) return false;
  Node& leaf = *leaves_.begin()->second;
  Node& parent = *leaf.parent;
  Sequence sequence = std::move(*leaf.sequence);
  drop_leaf(leaf);
  --pages_;
  const std::vector<Token> page = std::move(leaf.page);
  parent.children.erase(page);
  if (parent.children.empty() && &parent != root_.get()) make_leaf(parent, std::move(sequence));
  return true;
}

}  // namespace monza::llm
