// A product as Hopper's kernels take it, where its operands lie as their copies need them.
#pragma once

#include "ops/matmul/matmul_tiles.cuh"
#include "ops/shared/gpu_hopper_tiles.cuh"

namespace monza::gpu {

struct HopperMatMul {
  bool fits = false;    ///< else another kernel has to
  bool by_row = false;  ///< b's elements along n are next to each other
  HopperCut cut;
  HopperProduct h;

  /// `split`: the sum may be cut. `constant_b`: no kernel writes the second factor. `rank`: which of the cuts, the one
  /// that should be the fastest first.
  HopperMatMul(const Product& p, bool split, bool constant_b, int rank) {
    constexpr std::int64_t kMost = 1 << 30;
    if (p.batch_rank > 2 || p.m >= kMost || p.n >= kMost || p.k >= kMost || p.k < 1) return;
    by_row = p.b.column == 1 && p.b.row != 1;
    if (p.a.column != 1 || !lies_well(p, p.a, p.a.row, p.m)) return;
    if (by_row ? !lies_well(p, p.b, p.b.row, p.k) : p.b.row != 1 || !lies_well(p, p.b, p.b.column, p.n)) return;
    h.m = static_cast<int>(p.m);
    h.n = static_cast<int>(p.n);
    h.channels = static_cast<int>(p.k);
    h.batches = static_cast<int>(p.batches);
    h.inner = p.batch_rank > 0 ? static_cast<int>(p.extent[0]) : 1;
    h.slices = static_cast<int>((p.k + 63) / 64);
    h.boxes = h.slices;
    h.bias = operand(p, p.bias);
    h.residual = operand(p, p.residual);
    h.out_to = operand(p, p.out);
    h.constant_b = constant_b;
    h.residual_after = p.residual_after;
    h.alpha = p.alpha;
    h.act = p.act;
    const auto whole = [&](const Product::Operand& o, std::int64_t row) {
      return o.data == nullptr || (o.column == 1 && vectors_fit(p, o, row, 8, 2));
    };
    h.vectors =
        p.n % 8 == 0 && whole(p.out, p.out.row) && whole(p.residual, p.residual.row) && whole(p.bias, p.bias.row);
    cut = choose_cut(h, split, by_row ? 64 : 32, rank);
    const HopperForm& form = kHopperForms[cut.form];
    if (static_cast<double>((p.m + form.m - 1) / form.m) * static_cast<double>((p.n + form.n - 1) / form.n) *
            static_cast<double>(p.batches) >=
        2e9)
      return;
    cut_product(h, cut);
    if (!describe(boxes_of(p, p.a, {p.k, p.m}, p.a.row, {64, form.m}), h.a).ok()) return;
    if (!describe(by_row ? boxes_of(p, p.b, {p.n, p.k}, p.b.row, {64, 64})
                         : boxes_of(p, p.b, {p.k, p.n}, p.b.column, {64, form.n}),
                  h.b)
             .ok())
      return;
    for (int i = 0; i < p.batch_rank; ++i) {
      h.a_batch[i] = p.a.batch[i] != 0;
      h.b_batch[i] = p.b.batch[i] != 0;
    }
    for (int i = 0; i < p.batch_rank; ++i) h.r_batch[i] = p.residual.batch[i] != 0;
    if (!finish_plan(h, cut, boxes_of(p, p.residual, {p.n, p.m}, p.residual.row, {})).ok()) return;
    fits = true;
  }

 private:
  struct Pair {
    std::int64_t inner, outer;
  };
  /// Rows of 16-byte pieces, which begin at multiples of 16 bytes. A single row may have any stride.
  static bool lies_well(const Product& p, const Product::Operand& o, std::int64_t across, std::int64_t rows) {
    bool batches = true;
    for (int i = 0; i < p.batch_rank; ++i) batches = batches && o.batch[i] >= 0 && o.batch[i] < (std::int64_t{1} << 38);
    return batches && (rows == 1 || (across > 0 && across < (std::int64_t{1} << 38))) &&
           vectors_fit(p, o, rows == 1 ? 0 : across, 8, 2);
  }
  static BoxedTensor boxes_of(const Product& p, const Product::Operand& o, Pair extent, std::int64_t across, Pair box) {
    BoxedTensor t{.data = o.data,
                  .extent = {extent.inner, extent.outer, 1, 1},
                  .stride = {across, 0, 0},
                  .box = {static_cast<int>(box.inner), static_cast<int>(box.outer), 1, 1}};
    for (int i = 0; i < p.batch_rank; ++i) {
      t.extent[2 + i] = o.batch[i] != 0 ? p.extent[i] : 1;
      t.stride[1 + i] = o.batch[i];
    }
    return t;
  }
  static HopperProduct::Operand operand(const Product& p, const Product::Operand& o) {
    HopperProduct::Operand to{.data = o.data, .row = o.row, .column = o.column};
    for (int i = 0; i < p.batch_rank; ++i) to.batch[i] = o.batch[i];
    return to;
  }
};

}  // namespace monza::gpu
