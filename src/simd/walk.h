// Pointwise loops over strided operands: axes are sorted by the output's strides and merged, so that dense,
// channel-last and sliced tensors all become a few outer axes around long runs. Included by ISA files only.
//
// Memory-bound for cheap functions: one pass, each element read and written once; a run's operands step by 0 or 1
// element wherever the tensors share an innermost axis, and only other steps are gathered through a small buffer.
#pragma once

#include "kernel/kernel.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

/// Axes of an output with N inputs broadcast to it, outermost first; operand 0 is the output.
template <int N>
struct Walk {
  int rank = 0;
  std::int64_t extent[kMaxRank];
  std::int64_t stride[N + 1][kMaxRank];
  std::int64_t count = 1;

  MONZA_INLINE Walk(const TensorView& out, const TensorView* const* in) {
    const Shape& shape = out.shape;
    // Blocks of channels come to uniform ports alone: all operands lie alike and without gaps, so their elements are
    // taken as they follow each other.
    if (out.layout != Layout::strided) {
      rank = 1;
      extent[0] = count = shape.numel();
      for (int k = 0; k <= N; ++k) stride[k][0] = 1;
      return;
    }
    for (int a = 0; a < shape.rank; ++a) {
      count *= shape[a];
      if (shape[a] == 1) continue;
      std::int64_t s[N + 1];
      s[0] = out.stride[a];
      for (int k = 0; k < N; ++k) {
        const int own = a - (shape.rank - in[k]->shape.rank);
        s[k + 1] = own < 0 || in[k]->shape[own] == 1 ? 0 : in[k]->stride[own];
      }
      int at = rank++;
      for (; at > 0 && stride[0][at - 1] < s[0]; --at) {
        extent[at] = extent[at - 1];
        for (int k = 0; k <= N; ++k) stride[k][at] = stride[k][at - 1];
      }
      extent[at] = shape[a];
      for (int k = 0; k <= N; ++k) stride[k][at] = s[k];
    }
    int merged = 0;
    for (int a = 1; a < rank; ++a) {
      bool fits = true;
      for (int k = 0; k <= N; ++k) fits = fits && stride[k][merged] == stride[k][a] * extent[a];
      if (!fits) ++merged;
      extent[merged] = fits ? extent[merged] * extent[a] : extent[a];
      for (int k = 0; k <= N; ++k) stride[k][merged] = stride[k][a];
    }
    if (rank == 0) {
      rank = 1;
      extent[0] = 1;
      for (int k = 0; k <= N; ++k) stride[k][0] = k == 0;
    } else {
      rank = merged + 1;
    }
  }

  /// Calls run(offsets, n) for runs of n elements along the last axis that cover elements [begin, end).
  template <typename F>
  MONZA_INLINE void range(std::int64_t begin, std::int64_t end, F&& run) const {
    std::int64_t index[kMaxRank], at[N + 1] = {}, rest = begin;
    for (int a = rank - 1; a >= 0; --a) {
      index[a] = rest % extent[a];
      rest /= extent[a];
      for (int k = 0; k <= N; ++k) at[k] += index[a] * stride[k][a];
    }
    const int last = rank - 1;
    while (begin < end) {
      const std::int64_t left = extent[last] - index[last];
      const std::int64_t n = end - begin < left ? end - begin : left;
      run(static_cast<const std::int64_t*>(at), n);
      begin += n;
      index[last] += n;
      for (int k = 0; k <= N; ++k) at[k] += n * stride[k][last];
      for (int a = last; a > 0 && index[a] == extent[a]; --a) {
        for (int k = 0; k <= N; ++k) at[k] += stride[k][a - 1] - extent[a] * stride[k][a];
        index[a] = 0;
        ++index[a - 1];
      }
    }
  }
};

constexpr int kStage = 256;

/// A run's operand as something that loads vectors: contiguous, one value, or gathered into a buffer before.
MONZA_INLINE void gather(const float* from, std::int64_t step, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * step];
}

