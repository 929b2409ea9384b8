// Convolutions as products in tiles of filters by pixels: how a layer is cut into blocks, what a block is given, and
// how the sums of layers whose factors are split between blocks come together.
//
// All of a layer's factors (a tap and its channels, flattened) are taken in slices. Layers of few tiles split their
// slices between blocks: each writes its sums to scratch memory, and a second kernel adds them in a fixed order.
#pragma once

#include "ops/conv/conv_gpu.cuh"

namespace monza::gpu {

inline constexpr std::int64_t kScratchFloats = 1 << 20;  ///< of sums of split layers
inline constexpr int kLeastSlices = 8;                   ///< of a split

/// A tile's extents, and how well it uses a multiprocessor.
struct ConvForm {
  int filters, pixels;
  double efficiency;
};

/// How a launch is cut. Tiles are numbered filters first, so that blocks which run together share pixels.
struct ConvCut {
  int tile_filters = 0, tile_pixels = 0;
  int filter_tiles = 0, pixel_tiles = 0;
  int slices = 0;     // of all factors
  int per_split = 0;  // slices
  int splits = 1;
};

template <typename T>
struct ConvJob {
  ConvGeometry g;
  ConvOut<T> o;
  ConvCut cut;
  const T* x = nullptr;
  const T* w = nullptr;
  int width = 0;  ///< of a packed row of weights
  float* sums = nullptr;
};

/// Sets the cut that takes the least time, and gives its form's index. Time in cycles of the multiprocessors, of which
/// each does `products` a cycle; a wave of blocks has a beginning and an end, a split layer a second kernel and its
/// traffic.
template <int kForms>
int cut_for(const ConvGeometry& g, const ConvForm (&forms)[kForms], int slice, double products, ConvCut& best) {
  int form = 0;
  double least = 0;
  const int slices = (g.taps * g.channels + slice - 1) / slice;
  for (int f = 0; f < kForms; ++f) {
    ConvCut c{.tile_filters = forms[f].filters, .tile_pixels = forms[f].pixels, .slices = slices};
    c.filter_tiles = (g.filters + c.tile_filters - 1) / c.tile_filters;
    c.pixel_tiles = static_cast<int>((static_cast<std::int64_t>(g.pixels) + c.tile_pixels - 1) / c.tile_pixels);
    const std::int64_t tiles = static_cast<std::int64_t>(c.filter_tiles) * c.pixel_tiles * g.groups;
    const double area = static_cast<double>(c.tile_filters) * c.tile_pixels;
    for (int splits = 1; splits <= 32; ++splits) {
      c.per_split = (slices + splits - 1) / splits;
      if (splits > 1 && (c.per_split < kLeastSlices ||
                         static_cast<double>(tiles) * splits * area > static_cast<double>(kScratchFloats)))
        break;
      c.splits = (slices + c.per_split - 1) / c.per_split;
      const auto waves = static_cast<double>((tiles * c.splits + kProcessors - 1) / kProcessors);
      double cycles = waves * (c.per_split * area * slice / products / forms[f].efficiency + 1000);
      if (c.splits > 1) cycles += 4000 + static_cast<double>(tiles) * c.splits * area * 8 / 1500;
      if (least == 0 || cycles < least) {
        least = cycles;
        best = c;
        form = f;
      }
    }
  }
  return form;
}

/// Two splits are the fewest, and the last may be short by less than a slice of each.
inline std::size_t conv_scratch(std::int64_t factors, int slice) {
  return factors <= (2 * kLeastSlices - 2) * slice ? 0 : kScratchFloats * sizeof(float);
}

/// What one block computes.
struct ConvTile {
  int group, filter, pixel;     // the first filter (within the group) and pixel
  int first_slice, last_slice;  // [first, last)
};
__device__ __forceinline__ ConvTile conv_tile(const ConvGeometry& g, const ConvCut& cut) {
  int block = static_cast<int>(blockIdx.x);
  ConvTile t;
  t.filter = block % cut.filter_tiles * cut.tile_filters;
  block /= cut.filter_tiles;
  t.pixel = block % cut.pixel_tiles * cut.tile_pixels;
  block /= cut.pixel_tiles;
  t.group = block % g.groups;
  t.first_slice = block / g.groups * cut.per_split;
  t.last_slice = min(cut.slices, t.first_slice + cut.per_split);
  return t;
}

inline constexpr int kOutside = -(1 << 30);  ///< a position outside of every input, whatever is added to it

/// The first position of output pixel p in the input along each axis, and its image; outside for those beyond the last.
__device__ __forceinline__ int4 conv_place(const ConvGeometry& g, int p) {
  if (p >= g.pixels) return make_int4(kOutside, 0, 0, 0);
  int rest = p / g.out[2];
  const int u = p - rest * g.out[2];
  p = rest;
  rest = p / g.out[1];
  const int y = p - rest * g.out[1];
  const int n = rest / g.out[0], z = rest - n * g.out[0];
  return make_int4(z * g.stride[0] - g.pad[0], y * g.stride[1] - g.pad[1], u * g.stride[2] - g.pad[2], n);
}
__device__ __forceinline__ bool conv_inside(const ConvGeometry& g, int z, int y, int u) {
  return static_cast<unsigned>(z) < static_cast<unsigned>(g.in[0]) &&
         static_cast<unsigned>(y) < static_cast<unsigned>(g.in[1]) &&
         static_cast<unsigned>(u) < static_cast<unsigned>(g.in[2]);
}

/// A factor: what it adds to a pixel's first position, and the offset of its channel.
struct ConvFactor {
  int d, h, w;
  std::int64_t channel;
};
__device__ __forceinline__ ConvFactor conv_factor(const ConvGeometry& g, int k) {
  const int tap = k / g.channels;
  const int w = tap % g.k[2], h = tap / g.k[2] % g.k[1], d = tap / g.k[2] / g.k[1];
  ConvFactor f;
  f.d = tap < g.taps ? d * g.dilation[0] : kOutside;  // beyond the last: zeros
  f.h = h * g.dilation[1];
  f.w = w * g.dilation[2];
  f.channel = (k - tap * g.channels) * g.x_channel;
  return f;
}

/// The vector of factors that a thread loads of every slice: its tap and first channel.
struct ConvCursor {
  int channel, d, h, w;
  __device__ __forceinline__ ConvCursor(const ConvGeometry& g, int k) {
    if (g.taps == 1) {
      const bool inside = k < g.channels;
      channel = inside ? k : 0, w = h = 0, d = inside ? 0 : 1;
      return;
    }
    const int tap = k / g.channels;
    channel = k - tap * g.channels;
    w = tap % g.k[2];
    h = tap / g.k[2] % g.k[1];
    d = tap / g.k[2] / g.k[1];
  }
  __device__ __forceinline__ void advance(const ConvGeometry& g, int factors) {
    channel += factors;
    while (channel >= g.channels) {
      channel -= g.channels;
      if (++w < g.k[2]) continue;
      w = 0;
      if (++h < g.k[1]) continue;
      h = 0;
      ++d;
    }
  }
};

/// Adds the sums of a split layer, in the order of the splits: a thread an output. A block's sums are rows of a tile's
/// filters, a row a pixel.
template <typename T>
__global__ void conv_sums_kernel(const ConvJob<T> job) {
  const ConvCut& cut = job.cut;
  const std::int64_t tile = static_cast<std::int64_t>(cut.tile_filters) * cut.tile_pixels;
  const std::int64_t tiles = static_cast<std::int64_t>(cut.filter_tiles) * cut.pixel_tiles * job.g.groups;
  for_each(tiles * tile, [&](std::int64_t i) {
    int t = static_cast<int>(i / tile);
    const int within = static_cast<int>(i - t * tile);
    const int m = t % cut.filter_tiles * cut.tile_filters + within % cut.tile_filters;
    t /= cut.filter_tiles;
    const int p = t % cut.pixel_tiles * cut.tile_pixels + within / cut.tile_filters;
    if (m >= job.g.filters || p >= job.g.pixels) return;
    const int f = t / cut.pixel_tiles * job.g.filters + m;
    float sum = 0;
    for (int split = 0; split < cut.splits; ++split) sum += job.sums[split * tiles * tile + i];
    const ConvOut<T>& o = job.o;
    const float r = o.residual != nullptr ? load(o.residual + p * o.residual_pitch + f) : 0.0f;
    store(o.out + p * o.pitch + f, o.finish(sum + o.bias_of(f), r, f));
  });
}

}  // namespace monza::gpu
