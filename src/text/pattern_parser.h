// Reads a pattern into the nodes that Pattern matches.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace monza::text {

class PatternParser {
 public:
  PatternParser(std::string_view pattern, std::vector<CharSet>& sets) : pattern_(pattern), sets_(sets) {}
  /// The alternatives of the whole pattern; the sets that they name are added to `sets`.
  std::vector<Pattern::Sequence> parse();

 private:
  using Node = Pattern::Node;
  static constexpr std::size_t kMaxBytes = 16 << 10;
  static constexpr int kMaxDepth = 16;

  std::vector<Pattern::Sequence> alternatives();
  Node atom();
  Node group();
  void quantifier(Node& node);
  std::uint32_t number();
  CharSet bracket();
  void bracket_item(CharSet& set);
  /// Adds what the escape stands for, whose backslash is read; returns its character when it is one.
  bool escape(CharSet& set, char32_t& one);
  void property(CharSet& set, bool others);
  char32_t hex(std::size_t digits);
  Node node_of(CharSet set);
  Node node_of(char32_t c);
  void add_character(CharSet& set, char32_t c) const;

  bool done() const { return at_ == pattern_.size(); }
  bool accept(std::string_view text);
  char32_t take();
  [[noreturn]] void refuse(std::string_view what) const;

  std::string_view pattern_;
  std::vector<CharSet>& sets_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool any_case_ = false;
};

}  // namespace monza::text
