// The tiles that products on Hopper are cut into, and which of them a product gets.
#pragma once

#include <algorithm>
#include <cmath>

#include "ops/shared/gpu_hopper_product.cuh"

namespace monza::gpu {

/// Times in microseconds on an H200: of a slice of 64 factors, where a multiprocessor has one such block, and where it
/// has as many as it can; of storing a block's results.
struct HopperForm {
  int m, n, groups, stages, blocks;
  double alone, together, store;
};
inline constexpr HopperForm kHopperForms[] = {
    {128, 256, 2, 4, 1, 0.49, 0.49, 2.8}, {128, 128, 2, 3, 2, 0.36, 0.51, 1.46}, {128, 64, 2, 4, 2, 0.19, 0.38, 0.77},
    {64, 128, 1, 4, 2, 0.18, 0.73, 1.33}, {64, 64, 1, 6, 2, 0.14, 0.45, 0.22},   {128, 32, 2, 5, 2, 0.14, 0.44, 0.22},
    {128, 96, 2, 3, 2, 0.27, 0.44, 1.1},
};
inline constexpr int kHopperFormCount = static_cast<int>(sizeof kHopperForms / sizeof kHopperForms[0]);

template <int kForm>
using hopper_tile_t = HopperTile<kHopperForms[kForm].m, kHopperForms[kForm].n, kHopperForms[kForm].groups,
                                 kHopperForms[kForm].stages, kHopperForms[kForm].blocks>;

struct HopperCut {
  int form = 0, splits = 1;
  bool registers = false;
  int processors = 0;
};

inline void cut_product(HopperProduct& p, const HopperCut& cut) {
  const HopperForm& f = kHopperForms[cut.form];
  p.tiles_m = (p.m + f.m - 1) / f.m;
  p.tiles_n = (p.n + f.n - 1) / f.n;
  p.per_split = (p.slices + cut.splits - 1) / cut.splits;
}

/// Whether results may be stored from the registers: a bias is one a column, activations are of a few instructions.
inline bool stores_from_registers(const HopperProduct& p) {
  return p.vectors && p.bias.row == 0 &&
         (p.act.kind == ActivationKind::none || p.act.kind == ActivationKind::gelu_erf ||
          p.act.kind == ActivationKind::relu || p.act.kind == ActivationKind::clip ||
          p.act.kind == ActivationKind::silu);
}

/// Decides how results are stored. `residual`: its description, but for the boxes.
inline Status finish_plan(HopperProduct& p, const HopperCut& cut, BoxedTensor residual) {
  const HopperForm& f = kHopperForms[cut.form];
  p.plain = stores_from_registers(p);
  p.from_registers = cut.registers && cut.splits == 1 && p.plain;
  p.residual_boxes = p.from_registers && p.residual.data != nullptr && f.m * f.n <= 64 * (f.m + f.n);
  if (!p.residual_boxes) return {};
  residual.box[0] = f.n % 64 == 0 ? 64 : 32;
  residual.box[1] = f.m;
  return describe(residual, p.r);
}

/// The cut of least time, by a model fitted to measured times; `rank`: the next ones. `split`: the sum may be cut.
/// `columns`: a tile has a multiple of these.
inline HopperCut choose_cut(const HopperProduct& p, bool split, int columns, int rank = 0) {
  const bool registers = stores_from_registers(p);
  struct Timed {
    double us;
    HopperCut cut;
  };
  Timed timed[kHopperFormCount * 5];  // splits of 1, 2, 4, 8, and 1 by way of shared memory
  int count = 0;
  for (int form = 0; form < kHopperFormCount; ++form) {
    const HopperForm& f = kHopperForms[form];
    if (f.n % columns != 0) continue;
    const double tiles =
        std::ceil(static_cast<double>(p.m) / f.m) * std::ceil(static_cast<double>(p.n) / f.n) * p.batches;
    for (int splits = 1; splits <= (split ? 8 : 1); splits *= 2) {
      if (splits > 1 && p.slices < 2 * splits) break;
      const int slices = (p.slices + splits - 1) / splits;
      const double blocks = std::ceil(tiles * splits / kProcessors);  // of a multiprocessor
      const bool direct = registers && splits == 1;
      const double us =
          std::ceil(blocks / f.blocks) * (slices * (blocks > 1 ? f.together : f.alone) + f.store * (direct ? 1 : 2)) +
          (splits > 1 ? 0.2 * (1 + std::log2(splits)) : 0);
      timed[count++] = {us,
                        {.form = form, .splits = splits, .registers = direct, .processors = direct ? kProcessors : 0}};
    }
  }
  rank = std::min(rank, count - 1);
  std::nth_element(timed, timed + rank, timed + count, [](const Timed& a, const Timed& b) { return a.us < b.us; });
  return timed[rank].cut;
}

template <typename T, int kBox, bool kByRow>
void launch_form(const HopperProduct& p, const HopperCut& cut, cudaStream_t stream) {
  switch (cut.form) {
    case 0: launch_hopper<T, hopper_tile_t<0>, kBox, kByRow>(p, cut.splits, cut.processors, stream); break;
    case 1: launch_hopper<T, hopper_tile_t<1>, kBox, kByRow>(p, cut.splits, cut.processors, stream); break;
    case 2: launch_hopper<T, hopper_tile_t<2>, kBox, kByRow>(p, cut.splits, cut.processors, stream); break;
    case 3: launch_hopper<T, hopper_tile_t<3>, kBox, kByRow>(p, cut.splits, cut.processors, stream); break;
    case 4: launch_hopper<T, hopper_tile_t<4>, kBox, kByRow>(p, cut.splits, cut.processors, stream); break;
    case 5:
      if constexpr (!kByRow) launch_hopper<T, hopper_tile_t<5>, kBox, kByRow>(p, cut.splits, cut.processors, stream);
      break;
    default:
      if constexpr (!kByRow) launch_hopper<T, hopper_tile_t<6>, kBox, kByRow>(p, cut.splits, cut.processors, stream);
      break;
  }
}

}  // namespace monza::gpu
