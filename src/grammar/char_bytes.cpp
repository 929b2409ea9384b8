// How characters are written: automata over characters as automata over bytes.
#include <algorithm>
#include <bitset>
#include <map>

#include "grammar/char_dfa.h"

namespace monza::grammar {
namespace {

/// A way to write the characters of a range: a set of bytes for each place.
struct Path {
  std::vector<std::bitset<256>> bytes;
  Dfa::State to;
};
using Paths = std::vector<Path>;

std::bitset<256> range(unsigned first, unsigned last) {
  std::bitset<256> set;
  for (unsigned b = first; b <= last; ++b) set.set(b);
  return set;
}

/// Splits [first, last], two numbers of `digits` digits of `bits` bits each, into runs whose lower digits are all or
/// one: calls each(first's digits, last's digits, digits).
template <typename Each>
void split(std::uint32_t first, std::uint32_t last, int bits, int digits, const Each& each) {
  for (int d = 1; d < digits; ++d) {
    const std::uint32_t low = (1u << (bits * d)) - 1;
    if ((first & ~low) == (last & ~low)) continue;
    if ((first & low) != 0) {
      split(first, first | low, bits, digits, each);
      return split((first | low) + 1, last, bits, digits, each);
    }
    if ((last & low) != low) {
      split(first, (last & ~low) - 1, bits, digits, each);
      return split(last & ~low, last, bits, digits, each);
    }
  }
  each(first, last);
}

void add_utf8(CodeRange on, Dfa::State to, Paths& paths) {
  struct Length {
    char32_t first, last;
    int bytes;
    unsigned mark;
  };
  constexpr Length kLengths[] = {
      {0, 0x7F, 1, 0}, {0x80, 0x7FF, 2, 0xC0}, {0x800, 0xFFFF, 3, 0xE0}, {0x10000, 0x10FFFF, 4, 0xF0}};
  for (const Length& l : kLengths) {
    const char32_t first = std::max(on.first, l.first), last = std::min(on.last, l.last);
    if (first > last) continue;
    split(first, last, 6, l.bytes, [&](std::uint32_t a, std::uint32_t b) {
      Path path{{}, to};
      for (int i = l.bytes - 1; i >= 0; --i) {
        const unsigned mark = i == l.bytes - 1 ? l.mark : 0x80, mask = i == l.bytes - 1 ? 0xFF : 0x3F;
        path.bytes.push_back(range(mark | (a >> (6 * i) & mask), mark | (b >> (6 * i) & mask)));
      }
      paths.push_back(std::move(path));
    });
  }
}

std::bitset<256> hex_digits(unsigned first, unsigned last) {
  std::bitset<256> set;
  for (unsigned d = first; d <= last; ++d) {
    set.set(static_cast<unsigned char>("0123456789abcdef"[d]));
    set.set(static_cast<unsigned char>("0123456789ABCDEF"[d]));
  }
  return set;
}

using Unit = std::vector<std::bitset<256>>;

/// "\uXXXX" of the 16-bit units [first, last].
std::vector<Unit> units(std::uint32_t first, std::uint32_t last) {
  std::vector<Unit> all;
  split(first, last, 4, 4, [&](std::uint32_t a, std::uint32_t b) {
    Unit unit{range('\\', '\\'), range('u', 'u')};
    for (int i = 3; i >= 0; --i) unit.push_back(hex_digits(a >> (4 * i) & 15, b >> (4 * i) & 15));
    all.push_back(std::move(unit));
  });
  return all;
}

void add_escaped(CodeRange on, Dfa::State to, Paths& paths) {
  constexpr std::pair<char, char> kShort[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'\b', 'b'},
                                              {'\f', 'f'}, {'\n', 'n'},  {'\r', 'r'}, {'\t', 't'}};
  for (const auto& [code, letter] : kShort)
    if (on.first <= static_cast<unsigned char>(code) && static_cast<unsigned char>(code) <= on.last)
      paths.push_back(
          {{range('\\', '\\'), range(static_cast<unsigned char>(letter), static_cast<unsigned char>(letter))}, to});
  const auto clip = [&](char32_t from, char32_t until, const auto& each) {
    const char32_t first = std::max(on.first, from), last = std::min(on.last, until);
    if (first <= last) each(first, last);
  };
  const auto one_unit = [&](char32_t first, char32_t last) {
    for (Unit& unit : units(first, last)) paths.push_back({std::move(unit), to});
  };
  clip(0, 0x1F, one_unit);
  clip(0x7F, 0xFFFF, one_unit);
  clip(0x10000, 0x10FFFF, [&](char32_t first, char32_t last) {
    split(first - 0x10000, last - 0x10000, 10, 2, [&](std::uint32_t a, std::uint32_t b) {
      for (const Unit& high : units(0xD800 + (a >> 10), 0xD800 + (b >> 10)))
        for (const Unit& low : units(0xDC00 + (a & 0x3FF), 0xDC00 + (b & 0x3FF))) {
          Path path{high, to};
          path.bytes.insert(path.bytes.end(), low.begin(), low.end());
          paths.push_back(std::move(path));
        }
    });
  });
}

/// States for the paths of one character each, shared by equal ones.
class Writer {
 public:
  Writer(DfaBuilder& builder, Budget& budget) : builder_(builder), budget_(budget) {}

