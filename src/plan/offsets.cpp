#include "plan/offsets.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace monza::plan {
namespace {

constexpr std::int64_t round64(std::int64_t n) { return (n + 63) & ~std::int64_t(63); }

/// Places blocks one by one in `order`, each at the lowest (or tightest) gap among those it lives with.
std::int64_t place(const std::vector<Lifetime>& blocks, const std::vector<int>& order, bool best_fit,
                   std::vector<std::int64_t>& offsets) {
  std::vector<int> placed;
  placed.reserve(order.size());
  std::int64_t top = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> busy;
  for (int b : order) {
    const Lifetime& block = blocks[static_cast<std::size_t>(b)];
    const std::int64_t size = round64(block.bytes);
    busy.clear();
    for (int p : placed) {
      const Lifetime& other = blocks[static_cast<std::size_t>(p)];
      if (other.first <= block.last && block.first <= other.last)
        busy.emplace_back(offsets[static_cast<std::size_t>(p)],
                          offsets[static_cast<std::size_t>(p)] + round64(other.bytes));
    }
    std::sort(busy.begin(), busy.end());
    std::int64_t at = 0, best = -1, best_gap = 0;
    for (const auto& [begin, end] : busy) {
      const std::int64_t gap = begin - at;
      if (gap >= size && (best < 0 || (best_fit && gap < best_gap))) {
        best = at;
        best_gap = gap;
        if (!best_fit) break;
      }
      at = std::max(at, end);
    }
    offsets[static_cast<std::size_t>(b)] = best >= 0 ? best : at;
    top = std::max(top, offsets[static_cast<std::size_t>(b)] + size);
    placed.push_back(b);
  }
  return top;
}

/// Places blocks in the order of their first use, each in the tightest gap that is free then: for plans that are too
/// long to compare every block with every other.
std::int64_t place_in_time(std::vector<Lifetime>& blocks, std::vector<int> order) {
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return blocks[static_cast<std::size_t>(a)].first < blocks[static_cast<std::size_t>(b)].first;
  });
  std::map<std::int64_t, std::int64_t> gaps;                // offset -> size, below `top`
  std::set<std::pair<std::int64_t, std::int64_t>> by_size;  // size, offset
  std::set<std::pair<int, int>> living;                     // last use, block
  std::int64_t top = 0;
  const auto take = [&](std::map<std::int64_t, std::int64_t>::iterator gap) {
    by_size.erase({gap->second, gap->first});
    return gaps.erase(gap);
  };
  const auto give = [&](std::int64_t at, std::int64_t size) {
    auto next = gaps.lower_bound(at);
    if (next != gaps.end() && next->first == at + size) {
      size += next->second;
      next = take(next);
    }
    if (next != gaps.begin() && std::prev(next)->first + std::prev(next)->second == at) {
      const auto before = std::prev(next);
      at = before->first;
      size += before->second;
      take(before);
    }
    gaps.emplace(at, size);
    by_size.emplace(size, at);
  };
  for (const int id : order) {
    Lifetime& block = blocks[static_cast<std::size_t>(id)];
    for (; !living.empty() && living.begin()->first < block.first; living.erase(living.begin())) {
      const Lifetime& dead = blocks[static_cast<std::size_t>(living.begin()->second)];
      give(dead.offset, round64(dead.bytes));
    }
    const std::int64_t size = round64(block.bytes);
    if (const auto fit = by_size.lower_bound({size, 0}); fit != by_size.end()) {
      const auto [room, at] = *fit;
      take(gaps.find(at));
      block.offset = at;
      if (room > size) give(at + size, room - size);
    } else {
      // A gap at the end grows with the arena.
      const auto last = gaps.empty() ? gaps.end() : std::prev(gaps.end());
      block.offset = last != gaps.end() && last->first + last->second == top ? last->first : top;
      if (block.offset != top) take(last);
      top = block.offset + size;
    }
    living.emplace(block.last, id);
  }
  return top;
}

std::int64_t lower_bound(const std::vector<Lifetime>& blocks) {
  std::map<int, std::int64_t> change;
  for (const Lifetime& b : blocks) {
    change[b.first] += round64(b.bytes);
    change[b.last + 1] -= round64(b.bytes);
  }
  std::int64_t live = 0, most = 0;
  for (const auto& [time, delta] : change) most = std::max(most, live += delta);
  return most;
}

/// Attempts at an order of the blocks, of which the best is kept.
class Search {
 public:
  Search(const std::vector<Lifetime>& blocks, std::vector<int> ids)
      : blocks_(blocks), ids_(std::move(ids)), offsets_(blocks.size(), 0), best_offsets_(blocks.size(), 0) {}

  void greedy();
  /// A block that reaches the top is moved to an earlier place, and what is no worse is kept, so that the search can
  /// walk over plateaus. The generator is fixed: builds repeat.
  void walk(std::int64_t lower_bound);

  std::int64_t best() const { return best_; }
  std::int64_t offset(std::size_t block) const { return best_offsets_[block]; }

 private:
  const Lifetime& block(int i) const { return blocks_[static_cast<std::size_t>(i)]; }
  int length(int i) const { return block(i).last - block(i).first; }
  void attempt(const std::vector<int>& order, bool best_fit);
  std::vector<std::int64_t> peaks() const;
  std::size_t random(std::size_t n);
  std::size_t one_at_the_top(const std::vector<int>& order, std::size_t from, std::int64_t top) const;

