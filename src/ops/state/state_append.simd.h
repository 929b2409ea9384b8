// StateAppend over a batch of sequences in pages: rows are converted a vector at a time and written where the block
// tables say. Positions do not depend on each other, so a task is some of them. Bound by the rows that it reads.
#pragma once

#include "kernel/kernel.h"
#include "kernel/state.h"
#include "ops/state/state.params.h"
#include "simd/convert.h"
#include "simd/lanes.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kTaskBytes = 64 << 10;  // of rows: less is not worth waking a thread

/// Elements and scale of a vector, with the bits of the reference.
MONZA_INLINE void encode_i8(const StateFormat& f, const float* from, std::byte* to) {
  Vec largest = Vec::zero(), odd = Vec::zero();
  for (std::int64_t i = 0; i < f.width; i += Vec::kWidth) {
    const std::int64_t left = f.width - i;
    const Vec x = left < Vec::kWidth ? Vec::load(from + i, Vec::mask(left)) : Vec::load(from + i);
    largest = max(largest, abs(x));
    odd = odd + (x - x);  // 0, or NaN where x is no number
  }
  const float scale = any_nan(odd) ? __builtin_nanf("") : lane_max(largest) / 127;
  if (scale > 0) {
    const Vec s = Vec::set(scale), low = Vec::set(-127.0f), high = Vec::set(127.0f);
    narrow_row(from, f.width, 1, to, [=](Vec x, std::byte* p) __attribute__((always_inline)) {
      narrow_i8(min(high, max(low, round(x / s))), p);  // a subnormal scale is inexact
    });
  } else {
    __builtin_memset(to, 0, static_cast<std::size_t>(f.width));
  }
  __builtin_memcpy(to + scale_offset(f), &scale, sizeof scale);
}

/// A position's vectors, one after the other.
MONZA_INLINE void encode_position(const StateFormat& f, const float* from, std::byte* to) {
  switch (f.dtype) {
    case DType::f16: return narrow_row(from, f.vectors * f.width, 2, to, narrow_f16);
    case DType::bf16: return narrow_row(from, f.vectors * f.width, 2, to, narrow_bf16);
    default:
      for (std::int64_t v = 0; v < f.vectors; ++v) encode_i8(f, from + v * f.width, to + v * f.vector_bytes);
  }
}

Status run_state_append(const KernelContext& c) noexcept {
  if (const Status s = check_state_append(c); !s) return s;
  const StateView& s = c.state[0];
  const StateFormat& f = s.format;
  const std::int64_t n = c.in[1].shape[0], elements = f.vectors * f.width;
  const bool converts = c.in[1].dtype != f.dtype;
  const std::int64_t row_bytes = converts ? elements * static_cast<std::int64_t>(sizeof(float)) : f.position_bytes;
  const std::int64_t each = row_bytes < kTaskBytes ? kTaskBytes / (row_bytes + 1) + 1 : 1;
  parallel_for(*c.parallel, (n + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = n - task * each < each ? n : (task + 1) * each;
    std::int64_t r = row_of(s, task * each);
    for (std::int64_t i = task * each; i < end; ++i) {
      while (new_end(s, r, n) <= i) ++r;
      const StateRow& row = s.rows[r];
      const std::byte* from = c.in[1].as<std::byte>() + i * row_bytes;
      std::byte* to = position_at(s, row, row.length + row.appended + i - new_begin(s, r));
      if (converts) encode_position(f, reinterpret_cast<const float*>(from), to);
      else __builtin_memcpy(to, from, static_cast<std::size_t>(row_bytes));
    }
  });
  for (std::int64_t r = 0; r < s.row_count; ++r) s.rows[r].appended += new_end(s, r, n) - new_begin(s, r);
  return {};
}

consteval Kernel state_append_kernel(const char* name, Isa needs) {
  return {.name = name, .op = "StateAppend", .needs = needs, .in{Port::dense}, .run = run_state_append};
}

}  // namespace
}  // namespace monza::ops
