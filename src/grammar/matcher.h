// Where in a grammar's language a text stands, byte by byte.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"

namespace monza::grammar {

/// What the text may be in the middle of: a terminal with its state, and what surrounds it. What surrounds it, a stack
/// of frames, is kept once however many texts have it: `frame` is the number of the innermost one.
struct Thread {
  std::uint32_t frame;
  NodeId node;  ///< the terminal, or the members whose name it is
  Dfa::State state;
  std::uint32_t characters;  ///< of a counted terminal
  enum class Part : std::uint32_t { terminal, name, other } part;
  auto operator<=>(const Thread&) const = default;
};

/// The places of a grammar that were visited, each kept once: a place is a set of threads, and where one byte leads
/// from there is computed once. Shared by the matchers that were copied from one another. Not thread-safe.
class Places {
 public:
  using Place = std::uint32_t;
  static constexpr Place kDead = ~Place{0};

  explicit Places(GrammarPtr grammar);
  const Grammar& grammar() const { return *grammar_; }
  const GrammarPtr& shared_grammar() const { return grammar_; }
  Place start() const { return start_; }
  Place next(Place place, std::uint8_t byte);
  bool can_end(Place place) const { return places_[place].can_end; }
  std::span<const Thread> threads(Place place) const { return places_[place].threads; }
  /// The place behind a thread's terminal when it ends here, in the language `label`; kDead: it cannot.
  Place behind(const Thread& thread, std::uint32_t label);
  /// The place of one thread of another.
  Place alone(const Thread& thread);
  const Terminal& terminal(const Thread& thread) const;
  /// A number that no other places have had.
  std::uint64_t serial() const { return serial_; }
  /// About how many bytes all of it takes.
  std::size_t bytes() const { return bytes_; }
  /// This place in other places, which were just made.
  Place copy(Place place, Places& to) const;

 private:
  friend class Expansion;
  struct Frame {
    std::uint32_t parent;
    NodeId node;
    std::uint32_t value;  ///< of a sequence the next child; of a repeat iterations; of members a number of sets_
    auto operator<=>(const Frame&) const = default;
  };
  /// Which members there are, and what comes next.
  struct Set {
    NodeId node = 0;  ///< the members
    enum class At : std::uint32_t { name, value, separator } at = At::name;
    std::uint32_t count = 0;  ///< of members, as far as their limits need it
    std::vector<std::uint64_t> seen;
    auto operator<=>(const Set&) const = default;
  };
  struct Content {
    std::vector<Thread> threads;  ///< sorted
    bool can_end = false;
  };
  struct Hash {
    std::size_t operator()(const Frame& f) const;
    std::size_t operator()(const Set& s) const;
  };
  static constexpr std::uint32_t kBottom = 0;

  std::uint32_t frame(Frame frame);
  std::uint32_t set(Set set);
  void allow(const Set& set);
  Place place(std::vector<Thread> threads, bool can_end);
  bool step(Thread& thread, std::uint8_t byte) const;
  bool ends(const Thread& thread, std::uint32_t& label) const;
  std::uint32_t copy_frame(std::uint32_t from, Places& to,
                           std::unordered_map<std::uint32_t, std::uint32_t>& done) const;

  GrammarPtr grammar_;
  std::uint64_t serial_;
  Place start_ = 0;
  std::size_t bytes_ = 0;
  std::vector<Frame> frames_;
  std::vector<Set> sets_;
  std::vector<std::vector<std::uint64_t>> allowed_;  ///< of each set: names that may come
  std::vector<std::uint8_t> others_allowed_;
  std::vector<Content> places_;
  std::unordered_map<Frame, std::uint32_t, Hash> frame_numbers_;
  std::unordered_map<Set, std::uint32_t, Hash> set_numbers_;
  std::unordered_multimap<std::uint64_t, Place> place_numbers_;  ///< by hash
  std::unordered_map<std::uint64_t, Place> nexts_;               ///< of place * 256 + byte
};

/// Copies are cheap and share what they have found: a matcher and its copies belong to one thread at a time.
class Matcher {
 public:
  explicit Matcher(GrammarPtr grammar);
  /// Appends a byte, or many; false where the text would be the beginning of none in the language. The matcher then
  /// stands where it stood.
  bool advance(std::uint8_t byte);
  bool advance(std::string_view bytes);
  /// Whether the text is in the language.
  bool can_end() const { return places_->can_end(place_); }
  /// Whether nothing may follow.
  bool is_complete() const { return can_end() && places_->threads(place_).empty(); }

  Places& places() const { return *places_; }
  Places::Place place() const { return place_; }

 private:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;  ///< of visited places, before they are forgotten
  void forget();

  std::shared_ptr<Places> places_;
  Places::Place place_;
};

}  // namespace monza::grammar
