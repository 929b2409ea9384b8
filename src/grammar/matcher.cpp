#include "grammar/matcher.h"

#include <algorithm>
#include <atomic>

#include "base/hash.h"
#include "grammar/expansion.h"

namespace monza::grammar {
namespace {

template <typename T>
std::uint64_t hash_of(const std::vector<T>& values, std::uint64_t seed) {
  return hash64(std::as_bytes(std::span(values)), seed);
}

}  // namespace

std::size_t Places::Hash::operator()(const Frame& f) const { return hash64(std::as_bytes(std::span(&f, 1))); }
std::size_t Places::Hash::operator()(const Set& s) const {
  return hash_of(s.seen,
                 (std::uint64_t{s.count} << 34) ^ (std::uint64_t{s.node} << 2) ^ static_cast<std::uint64_t>(s.at));
}

Places::Places(GrammarPtr grammar) : grammar_(std::move(grammar)) {
  static std::atomic<std::uint64_t> serial{0};
  serial_ = ++serial;
  frames_.push_back({});
  Expansion all(*this);
  all.expand(grammar_->root(), kBottom);
  start_ = place(all.take_threads(), grammar_->node(grammar_->root()).nullable);
}

std::uint32_t Places::frame(Frame frame) {
  const auto [found, is_new] = frame_numbers_.emplace(frame, static_cast<std::uint32_t>(frames_.size()));
  if (is_new) {
    frames_.push_back(frame);
    bytes_ += 64;
  }
  return found->second;
}

std::uint32_t Places::set(Set set) {
  const auto [found, is_new] = set_numbers_.emplace(std::move(set), static_cast<std::uint32_t>(sets_.size()));
  if (is_new) {
    sets_.push_back(found->first);
    allow(found->first);
    bytes_ += 128 + 24 * found->first.seen.size();
  }
  return found->second;
}

/// Which members may come: the named ones that are not there, as long as there is room for those that are required.
void Places::allow(const Set& set) {
  const Members& m = grammar_->members(grammar_->node(set.node));
  std::vector<std::uint64_t> allowed(set.seen.size());
  const auto missing = [&](std::uint32_t name) { return (set.seen[name / 64] >> (name % 64) & 1) == 0; };
  const auto can_be = [&](std::uint32_t value) {
    return m.values[value] == Members::kNoValue || grammar_->node(m.values[value]).productive;
  };
  const auto left = std::count_if(m.required.begin(), m.required.end(), missing);
  const bool room = m.max == kMany || set.count + static_cast<std::uint32_t>(left) < m.max;
  const auto allow = [&](std::uint32_t name) {
    if (missing(name) && can_be(name)) allowed[name / 64] |= std::uint64_t{1} << (name % 64);
  };
  if (room)
    for (std::uint32_t name = 0; name < m.named; ++name) allow(name);
  else
    for (const std::uint32_t name : m.required) allow(name);
  allowed_.push_back(std::move(allowed));
  others_allowed_.push_back(room && m.others.dfa && !m.others.dfa->empty() ? 1 : 0);
}

Places::Place Places::place(std::vector<Thread> threads, bool can_end) {
  if (threads.empty() && !can_end) return kDead;
  std::sort(threads.begin(), threads.end());
  threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
  const std::uint64_t hash = hash_of(threads, can_end ? 1 : 0);
  for (auto [at, end] = place_numbers_.equal_range(hash); at != end; ++at)
    if (const Content& c = places_[at->second]; c.can_end == can_end && c.threads == threads) return at->second;
  const auto number = static_cast<Place>(places_.size());
  bytes_ += 96 + sizeof(Thread) * threads.size();
  places_.push_back({std::move(threads), can_end});
  place_numbers_.emplace(hash, number);
  return number;
}

const Terminal& Places::terminal(const Thread& thread) const {
  const Node& node = grammar_->node(thread.node);
  if (thread.part == Thread::Part::terminal) return grammar_->terminal(node);
  const Members& m = grammar_->members(node);
  return thread.part == Thread::Part::name ? m.names : m.others;
}

bool Places::step(Thread& thread, std::uint8_t byte) const {
  const Terminal& t = terminal(thread);
  const Dfa::State to = t.dfa->next(thread.state, byte);
  if (to == Dfa::kDead) return false;
  if (t.is_counted()) {
    const std::uint32_t count = thread.characters + t.dfa->characters(thread.state, to);
    if (t.max_characters != kMany && count + t.dfa->characters_left(to) > t.max_characters) return false;
    thread.characters = t.max_characters != kMany ? count : std::min(count, t.min_characters);
  }
  thread.state = to;
  if (thread.part != Thread::Part::name) return true;
  const auto reach = grammar_->reach(grammar_->node(thread.node), to);
  const auto& allowed = allowed_[frames_[thread.frame].value];
  for (std::size_t w = 0; w < reach.size(); ++w)
    if ((reach[w] & allowed[w]) != 0) return true;
  return false;
}

bool Places::ends(const Thread& thread, std::uint32_t& label) const {
  const Terminal& t = terminal(thread);
  label = t.dfa->label(thread.state);
  return label != 0 && thread.characters >= t.min_characters;
}

Places::Place Places::next(Place at, std::uint8_t byte) {
  const std::uint64_t key = std::uint64_t{at} << 8 | byte;
  if (const auto found = nexts_.find(key); found != nexts_.end()) return found->second;
  Expansion all(*this);
  std::vector<Thread> moved;
  for (Thread t : places_[at].threads)
    if (step(t, byte)) moved.push_back(t);
  for (const Thread& t : moved) {
    if (std::uint32_t label; ends(t, label)) all.end(t, label);
    if (terminal(t).dfa->goes_on(t.state)) all.keep(t);
  }
  const Place to = place(all.take_threads(), all.can_end());
  bytes_ += 48;
  nexts_.emplace(key, to);
  return to;
}

Places::Place Places::behind(const Thread& thread, std::uint32_t label) {
  Expansion all(*this);
  all.end(thread, label);
  return place(all.take_threads(), all.can_end());
}

Places::Place Places::alone(const Thread& thread) { return place({thread}, false); }

std::uint32_t Places::copy_frame(std::uint32_t from, Places& to,
                                 std::unordered_map<std::uint32_t, std::uint32_t>& done) const {
  std::vector<std::uint32_t> path;
  std::uint32_t parent = kBottom;
  for (; from != kBottom; from = frames_[from].parent) {
    if (const auto found = done.find(from); found != done.end()) {
      parent = found->second;
      break;
    }
    path.push_back(from);
  }
  for (; !path.empty(); path.pop_back()) {
    Frame f = frames_[path.back()];
    if (grammar_->node(f.node).kind == Node::Kind::members) f.value = to.set(sets_[f.value]);
    f.parent = parent;
    parent = to.frame(f);
    done.emplace(path.back(), parent);
  }
  return parent;
}

Places::Place Places::copy(Place at, Places& to) const {
  std::unordered_map<std::uint32_t, std::uint32_t> done;
  std::vector<Thread> threads = places_[at].threads;
  for (Thread& t : threads) t.frame = copy_frame(t.frame, to, done);
  return to.place(std::move(threads), places_[at].can_end);
}

Matcher::Matcher(GrammarPtr grammar)
    : places_(std::make_shared<Places>(std::move(grammar))), place_(places_->start()) {}

/// Goes on with what it stands at alone when the places take too much; other matchers keep theirs.
void Matcher::forget() {
  if (places_->bytes() <= kMostBytes) return;
  auto fresh = std::make_shared<Places>(places_->shared_grammar());
  place_ = places_->copy(place_, *fresh);
  places_ = std::move(fresh);
}

bool Matcher::advance(std::uint8_t byte) {
  forget();
  const Places::Place to = places_->next(place_, byte);
  if (to == Places::kDead) return false;
  place_ = to;
  return true;
}

bool Matcher::advance(std::string_view bytes) {
  forget();
  Places::Place at = place_;
  for (const char byte : bytes) {
    at = places_->next(at, static_cast<std::uint8_t>(byte));
    if (at == Places::kDead) return false;
  }
  place_ = at;
  return true;
}

}  // namespace monza::grammar
