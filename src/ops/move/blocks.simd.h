// DepthToSpace and SpaceToDepth: strided copies over the axes of blocks.
#pragma once

#include "ops/move/move.params.h"
#include "ops/shared/copy.simd.h"

namespace monza::ops {
namespace {

Refusal accepts_blocks(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.in[0].dtype);
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? nullptr : "moves elements of 1, 2, 4 and 8 bytes";
}

Status run_depth_to_space(const KernelContext& c) noexcept {
  const BlockViews v = block_views(c.params_as<BlockParams>(), c.in[0], c.out[0]);
  copy_strided(v.deep, v.wide, *c.parallel);
  return {};
}

Status run_space_to_depth(const KernelContext& c) noexcept {
  const BlockViews v = block_views(c.params_as<BlockParams>(), c.out[0], c.in[0]);
  copy_strided(v.wide, v.deep, *c.parallel);
  return {};
}

consteval Kernel blocks_kernel(const char* name, const char* op, Isa needs,
                               Status (*run)(const KernelContext&) noexcept) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts_blocks,
          .run = run};
}

}  // namespace
}  // namespace monza::ops