  const std::vector<Lifetime>& blocks_;
  const std::vector<int> ids_;
  std::vector<std::int64_t> offsets_, best_offsets_;
  std::vector<int> best_order_;
  std::int64_t best_ = -1;
  bool best_fits_ = false;
  std::uint64_t state_ = 0x9E3779B97F4A7C15ull;
};

void Search::attempt(const std::vector<int>& order, bool best_fit) {
  const std::int64_t top = place(blocks_, order, best_fit, offsets_);
  if (best_ >= 0 && top >= best_) return;
  best_ = top;
  best_offsets_ = offsets_;
  best_order_ = order;
  best_fits_ = best_fit;
}

/// By block, the bytes that are live in the busiest step that it lives through.
std::vector<std::int64_t> Search::peaks() const {
  int steps = 0;
  for (int i : ids_) steps = std::max(steps, block(i).last + 1);
  std::vector<std::int64_t> pressure(static_cast<std::size_t>(steps), 0);
  for (int i : ids_)
    for (int t = block(i).first; t <= block(i).last; ++t)
      pressure[static_cast<std::size_t>(t)] += round64(block(i).bytes);
  std::vector<std::int64_t> peak(blocks_.size(), 0);
  for (int i : ids_)
    for (int t = block(i).first; t <= block(i).last; ++t)
      peak[static_cast<std::size_t>(i)] =
          std::max(peak[static_cast<std::size_t>(i)], pressure[static_cast<std::size_t>(t)]);
  return peak;
}

void Search::greedy() {
  std::vector<int> order = ids_;
  const auto sort = [&](const auto& before) { std::stable_sort(order.begin(), order.end(), before); };
  sort([&](int a, int b) { return block(a).bytes > block(b).bytes; });
  attempt(order, true);
  attempt(order, false);
  sort([&](int a, int b) {
    return static_cast<double>(block(a).bytes) * (length(a) + 1) >
           static_cast<double>(block(b).bytes) * (length(b) + 1);
  });
  attempt(order, false);
  sort([&](int a, int b) { return length(a) > length(b); });
  attempt(order, false);
  attempt(ids_, false);
  // What is live at the peak is packed first.
  const std::vector<std::int64_t> peak = peaks();
  sort([&](int a, int b) {
    if (peak[static_cast<std::size_t>(a)] != peak[static_cast<std::size_t>(b)])
      return peak[static_cast<std::size_t>(a)] > peak[static_cast<std::size_t>(b)];
    return block(a).bytes > block(b).bytes;
  });
  attempt(order, false);
  attempt(order, true);
}

std::size_t Search::random(std::size_t n) {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return static_cast<std::size_t>(state_ % n);
}

/// The first place in `order`, from `from` on and around, of a block that reached the top in the last attempt; else
/// `from`.
std::size_t Search::one_at_the_top(const std::vector<int>& order, std::size_t from, std::int64_t top) const {
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::size_t at = (from + k) % order.size();
    const auto b = static_cast<std::size_t>(order[at]);
    if (offsets_[b] + round64(blocks_[b].bytes) >= top) return at;
  }
  return from;
}

void Search::walk(std::int64_t lower_bound) {
  // Bounded work: placing n blocks compares n^2 / 2 pairs.
  const std::size_t pairs = std::max<std::size_t>(1, ids_.size() * ids_.size());
  const std::size_t tries = std::min<std::size_t>(3000, 20'000'000 / pairs);
  std::vector<int> walk = best_order_;
  std::int64_t walk_top = best_;
  for (std::size_t t = 0; t < tries && best_ > lower_bound && ids_.size() > 1; ++t) {
    if (t % 1000 == 999) {
      walk = best_order_;
      walk_top = best_;
    }
    std::vector<int> next = walk;
    std::size_t from = random(next.size());
    if (t % 3 != 0) from = one_at_the_top(next, from, walk_top);
    if (from == 0) continue;
    const std::size_t to = random(from);
    std::rotate(next.begin() + static_cast<std::ptrdiff_t>(to), next.begin() + static_cast<std::ptrdiff_t>(from),
                next.begin() + static_cast<std::ptrdiff_t>(from) + 1);
    const std::int64_t top = place(blocks_, next, best_fits_, offsets_);
    if (top <= walk_top) {
      walk = next;
      walk_top = top;
    }
    if (top < best_) {
      best_ = top;
      best_offsets_ = offsets_;
      best_order_ = next;
    }
  }
}

}  // namespace

ArenaSize assign_offsets(std::vector<Lifetime>& blocks) {
  ArenaSize result;
  result.lower_bound = lower_bound(blocks);
  std::vector<int> ids;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].bytes > 0) ids.push_back(static_cast<int>(i));
  // Comparing all pairs takes seconds from here on, and tuning their order minutes.
  constexpr std::size_t kMostCompared = 8000;
  if (ids.size() > kMostCompared) {
    result.bytes = place_in_time(blocks, std::move(ids));
    return result;
  }
  Search search(blocks, std::move(ids));
  search.greedy();
  search.walk(result.lower_bound);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].offset = search.offset(i);
  result.bytes = std::max<std::int64_t>(search.best(), 0);
  return result;
}

}  // namespace monza::plan
