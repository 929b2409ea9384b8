// How the weights of integer products lie in memory, over the number of sums in a vector.
#pragma once

#include <type_traits>

#include "base/macros.h"
#include "kernel/kernel.h"
#include "ops/qmatmul/qmatmul.params.h"

namespace monza::ops {

// Defined in qmatmul_packed.any.cpp.
extern const PackedFormat qmatmul_panels_8, qmatmul_panels_16, qmatmul_split_panels_8;

namespace {

/// What a panel's pairs of weights have in excess of what vpmaddubsw adds without saturating: 255 times a pair's sum
/// must fit 16 bits. The first of a pair can always give the excess away, as the second alone has none. An entry is for
/// one step (four bytes of depth of every column): two weights a column, for depth 0 and 2.
template <typename Byte>
struct PanelRest {
  template <typename T>
  using As = std::conditional_t<std::is_const_v<Byte>, const T, T>;
  As<std::int32_t>* count;
  As<std::int8_t>* weights;  ///< [steps][columns * 2], from the first entry on
  As<std::uint32_t>* step;   ///< [steps], ascending
};

/// Packed weights: per group the panels, then the column sums of every group (i32), then, where panels are split, the
/// PanelRest of every one. Room is for an entry a step, so that the size follows from the shape.
template <int kLanes, bool kSplit = false>
struct IgemmPanels {
  std::int64_t groups = 1, columns = 0, taps = 1, depth = 0;  ///< columns of a group; depth in bytes of a tap
  MONZA_INLINE std::int64_t panels() const { return (columns + kLanes - 1) / kLanes; }
  MONZA_INLINE std::int64_t quads() const { return (depth + 3) / 4; }
  MONZA_INLINE std::int64_t steps() const { return taps * quads(); }
  MONZA_INLINE std::int64_t panel_bytes() const { return steps() * kLanes * 4; }
  MONZA_INLINE std::int64_t slots() const { return groups * panels() * kLanes; }  ///< columns with their padding
  MONZA_INLINE std::int64_t sums_at() const { return groups * panels() * panel_bytes(); }
  MONZA_INLINE std::int64_t rest_at() const { return sums_at() + slots() * 4; }
  MONZA_INLINE std::int64_t rest_bytes() const {
    return kSplit ? 16 + steps() * kLanes * 2 + (steps() * 4 + 15) / 16 * 16 : 0;
  }
  MONZA_INLINE std::int64_t bytes() const { return rest_at() + groups * panels() * rest_bytes(); }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t n, std::int64_t tap, std::int64_t d) const {
    return (g * panels() + n / kLanes) * panel_bytes() + ((tap * quads() + d / 4) * kLanes + n % kLanes) * 4 + d % 4;
  }
  /// Of panel `panel`, counted over all groups.
  template <typename Byte>
  MONZA_INLINE PanelRest<Byte> rest(Byte* packed, std::int64_t panel) const {
    using Rest = PanelRest<Byte>;
    Byte* at = packed + rest_at() + panel * rest_bytes();
    return {reinterpret_cast<typename Rest::template As<std::int32_t>*>(at),
            reinterpret_cast<typename Rest::template As<std::int8_t>*>(at + 16),
            reinterpret_cast<typename Rest::template As<std::uint32_t>*>(at + 16 + steps() * kLanes * 2)};
  }
  /// Entries of a rest, which may come from a damaged file.
  template <typename Byte>
  MONZA_INLINE std::int64_t entries(const PanelRest<Byte>& rest) const {
    return *rest.count < 0 ? 0 : *rest.count < steps() ? *rest.count : steps();
  }
};

/// Moves what pairs have in excess from the panels to their rests, which are zeros before.
template <int kLanes, bool kSplit>
void igemm_split(const IgemmPanels<kLanes, kSplit>& k, std::byte* packed) {
  if constexpr (!kSplit) return;
  for (std::int64_t panel = 0; panel < k.groups * k.panels(); ++panel) {
    const PanelRest<std::byte> rest = k.rest(packed, panel);
    auto* w = reinterpret_cast<std::int8_t*>(packed + panel * k.panel_bytes());
    for (std::int64_t step = 0; step < k.steps(); ++step, w += kLanes * 4) {
      std::int8_t* excess = rest.weights + *rest.count * kLanes * 2;  // this step's entry, if it needs one
      bool any = false;
      for (int i = 0; i < kLanes * 2; ++i) {
        const int sum = w[2 * i] + w[2 * i + 1], over = sum > 128 ? sum - 128 : sum < -128 ? sum + 128 : 0;
        excess[i] = static_cast<std::int8_t>(over);
        w[2 * i] = static_cast<std::int8_t>(w[2 * i] - over);
        any |= over != 0;
      }
      if (any) rest.step[(*rest.count)++] = static_cast<std::uint32_t>(step);
    }
  }
}

template <int kLanes, bool kSplit, typename Source>
void igemm_unpack(const IgemmPanels<kLanes, kSplit>& k, const std::byte* packed, bool is_unsigned, std::uint8_t* dense,
                  Source source) {
  const auto* in = reinterpret_cast<const std::uint8_t*>(packed);
  const std::uint8_t flip = is_unsigned ? 0x80 : 0;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; ++n)
      for (std::int64_t t = 0; t < k.taps; ++t)
        for (std::int64_t d = 0; d < k.depth; ++d) dense[source(g, n, t, d)] = in[k.at(g, n, t, d)] ^ flip;
  if constexpr (!kSplit) return;
  for (std::int64_t panel = 0; panel < k.groups * k.panels(); ++panel) {
    const PanelRest<const std::byte> rest = k.rest(packed, panel);
    for (std::int64_t i = 0; i < k.entries(rest); ++i)
      for (int lane = 0; lane < kLanes * 2; ++lane) {
        const std::int64_t step = rest.step[i], n = panel % k.panels() * kLanes + lane / 2,
                           d = step % k.quads() * 4 + lane % 2 * 2;
        if (step >= k.steps() || n >= k.columns || d >= k.depth) continue;
        std::uint8_t& to = dense[source(panel / k.panels(), n, step / k.quads(), d)];
        to = static_cast<std::uint8_t>((to ^ flip) + rest.weights[i * kLanes * 2 + lane]) ^ flip;
      }
  }
}

/// The weights [K, N], or [N, K] with trans_b, as panels.
template <int kLanes, bool kSplit>
MONZA_INLINE IgemmPanels<kLanes, kSplit> matmul_panels(const Shape& w, bool trans_b) {
  return {.groups = 1, .columns = w[trans_b ? 0 : 1], .taps = 1, .depth = w[trans_b ? 1 : 0]};
}
/// Offset in the dense weights.
struct MatmulSource {
  std::int64_t columns, depth;
  bool trans_b;
  MONZA_INLINE std::int64_t operator()(std::int64_t, std::int64_t n, std::int64_t, std::int64_t d) const {
    return trans_b ? n * depth + d : d * columns + n;
  }
};

}  // namespace
}  // namespace monza::ops
