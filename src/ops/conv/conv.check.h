// What convolutions of every kind rely on: channels, filters and spatial extents that fit each other.
#pragma once

#include "kernel/check_rules.h"
#include "ops/conv/conv.params.h"

namespace monza::ops {

/// Strides, dilations and groups that can be divided by, pads that are none too large.
inline Refusal refuse_conv_params(const ConvParams& p, int most_axes = 3) {
  MONZA_REQUIRE(p.spatial >= 1 && p.spatial <= most_axes, "the number of spatial axes is out of range");
  MONZA_REQUIRE(p.group >= 1, "less than one group");
  for (int i = 0; i < p.spatial; ++i)
    MONZA_REQUIRE(p.stride[i] >= 1 && p.dilation[i] >= 1 && p.pad_begin[i] > -(1 << 30) && p.pad_end[i] > -(1 << 30),
                  "a stride, dilation or pad is out of range");
  return nullptr;
}

/// Input [N, C, in...], weight [M, C / group, k...] and output [N, M, out...] of a convolution.
inline Refusal refuse_conv_shapes(const ConvParams& p, const Shape& x, const Shape& w, const Shape& out,
                                  int most_axes = 3) {
  if (const Refusal r = refuse_conv_params(p, most_axes)) return r;
  MONZA_REQUIRE(x.rank == p.spatial + 2 && w.rank == x.rank && out.rank == x.rank,
                "input, weight and output differ in rank");
  MONZA_REQUIRE(x[0] == out[0] && w[0] == out[1] && x[1] == w[1] * p.group && w[0] % p.group == 0,
                "channels or filters of input, weight and output do not fit each other");
  for (int i = 0; i < p.spatial; ++i) {
    const std::int64_t in = x[i + 2], k = w[i + 2], o = out[i + 2];
    MONZA_REQUIRE(sane(in) && sane(k) && sane(o), "a spatial extent is out of range");
    std::int64_t expected;
    if (p.padding == ConvParams::Padding::given) {
      const std::int64_t room = in + p.pad_begin[i] + p.pad_end[i] - (k - 1) * p.dilation[i] - 1;
      expected = room < 0 ? 0 : room / p.stride[i] + 1;
    } else {
      expected = (in + p.stride[i] - 1) / p.stride[i];
    }
    MONZA_REQUIRE(o == expected, "a spatial extent of the output does not follow from the input's");
  }
  return nullptr;
}

}  // namespace monza::ops
