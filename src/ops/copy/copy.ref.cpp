// Copy(x): the same elements under other strides or another layout. The planner's conversion between places.
#include <cstring>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Element offset of a logical index, blocked layouts included.
std::int64_t offset_of(const TensorView& v, const std::int64_t* index) {
  std::int64_t at = 0;
  for (int a = 0; a < v.shape.rank; ++a) {
    if (v.layout != Layout::strided && a == 1) {
      const std::int64_t block = v.layout == Layout::blocked8 ? 8 : 16;
      at += index[a] / block * v.stride[a] + index[a] % block;
    } else {
      at += index[a] * v.stride[a];
    }
  }
  return at;
}

Status run_strided_copy(const KernelContext& c) noexcept {
  const TensorView &in = c.in[0], &out = c.out[0];
  const int bits = dtype_bits(in.dtype);
  const std::int64_t count = out.shape.numel();
  if (count == 0) return {};
  if (bits < 8) {
    // Sub-byte elements are never views of parts: both sides are dense bytes.
    if (!in.dense() || !out.dense()) return {StatusCode::internal, "sub-byte tensors are copied whole"};
    const std::int64_t bytes = bits == 0 ? 0 : (count * bits + 7) / 8;
    if (bits == 0) return {StatusCode::internal, "block-encoded tensors are not copied"};
    std::memcpy(out.data, in.data, static_cast<std::size_t>(bytes));
    return {};
  }
  const std::int64_t size = bits / 8;
  if (out.layout != Layout::strided) {
    // The padding of the last channel block is zero.
    const std::int64_t block = out.layout == Layout::blocked8 ? 8 : 16, tail = out.shape[1] % block;
    const std::int64_t pixels = out.shape.count(2, out.shape.rank);
    for (std::int64_t n = 0; tail != 0 && n < out.shape[0]; ++n)
      std::memset(out.as<std::byte>() + (n * out.stride[0] + out.shape[1] / block * out.stride[1]) * size, 0,
                  static_cast<std::size_t>(pixels * block * size));
  }
  std::int64_t index[kMaxRank] = {};
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(out.as<std::byte>() + offset_of(out, index) * size, in.as<std::byte>() + offset_of(in, index) * size,
                static_cast<std::size_t>(size));
    for (int a = out.shape.rank - 1; a >= 0 && ++index[a] == out.shape[a]; --a) index[a] = 0;
  }
  return {};
}

}  // namespace

extern const Kernel copy_ref = reference_kernel("copy_ref", "Copy", run_strided_copy);

}  // namespace monza::ops