  /// The edges by which a state begins the paths. No text may be written by two paths.
  std::vector<ByteEdge> edges(const Paths& paths) {
    std::vector<std::pair<const Path*, std::size_t>> begin;
    for (const Path& p : paths) begin.emplace_back(&p, 0);
    return edges_of(begin);
  }

 private:
  using Open = std::vector<std::pair<const Path*, std::size_t>>;

  std::vector<ByteEdge> edges_of(const Open& open) {
    std::map<std::vector<std::uint32_t>, Dfa::State> groups;
    std::vector<ByteEdge> edges;
    std::vector<std::uint32_t> group;
    for (unsigned b = 0; b < 256; ++b) {
      group.clear();
      for (std::size_t i = 0; i < open.size(); ++i)
        if (open[i].first->bytes[open[i].second][b]) group.push_back(static_cast<std::uint32_t>(i));
      if (group.empty()) continue;
      const auto [found, is_new] = groups.emplace(group, 0);
      if (is_new) found->second = target(open, group);
      const auto byte = static_cast<std::uint8_t>(b);
      if (!edges.empty() && edges.back().to == found->second && edges.back().last + 1u == b) edges.back().last = byte;
      else edges.push_back({byte, byte, found->second});
    }
    budget_.work(8 + open.size());
    return edges;
  }

  Dfa::State target(const Open& open, const std::vector<std::uint32_t>& group) {
    Open next;
    for (const std::uint32_t i : group) {
      const auto [path, at] = open[i];
      if (at + 1 == path->bytes.size()) return path->to;
      next.emplace_back(path, at + 1);
    }
    const std::vector<ByteEdge> edges = edges_of(next);
    const auto [found, is_new] = states_.emplace(edges, 0);
    if (is_new) {
      found->second = builder_.add();
      for (const ByteEdge& e : edges) builder_.edge(found->second, e);
    }
    return found->second;
  }

  DfaBuilder& builder_;
  Budget& budget_;
  std::map<std::vector<ByteEdge>, Dfa::State> states_;
};

}  // namespace

DfaPtr json_string(const CharDfa& text, Budget& budget) {
  DfaBuilder b(budget);
  const Dfa::State start = b.add();
  for (std::size_t s = 0; s < text.states.size(); ++s) (void)b.add(0, true);
  if (!text.states.empty()) b.edge(start, {'"', '"', 1});
  std::map<std::uint32_t, Dfa::State> ends;  // of labels
  Writer writer(b, budget);
  for (std::size_t s = 0; s < text.states.size(); ++s) {
    Paths paths;
    for (const CharDfa::Edge& e : text.states[s].edges) {
      CodeSet raw(std::max<char32_t>(e.on.first, 0x20), e.on.last);
      for (const CodeRange& r : raw.ranges()) {  // without '"' and '\\'
        const auto piece = [&](char32_t first, char32_t last) {
          const char32_t from = std::max(r.first, first), until = std::min(r.last, last);
          if (from <= until) add_utf8({from, until}, e.to + 1, paths);
        };
        piece(0x20, '"' - 1);
        piece('"' + 1, '\\' - 1);
        piece('\\' + 1, 0x10FFFF);
      }
      add_escaped(e.on, e.to + 1, paths);
    }
    const auto state = static_cast<Dfa::State>(s + 1);
    for (const ByteEdge& e : writer.edges(paths)) b.edge(state, e);
    if (const std::uint32_t label = text.states[s].label; label != 0) {
      const auto [end, is_new] = ends.emplace(label, 0);
      if (is_new) end->second = b.add(label);
      b.edge(state, {'"', '"', end->second});
    }
  }
  return b.build(true);
}

DfaPtr utf8(const CharDfa& text, Budget& budget) {
  DfaBuilder b(budget);
  for (const CharDfa::State& s : text.states) (void)b.add(s.label, true);
  Writer writer(b, budget);
  for (std::size_t s = 0; s < text.states.size(); ++s) {
    Paths paths;
    for (const CharDfa::Edge& e : text.states[s].edges) add_utf8(e.on, e.to, paths);
    for (const ByteEdge& e : writer.edges(paths)) b.edge(static_cast<Dfa::State>(s), e);
  }
  return b.build();
}

}  // namespace monza::grammar
