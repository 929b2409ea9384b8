#include "plan/offsets.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

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
    const Lifetime& block = blocks[std::size_t(b)];
    const std::int64_t size = round64(block.bytes);
    busy.clear();
    for (int p : placed) {
      const Lifetime& other = blocks[std::size_t(p)];
      if (other.first <= block.last && block.first <= other.last)
        busy.emplace_back(offsets[std::size_t(p)], offsets[std::size_t(p)] + round64(other.bytes));
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
    offsets[std::size_t(b)] = best >= 0 ? best : at;
    top = std::max(top, offsets[std::size_t(b)] + size);
    placed.push_back(b);
  }
  return top;
}

/// Places blocks in the order of their first use, each in the tightest gap that is free then: for plans that are too
/// long to compare every block with every other.
std::int64_t place_in_time(std::vector<Lifetime>& blocks, std::vector<int> order) {
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return blocks[std::size_t(a)].first < blocks[std::size_t(b)].first; });
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
    Lifetime& block = blocks[std::size_t(id)];
    for (; !living.empty() && living.begin()->first < block.first; living.erase(living.begin())) {
      const Lifetime& dead = blocks[std::size_t(living.begin()->second)];
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

}  // namespace

ArenaSize assign_offsets(std::vector<Lifetime>& blocks) {
  ArenaSize result;
  result.lower_bound = lower_bound(blocks);
  std::vector<int> ids;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].bytes > 0) ids.push_back(int(i));
  // Comparing all pairs takes seconds from here on, and tuning their order minutes.
  constexpr std::size_t kMostCompared = 8000;
  if (ids.size() > kMostCompared) {
    result.bytes = place_in_time(blocks, std::move(ids));
    return result;
  }
  std::vector<std::int64_t> offsets(blocks.size(), 0), best_offsets(blocks.size(), 0);
  std::vector<int> best_order;
  std::int64_t best = -1;
  bool best_fits = false;
  const auto attempt = [&](const std::vector<int>& order, bool best_fit) {
    const std::int64_t top = place(blocks, order, best_fit, offsets);
    if (best < 0 || top < best) {
      best = top;
      best_offsets = offsets;
      best_order = order;
      best_fits = best_fit;
    }
  };
  const auto length = [&](int i) { return blocks[std::size_t(i)].last - blocks[std::size_t(i)].first; };
  std::vector<int> order = ids;
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return blocks[std::size_t(a)].bytes > blocks[std::size_t(b)].bytes; });
  attempt(order, true);
  attempt(order, false);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return double(blocks[std::size_t(a)].bytes) * (length(a) + 1) >
           double(blocks[std::size_t(b)].bytes) * (length(b) + 1);
  });
  attempt(order, false);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return length(a) > length(b); });
  attempt(order, false);
  attempt(ids, false);

  // By the pressure of the busiest step a block lives through: what is live at the peak is packed first.
  int steps = 0;
  for (int i : ids) steps = std::max(steps, blocks[std::size_t(i)].last + 1);
  std::vector<std::int64_t> pressure(std::size_t(steps), 0);
  for (int i : ids)
    for (int t = blocks[std::size_t(i)].first; t <= blocks[std::size_t(i)].last; ++t)
      pressure[std::size_t(t)] += round64(blocks[std::size_t(i)].bytes);
  std::vector<std::int64_t> peak(blocks.size(), 0);
  for (int i : ids)
    for (int t = blocks[std::size_t(i)].first; t <= blocks[std::size_t(i)].last; ++t)
      peak[std::size_t(i)] = std::max(peak[std::size_t(i)], pressure[std::size_t(t)]);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    if (peak[std::size_t(a)] != peak[std::size_t(b)]) return peak[std::size_t(a)] > peak[std::size_t(b)];
    return blocks[std::size_t(a)].bytes > blocks[std::size_t(b)].bytes;
  });
  attempt(order, false);
  attempt(order, true);

  // Local search over orders: a block that reaches the top is moved to an earlier place, and what is no worse is kept,
  // so that the search can walk over plateaus. The generator is fixed: builds repeat.
  std::uint64_t state = 0x9E3779B97F4A7C15ull;
  const auto random = [&](std::size_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return std::size_t(state % n);
  };
  // Bounded work: placing n blocks compares n^2 / 2 pairs.
  const std::size_t pairs = std::max<std::size_t>(1, ids.size() * ids.size());
  const std::size_t tries = std::min<std::size_t>(3000, 20'000'000 / pairs);
  std::vector<int> walk = best_order;
  std::int64_t walk_top = best;
  for (std::size_t t = 0; t < tries && best > result.lower_bound && ids.size() > 1; ++t) {
    if (t % 1000 == 999) {
      walk = best_order;
      walk_top = best;
    }
    std::vector<int> next = walk;
    std::size_t from = random(next.size());
    if (t % 3 != 0) {
      // One of those that lie highest in the last attempt.
      for (std::size_t k = 0; k < next.size(); ++k) {
        const std::size_t at = (from + k) % next.size();
        const auto b = std::size_t(next[at]);
        if (offsets[b] + round64(blocks[b].bytes) >= walk_top) {
          from = at;
          break;
        }
      }
    }
    if (from == 0) continue;
    const std::size_t to = random(from);
    std::rotate(next.begin() + std::ptrdiff_t(to), next.begin() + std::ptrdiff_t(from),
                next.begin() + std::ptrdiff_t(from) + 1);
    const std::int64_t top = place(blocks, next, best_fits, offsets);
    if (top <= walk_top) {
      walk = next;
      walk_top = top;
    }
    if (top < best) {
      best = top;
      best_offsets = offsets;
      best_order = next;
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].offset = best_offsets[i];
  result.bytes = std::max<std::int64_t>(best, 0);
  return result;
}

}  // namespace monza::plan
