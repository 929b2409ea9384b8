// How the weights of integer products lie in memory, over the number of sums in a vector.
#pragma once

#include "base/macros.h"
#include "kernel/kernel.h"
#include "ops/qmatmul/qmatmul.params.h"

namespace monza::ops {

// Defined in qmatmul_packed.any.cpp.
extern const PackedFormat qmatmul_panels_8, qmatmul_panels_16;

namespace {

/// Packed weights: per group the panels, then the column sums of every group (i32).
template <int kLanes>
struct IgemmPanels {
  std::int64_t groups = 1, columns = 0, taps = 1, depth = 0;  ///< columns of a group; depth in bytes of a tap
  MONZA_INLINE std::int64_t panels() const { return (columns + kLanes - 1) / kLanes; }
  MONZA_INLINE std::int64_t quads() const { return (depth + 3) / 4; }
  MONZA_INLINE std::int64_t panel_bytes() const { return taps * quads() * kLanes * 4; }
  MONZA_INLINE std::int64_t slots() const { return groups * panels() * kLanes; }  ///< columns with their padding
  MONZA_INLINE std::int64_t sums_at() const { return groups * panels() * panel_bytes(); }
  MONZA_INLINE std::int64_t bytes() const { return sums_at() + slots() * 4; }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t n, std::int64_t tap, std::int64_t d) const {
    return (g * panels() + n / kLanes) * panel_bytes() + ((tap * quads() + d / 4) * kLanes + n % kLanes) * 4 + d % 4;
  }
};

template <int kLanes, typename Source>
void igemm_unpack(const IgemmPanels<kLanes>& k, const std::byte* packed, bool is_unsigned, std::uint8_t* dense,
                  Source source) {
  const auto* in = reinterpret_cast<const std::uint8_t*>(packed);
  const std::uint8_t flip = is_unsigned ? 0x80 : 0;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; ++n)
      for (std::int64_t t = 0; t < k.taps; ++t)
        for (std::int64_t d = 0; d < k.depth; ++d) dense[source(g, n, t, d)] = in[k.at(g, n, t, d)] ^ flip;
}

/// The weights [K, N], or [N, K] with trans_b, as panels.
template <int kLanes>
MONZA_INLINE IgemmPanels<kLanes> matmul_panels(const Shape& w, bool trans_b) {
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
