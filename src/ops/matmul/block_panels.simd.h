// How kernels keep weights in block encodings: panels of 16 rows, each with its codes first and its scales behind them.
//
//   codes : for each group of 32 elements of K, eight steps of four. A step is 64 bytes: four elements of row 0, of row
//   1,
//           and so on, unsigned. With 4 bits, bytes of step s hold step s + 4 of the group in their upper half.
//   scales: plain encodings: for each group of 32, f16 for each row; then, where there are minimums, those.
//           super-blocks: for each 256 elements, a byte for each row and group, then for minimums; then d and m, f16.
//
// A weight is (code - offset) * scale + minimum (plain), or - minimum (super-blocks). Every bit of the encoding is
// kept, in no more bytes but for rows that fill the last panel, with zeros.
#pragma once

#include "kernel/kernel.h"
#include "monza/dtype.h"

namespace monza::ops {

/// What a panel is made of.
struct BlockForm {
  DType dtype = DType::invalid;
  int bits = 8;        ///< of a code
  int offset = 0;      ///< that codes are unsigned by
  int group = 32;      ///< elements with a scale of their own
  bool super = false;  ///< scales are bytes, times d
  bool minimum = false;
};

inline constexpr BlockForm kBlockForms[] = {
    {DType::q4_0, 4, 8, 32, false, false},   {DType::q4_1, 4, 0, 32, false, true},
    {DType::q5_0, 8, 16, 32, false, false},  {DType::q5_1, 8, 0, 32, false, true},
    {DType::q8_0, 8, 128, 32, false, false}, {DType::q4_k, 4, 0, 32, true, true},
    {DType::q5_k, 8, 0, 32, true, true},     {DType::q6_k, 8, 32, 16, true, false},
};
/// Null for types that have no panels.
constexpr const BlockForm* block_form(DType type) {
  for (const BlockForm& form : kBlockForms)
    if (form.dtype == type) return &form;
  return nullptr;
}

constexpr int kPanelRows = 16, kCodeGroup = 32, kSuperBlock = 256;

constexpr std::int64_t code_bytes(const BlockForm& f) { return kPanelRows * kCodeGroup * f.bits / 8; }
/// Of what scales are told for at a time: 32 elements, or a super-block.
constexpr std::int64_t scale_step(const BlockForm& f) { return f.super ? kSuperBlock : kCodeGroup; }
constexpr std::int64_t scale_bytes(const BlockForm& f) {
  const int of_groups = f.super ? kSuperBlock / f.group * kPanelRows : 0, of_halves = 2 * kPanelRows;
  return (of_groups + of_halves) * (f.minimum ? 2 : 1);
}
/// Bytes of a panel of rows of k elements, a multiple of the encoding's block.
constexpr std::int64_t panel_bytes(const BlockForm& f, std::int64_t k) {
  return (k / kCodeGroup * code_bytes(f) + k / scale_step(f) * scale_bytes(f) + 63) / 64 * 64;
}

// Defined in block_panels.any.cpp.
extern const PackedFormat matmul_block_panels;
/// Packing::pack of a weight [N, K] in one of the forms.
void pack_block_panels(const KernelQuery& q, std::byte* packed) noexcept;
/// Packing::bytes.
std::size_t block_panels_bytes(const KernelQuery& q) noexcept;

// The same of a weight [experts, N, K] whose N is a multiple of kPanelRows. Defined in expert_panels.any.cpp.
extern const PackedFormat matmul_expert_panels;
void pack_expert_panels(const KernelQuery& q, std::byte* packed) noexcept;
std::size_t expert_panels_bytes(const KernelQuery& q) noexcept;

}  // namespace monza::ops
