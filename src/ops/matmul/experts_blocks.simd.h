// ExpertMatMul with weights in block encodings: each expert's are panels as those of MatMul are, and its rows are
// multiplied with them as bytes (matmul_blocks.simd.h, which says what limits it).
#pragma once

#include "ops/matmul/experts.simd.h"
#include "ops/matmul/matmul_blocks.simd.h"

namespace monza::ops {
namespace {

/// Scratch memory: the order, rows in bytes and results, both in that order.
struct ExpertScratch {
  std::size_t rows = 0, results = 0, total = 0;
  ExpertScratch(std::int64_t choices, std::int64_t experts, std::int64_t n, std::int64_t k) {
    rows = order_bytes(choices, experts);
    results = rows + static_cast<std::size_t>(ByteRows(choices, k).bytes(choices));
    total = results + static_cast<std::size_t>(choices * n) * sizeof(float);
  }
};

Status run_expert_blocks(const KernelContext& c) noexcept {
  if (const Status s = check_choices(c); !s) return s;
  const TensorView& w = c.in[1];
  const std::int64_t n = w.shape[1], k = w.shape[2], panels = n / kPanelRows;
  const ChoiceOrder order = order_of(c, c.scratch);
  const ExpertScratch at(order.choices, order.experts, n, k);
  const ByteRows rows(order.choices, k, c.scratch + at.rows);
  GemmOut o;
  o.c = reinterpret_cast<float*>(c.scratch + at.results);
  o.ldc = n;
  const BlockForm& form = *block_form(w.dtype);
  parallel_for(*c.parallel, order.choices, [&](std::int64_t i, int) {
    round_row(c.in[0].as<float>() + order.row_of(i) * k, 1, rows, i, form.offset, kCodeGroup / form.group);
  });
  const BlockPanelFn panel = block_panel_of(w.dtype, std::make_index_sequence<std::size(kBlockForms)>());
  const std::int64_t bytes = panel_bytes(form, k), parts = (panels + kTaskPanels - 1) / kTaskPanels;
  parallel_for(*c.parallel, order.experts * parts, [&](std::int64_t task, int) {
    const std::int64_t expert = task / parts, first = task % parts * kTaskPanels;
    const std::int64_t m0 = order.begin[expert], m1 = order.begin[expert + 1];
    const std::int64_t end = first + kTaskPanels < panels ? first + kTaskPanels : panels;
    for (std::int64_t i = first; m0 < m1 && i < end; i += Lanes::kPanels) {
      const int count = static_cast<int>(end - i < Lanes::kPanels ? end - i : Lanes::kPanels);
      panel(rows, m0, m1, w.as<std::byte>() + (expert * panels + i) * bytes, bytes, count, o, i * kPanelRows,
            (i + count) * kPanelRows);
    }
  });
  parallel_for(*c.parallel, order.choices, [&](std::int64_t i, int) {
    __builtin_memcpy(c.out[0].as<float>() + order.choice[i] * n, o.c + i * n, static_cast<std::size_t>(n) * 4);
  });
  return {};
}

std::size_t expert_blocks_scratch(const KernelQuery& q) noexcept {
  const Shape& w = q.input(1).shape;
  return ExpertScratch(q.input(2).shape.numel(), w[0], w[1], w[2]).total;
}

Refusal accepts_expert_blocks(const KernelQuery& q) noexcept {
  const OperandDesc& w = q.input(1);
  if (block_form(w.dtype) == nullptr) return "the weights are in no encoding that has panels";
  if (!w.constant || w.dynamic) return "the weights are not constant";
  if (w.shape[2] < 1 || w.shape[2] % kCodeGroup != 0 || w.shape[2] % scale_step(*block_form(w.dtype)) != 0)
    return "a row of the weights is no number of blocks";
  if (w.shape[1] < 1 || w.shape[1] % kPanelRows != 0) return "an expert's rows are no number of panels";
  return nullptr;
}

constexpr Packing kExpertPacking{
    .input = 1, .bytes = expert_panels_bytes, .pack = pack_expert_panels, .format = &matmul_expert_panels};

consteval Kernel expert_blocks_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "ExpertMatMul",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::f32},
          .in{Port::dense, Port::packed, Port::dense},
          .packings = &kExpertPacking,
          .packing_count = 1,
          .accepts = accepts_expert_blocks,
          .scratch_bytes = expert_blocks_scratch,
          .run = run_expert_blocks};
}

}  // namespace
}  // namespace monza::ops