/// out[i] = f(in 0[i], ..) for n elements; operand k steps by step[k] in {0, 1}.
template <int N, typename F>
MONZA_INLINE void flat(float* out, const float* const* in, const bool* moves, std::int64_t n, F&& f) {
  const float* from[N];  // a store of vectors might change in[]
  Vec fixed[N];
  for (int k = 0; k < N; ++k) {
    from[k] = in[k];
    fixed[k] = Vec::set(n > 0 ? from[k][0] : 0);
  }
  const auto pass = [&](auto m0, auto m1, auto m2) __attribute__((always_inline)) {
    std::int64_t i = 0;
    const auto get = [&](int k, bool move, auto... mask)
                         __attribute__((always_inline)) { return move ? Vec::load(from[k] + i, mask...) : fixed[k]; };
    const auto apply = [&](auto... mask) __attribute__((always_inline)) {
      if constexpr (N == 1) return f(get(0, m0(), mask...));
      else if constexpr (N == 2) return f(get(0, m0(), mask...), get(1, m1(), mask...));
      else return f(get(0, m0(), mask...), get(1, m1(), mask...), get(2, m2(), mask...));
    };
    for (; i + Vec::kWidth <= n; i += Vec::kWidth) apply().store(out + i);
    if (i < n) {
      const Vec::Mask mask = Vec::mask(n - i);
      apply(mask).store(out + i, mask);
    }
  };
  const auto yes = [] { return true; };
  const auto no = [] { return false; };
  if constexpr (N == 1) {
    if (moves[0]) pass(yes, no, no);
    else pass(no, no, no);
  } else if constexpr (N == 2) {
    if (moves[0] && moves[1]) pass(yes, yes, no);
    else if (moves[0]) pass(yes, no, no);
    else if (moves[1]) pass(no, yes, no);
    else pass(no, no, no);
  } else {
    if (moves[0] && moves[1] && moves[2]) pass(yes, yes, yes);
    else if (moves[0] && !moves[1] && !moves[2]) pass(yes, no, no);
    else {
      const bool a = moves[0], b = moves[1], c = moves[2];
      pass([a] { return a; }, [b] { return b; }, [c] { return c; });
    }
  }
}

/// What flat() does with one function. The loops around it are the same for every function, and are compiled once for
/// each N: a run calls it through a pointer.
template <int N>
struct Flat {
  void (*run)(const void* f, float* out, const float* const* in, const bool* moves, std::int64_t n);
  const void* f;
  template <typename F>
  explicit Flat(const F& function) : run(of<F>), f(&function) {}
  MONZA_INLINE void operator()(float* out, const float* const* in, const bool* moves, std::int64_t n) const {
    run(f, out, in, moves, n);
  }

 private:
  template <typename F>
  static void of(const void* f, float* out, const float* const* in, const bool* moves, std::int64_t n) {
    flat<N>(out, in, moves, n, *static_cast<const F*>(f));
  }
};

/// Elements that a task takes: enough work to be worth waking a thread, small enough to spread evenly.
constexpr std::int64_t kTaskElements = 16384;

/// Runs below this many elements are collected, others are worth a call: rows of 8 take half the time so.
constexpr std::int64_t kShortRun = 24;

/// `rows` short runs of n elements, `down` apart, `step` inside: to `to`, one after another.
MONZA_INLINE void gather_rows(const float* from, std::int64_t down, std::int64_t step, std::int64_t rows,
                              std::int64_t n, float* to) {
  if (n == 2 && step == 1) {
    for (std::int64_t r = 0; r < rows; ++r) __builtin_memcpy(to + 2 * r, from + r * down, 8);
  } else if (n == 4 && step == 1) {
    for (std::int64_t r = 0; r < rows; ++r) __builtin_memcpy(to + 4 * r, from + r * down, 16);
  } else {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < n; ++i) to[r * n + i] = from[r * down + i * step];
  }
}
/// The inverse.
MONZA_INLINE void scatter_rows(const float* from, std::int64_t down, std::int64_t step, std::int64_t rows,
                               std::int64_t n, float* to) {
  if (n == 2 && step == 1) {
    for (std::int64_t r = 0; r < rows; ++r) __builtin_memcpy(to + r * down, from + 2 * r, 8);
  } else if (n == 4 && step == 1) {
    for (std::int64_t r = 0; r < rows; ++r) __builtin_memcpy(to + r * down, from + 4 * r, 16);
  } else {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < n; ++i) to[r * down + i * step] = from[r * n + i];
  }
}

