// OneHot of dense indices: everything is the off value, then an element for each index is the on value. Bound by
// writing the output once.
#include "kernel/kernel.h"
#include "ops/move/move.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kFill = 16384;  ///< elements of a task

template <typename T, typename Index>
Status one_hot(const KernelContext& c) {
  const auto axis = static_cast<int>(c.params_as<OneHotParams>().axis);
  const Shape& out = c.out[0].shape;
  const T *values = c.in[2].as<const T>(), off = values[0], on = values[1];
  const Index* indices = c.in[0].as<const Index>();
  T* to = c.out[0].as<T>();
  std::int64_t outer = 1, inner = 1;
  for (int a = 0; a < axis; ++a) outer *= out[a];
  for (int a = axis + 1; a < out.rank; ++a) inner *= out[a];
  const std::int64_t depth = out[axis], slice = depth * inner;
  if (outer * slice == 0) return {};
  const std::int64_t each = kFill / slice < 1 ? 1 : kFill / slice;
  parallel_for(*c.parallel, (outer + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t begin = task * each, end = begin + each < outer ? begin + each : outer;
    for (std::int64_t i = begin * slice; i < end * slice; ++i) to[i] = off;
    for (std::int64_t o = begin; o < end; ++o)
      for (std::int64_t i = 0; i < inner; ++i) {
        std::int64_t at = static_cast<std::int64_t>(indices[o * inner + i]);
        if (at < 0) at += depth;
        if (at >= 0 && at < depth) to[o * slice + at * inner + i] = on;
      }
  });
  return {};
}

template <typename T>
Status one_hot_of(const KernelContext& c) {
  return c.in[0].dtype == DType::i64 ? one_hot<T, std::int64_t>(c) : one_hot<T, std::int32_t>(c);
}

Status run_one_hot(const KernelContext& c) noexcept {
  switch (dtype_bits(c.out[0].dtype)) {
    case 8: return one_hot_of<std::uint8_t>(c);
    case 16: return one_hot_of<std::uint16_t>(c);
    case 32: return one_hot_of<std::uint32_t>(c);
    default: return one_hot_of<std::uint64_t>(c);
  }
}

Refusal accepts_one_hot(const KernelQuery& q) noexcept {
  if (static_cast<const OneHotParams*>(q.params)->reports != 0) return "needs a depth that is known at build";
  if (q.input(0).dtype != DType::i64 && q.input(0).dtype != DType::i32) return "takes indices of i32 and i64";
  const int bits = dtype_bits(q.out[0].dtype);
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? nullptr : "moves elements of 1, 2, 4 and 8 bytes";
}

}  // namespace

extern const Kernel one_hot_rows_avx2{
    .name = "one_hot_rows_avx2", .op = "OneHot", .needs = Isa::avx2, .accepts = accepts_one_hot, .run = run_one_hot};

}  // namespace monza::ops
