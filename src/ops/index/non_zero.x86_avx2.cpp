// NonZero of dense tensors, row by row: places of the last axis are written without a branch, those of the others are
// the same for a row. Two passes over the input, as where the indices of an axis begin depends on how many there are.
#include <cstdint>

#include "kernel/kernel.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Anything but 0; the bits of -0 are not 0.
template <typename T>
MONZA_INLINE bool counts(T v) {
  return v != T(0);
}

template <typename T>
Status non_zero(const KernelContext& c) {
  const Shape& x = c.in[0].shape;
  const T* from = c.in[0].as<const T>();
  auto* out = c.out[0].as<std::int64_t>();
  const std::int64_t all = x.numel();
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < all; ++i) count += counts(from[i]);
  c.extents[0] = count;
  const int last = x.rank - 1;
  const std::int64_t width = last >= 0 ? x[last] : 1, rows = width > 0 ? all / width : 0;
  std::int64_t index[kMaxRank] = {}, k = 0;
  for (std::int64_t row = 0; row < rows && k < count; ++row, from += width) {
    const std::int64_t first = k;
    std::int64_t* const places = last >= 0 ? out + last * count : nullptr;
    for (std::int64_t i = 0; i < width && k < count; ++i) {
      if (last >= 0) places[k] = i;
      k += counts(from[i]);
    }
    for (int a = 0; a < last; ++a)
      for (std::int64_t i = first; i < k; ++i) out[a * count + i] = index[a];
    for (int a = last - 1; a >= 0 && ++index[a] == x[a]; --a) index[a] = 0;
  }
  return {};
}

Status run_non_zero(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::boolean:
    case DType::u8: return non_zero<std::uint8_t>(c);
    case DType::i32: return non_zero<std::int32_t>(c);
    case DType::i64: return non_zero<std::int64_t>(c);
    default: return non_zero<float>(c);
  }
}

Refusal accepts_non_zero(const KernelQuery& q) noexcept {
  switch (q.input(0).dtype) {
    case DType::boolean:
    case DType::u8:
    case DType::i32:
    case DType::i64:
    case DType::f32: return nullptr;
    default: return "takes booleans, u8, i32, i64 and f32";
  }
}

}  // namespace

extern const Kernel non_zero_rows_avx2{.name = "non_zero_rows_avx2",
                                       .op = "NonZero",
                                       .needs = Isa::avx2,
                                       .accepts = accepts_non_zero,
                                       .run = run_non_zero};

}  // namespace monza::ops