/// Slices of a short last axis ([boxes, 4] cut to [boxes, 2]) have runs of a few elements: a vector for each would be
/// nearly empty, so rows are collected in a buffer of whole vectors, and spread again.
template <int N>
void pointwise_short(Parallel& parallel, const TensorView& out, const TensorView* const* in, const Walk<N>& walk,
                     const Flat<N>& f) {
  const int last = walk.rank - 1, before = last - 1;
  const std::int64_t n = walk.extent[last], rows = walk.extent[before], group = kStage / n;
  const std::int64_t groups = (rows + group - 1) / group, total = walk.count / (rows * n) * groups;
  const std::int64_t each = kTaskElements / kStage;
  parallel_for(parallel, (total + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < total ? (task + 1) * each : total;
    for (std::int64_t g = task * each; g < end; ++g) {
      std::int64_t rest = g / groups, at[N + 1];
      const std::int64_t first = g % groups * group, count = rows - first < group ? rows - first : group;
      for (int k = 0; k <= N; ++k) at[k] = first * walk.stride[k][before];
      for (int a = before - 1; a >= 0; --a) {
        for (int k = 0; k <= N; ++k) at[k] += rest % walk.extent[a] * walk.stride[k][a];
        rest /= walk.extent[a];
      }
      float buffer[N + 1][kStage];
      const float* q[N];
      bool moves[N];
      for (int k = 0; k < N; ++k) {
        const float* from = in[k]->template as<float>() + at[k + 1];
        const std::int64_t down = walk.stride[k + 1][before], step = walk.stride[k + 1][last];
        moves[k] = down != 0 || step != 0;
        q[k] = from;
        if (!moves[k] || (step == 1 && down == n)) continue;
        gather_rows(from, down, step, count, n, buffer[k]);
        q[k] = buffer[k];
      }
      const std::int64_t down = walk.stride[0][before], step = walk.stride[0][last];
      float* o = out.template as<float>() + at[0];
      const bool whole = step == 1 && down == n;
      f(whole ? o : buffer[N], q, moves, count * n);
      if (!whole) scatter_rows(buffer[N], down, step, count, n, o);
    }
  });
}

template <int N>
void pointwise_any(Parallel& parallel, const TensorView& out, const TensorView* const* in, const Flat<N>& f) {
  const Walk<N> walk(out, in);
  if (walk.count == 0) return;
  if (walk.rank > 1 && walk.extent[walk.rank - 1] < kShortRun && walk.extent[walk.rank - 2] > 1)
    return pointwise_short<N>(parallel, out, in, walk, f);
  const std::int64_t tasks = (walk.count + kTaskElements - 1) / kTaskElements;
  parallel_for(parallel, tasks, [&](std::int64_t task, int) {
    const std::int64_t begin = task * kTaskElements;
    const std::int64_t end = begin + kTaskElements < walk.count ? begin + kTaskElements : walk.count;
    const int last = walk.rank - 1;
    bool moves[N], staged = walk.stride[0][last] != 1;
    for (int k = 0; k < N; ++k) {
      const std::int64_t step = walk.stride[k + 1][last];
      moves[k] = step != 0;
      staged = staged || (step != 0 && step != 1);
    }
    walk.range(begin, end, [&](const std::int64_t* at, std::int64_t n) {
      float* o = out.template as<float>() + at[0];
      const float* p[N];
      for (int k = 0; k < N; ++k) p[k] = in[k]->template as<float>() + at[k + 1];
      if (!staged) {
        f(o, p, moves, n);
        return;
      }
      float buffer[N + 1][kStage];
      for (std::int64_t i = 0; i < n; i += kStage) {
        const std::int64_t m = n - i < kStage ? n - i : kStage;
        const float* q[N];
        for (int k = 0; k < N; ++k) {
          const std::int64_t step = walk.stride[k + 1][last];
          q[k] = p[k] + i * step;
          if (step == 0 || step == 1) continue;
          gather(q[k], step, buffer[k], m);
          q[k] = buffer[k];
        }
        const std::int64_t step = walk.stride[0][last];
        f(step == 1 ? o + i : buffer[N], q, moves, m);
        if (step != 1)
          for (std::int64_t j = 0; j < m; ++j) o[(i + j) * step] = buffer[N][j];
      }
    });
  });
}

/// out = f(inputs) elementwise on all threads; f is called with one vector for each input.
template <int N, typename F>
MONZA_INLINE void pointwise(Parallel& parallel, const TensorView& out, const TensorView* const* in, const F& f) {
  pointwise_any<N>(parallel, out, in, Flat<N>(f));
}

}  // namespace
}  // namespace monza::ops
