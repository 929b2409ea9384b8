// Copy: strided to strided (ops/shared/copy.simd.h), and to and from blocks of channels.
#pragma once

#include "ops/shared/copy.simd.h"

namespace monza::ops {
namespace {

Refusal accepts(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.in[0].dtype);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return "moves elements of 1, 2, 4 and 8 bytes";
  const Layout in = q.in[0].layout, out = q.out[0].layout;
  if (in != Layout::strided && out != Layout::strided && in != out) return "blocks of 8 against blocks of 16";
  if ((in != Layout::strided || out != Layout::strided) && q.in[0].shape.rank >= kMaxRank)
    return "the shape has no room for an axis inside of blocks";
  return nullptr;
}

/// `count` channels from `first` on as a strided view whose last axis goes through the lanes of a block and whose axis
/// of channels goes from block to block; `first` begins a block, `count` is whole blocks or a part of one.
MONZA_INLINE TensorView lanes_view(const TensorView& v, std::int64_t first, std::int64_t count, std::int64_t block) {
  TensorView to = v;
  const bool blocked = v.layout != Layout::strided;
  to.layout = Layout::strided;
  to.data = v.as<std::byte>() + (blocked ? first / block : first) * v.stride[1] * (dtype_bits(v.dtype) / 8);
  const int last = to.shape.rank++;
  to.shape[1] = (count + block - 1) / block;
  to.stride[1] = blocked ? v.stride[1] : v.stride[1] * block;
  to.shape[last] = count < block ? count : block;
  to.stride[last] = blocked ? 1 : v.stride[1];
  return to;
}

Status run(const KernelContext& c) noexcept {
  const TensorView &in = c.in[0], &out = c.out[0];
  const Layout layout = out.layout != Layout::strided ? out.layout : in.layout;
  if (out.shape.numel() == 0) return {};
  if (layout == Layout::strided) {
    copy_strided(in, out, *c.parallel);
    return {};
  }
  const std::int64_t block = layout == Layout::blocked8 ? 8 : 16, tail = out.shape[1] % block,
                     whole = out.shape[1] - tail, size = dtype_bits(out.dtype) / 8;
  if (whole > 0) copy_strided(lanes_view(in, 0, whole, block), lanes_view(out, 0, whole, block), *c.parallel);
  if (tail == 0) return {};
  if (out.layout != Layout::strided) {
    // The padding of the last block is zero.
    const std::int64_t bytes = out.shape.count(2, out.shape.rank) * block * size;
    for (std::int64_t n = 0; n < out.shape[0]; ++n)
      std::memset(out.as<std::byte>() + (n * out.stride[0] + whole / block * out.stride[1]) * size, 0,
                  static_cast<std::size_t>(bytes));
  }
  copy_strided(lanes_view(in, whole, tail, block), lanes_view(out, whole, tail, block), *c.parallel);
  return {};
}

consteval Kernel copy_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "Copy",
          .needs = needs,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts,
          .run = run};
}

}  // namespace
}  // namespace monza::ops
