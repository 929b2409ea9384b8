// Moving elements between strided places at the speed of memory: the floor is 2 * bytes / bandwidth.
//
// Axes that are contiguous on both sides are merged. If the innermost merged axis has stride 1 on both sides,
// whole runs are copied; otherwise the kernel moves 16 x 16 tiles of the two axes that are contiguous on one
// side each, so that every cache line fetched is used while it is there (a blocked transposition).
// Tiles whose sides are contiguous go through registers where there is AVX2.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernel/kernel.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

struct Axis {
  std::int64_t extent, in, out;  // strides in elements
};

/// Where element j of a tile's columns lies in the input.
struct Strided {
  std::int64_t stride;
  std::int64_t operator()(std::int64_t j) const { return j * stride; }
};
/// Two axes that follow each other in the output, the inner one short: as between depth and space.
struct Composed {
  std::int64_t extent, inner, outer;  // of the inner axis, and the strides of both
  std::int64_t operator()(std::int64_t j) const { return j % extent * inner + j / extent * outer; }
};

/// Extents of 1 dropped, axes sorted by the output's stride (largest first), neighbours merged.
int merge_axes(const TensorView& in, const TensorView& out, Axis* axes) {
  int n = 0;
  for (int a = 0; a < out.shape.rank; ++a) {
    if (out.shape[a] == 1) continue;
    Axis x{out.shape[a], in.stride[a], out.stride[a]};
    int at = n++;
    for (; at > 0 && axes[at - 1].out < x.out; --at) axes[at] = axes[at - 1];
    axes[at] = x;
  }
  int kept = 0;
  for (int a = 0; a < n; ++a) {
    Axis* last = kept > 0 ? &axes[kept - 1] : nullptr;
    if (last && last->in == axes[a].in * axes[a].extent && last->out == axes[a].out * axes[a].extent) {
      last->extent *= axes[a].extent;
      last->in = axes[a].in;
      last->out = axes[a].out;
    } else {
      axes[kept++] = axes[a];
    }
  }
  if (kept == 0) axes[kept++] = {1, 1, 1};
  return kept;
}

template <typename T, typename From>
void tile(const T* in, T* out, const Axis& r, const Axis& c, const From& from, std::int64_t r0, std::int64_t r1,
          std::int64_t c0, std::int64_t c1) {
  for (std::int64_t i = r0; i < r1; ++i)
    for (std::int64_t j = c0; j < c1; ++j) out[i * r.out + j * c.out] = in[i * r.in + from(j)];
}

#if defined(__AVX2__)
/// 16 x 16 bytes: in[from(j0 + j) + i] to out[i * out_stride + j].
template <typename From>
MONZA_INLINE void transpose_block(const std::uint8_t* in, const From& from, std::int64_t j0, std::uint8_t* out,
                                  std::int64_t out_stride) {
  __m128i a[16], b[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + from(j0 + j)));
  // Four rounds of interleaving, each doubling the run of elements of one row.
#pragma GCC unroll 16
  for (int j = 0; j < 8; ++j) {
    b[2 * j] = _mm_unpacklo_epi8(a[j], a[j + 8]);
    b[2 * j + 1] = _mm_unpackhi_epi8(a[j], a[j + 8]);
  }
#pragma GCC unroll 16
  for (int j = 0; j < 8; ++j) {
    a[2 * j] = _mm_unpacklo_epi8(b[j], b[j + 8]);
    a[2 * j + 1] = _mm_unpackhi_epi8(b[j], b[j + 8]);
  }
#pragma GCC unroll 16
  for (int j = 0; j < 8; ++j) {
    b[2 * j] = _mm_unpacklo_epi8(a[j], a[j + 8]);
    b[2 * j + 1] = _mm_unpackhi_epi8(a[j], a[j + 8]);
  }
#pragma GCC unroll 16
  for (int j = 0; j < 8; ++j) {
    a[2 * j] = _mm_unpacklo_epi8(b[j], b[j + 8]);
    a[2 * j + 1] = _mm_unpackhi_epi8(b[j], b[j + 8]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * out_stride), a[i]);
}

/// 8 x 8 elements of two bytes.
template <typename From>
MONZA_INLINE void transpose_block(const std::uint16_t* in, const From& from, std::int64_t j0, std::uint16_t* out,
                                  std::int64_t out_stride) {
  __m128i a[8], b[8];
#pragma GCC unroll 16
  for (int j = 0; j < 8; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + from(j0 + j)));
#pragma GCC unroll 16
  for (int j = 0; j < 4; ++j) {
    b[2 * j] = _mm_unpacklo_epi16(a[j], a[j + 4]);
    b[2 * j + 1] = _mm_unpackhi_epi16(a[j], a[j + 4]);
  }
#pragma GCC unroll 16
  for (int j = 0; j < 4; ++j) {
    a[2 * j] = _mm_unpacklo_epi16(b[j], b[j + 4]);
    a[2 * j + 1] = _mm_unpackhi_epi16(b[j], b[j + 4]);
  }
#pragma GCC unroll 16
  for (int j = 0; j < 4; ++j) {
    b[2 * j] = _mm_unpacklo_epi16(a[j], a[j + 4]);
    b[2 * j + 1] = _mm_unpackhi_epi16(a[j], a[j + 4]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * out_stride), b[i]);
}

/// 8 x 8 elements of four bytes.
template <typename From>
MONZA_INLINE void transpose_block(const std::uint32_t* in, const From& from, std::int64_t j0, std::uint32_t* out,
                                  std::int64_t out_stride) {
  const float* values = reinterpret_cast<const float*>(in);
  __m256 a[8], b[8];
  // Halves of columns j and j + 4 share a register, so that the last round stays within 128-bit lanes.
#pragma GCC unroll 16
  for (int j = 0; j < 4; ++j) {
    const float *p = values + from(j0 + j), *q = values + from(j0 + j + 4);
    a[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
    a[j + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4)), _mm_loadu_ps(q + 4), 1);
  }
#pragma GCC unroll 16
  for (int half = 0; half < 8; half += 4) {
    b[half] = _mm256_unpacklo_ps(a[half], a[half + 1]);
    b[half + 1] = _mm256_unpackhi_ps(a[half], a[half + 1]);
    b[half + 2] = _mm256_unpacklo_ps(a[half + 2], a[half + 3]);
    b[half + 3] = _mm256_unpackhi_ps(a[half + 2], a[half + 3]);
    a[half] = _mm256_shuffle_ps(b[half], b[half + 2], 0x44);
    a[half + 1] = _mm256_shuffle_ps(b[half], b[half + 2], 0xee);
    a[half + 2] = _mm256_shuffle_ps(b[half + 1], b[half + 3], 0x44);
    a[half + 3] = _mm256_shuffle_ps(b[half + 1], b[half + 3], 0xee);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) _mm256_storeu_ps(reinterpret_cast<float*>(out) + i * out_stride, a[i]);
}
#endif

#if defined(__AVX2__)
/// Where byte `at` of 16 comes from in vector `part` of three interleaved planes, for the plane `plane`; 0x80: nowhere.
constexpr std::uint8_t interleave_index(int part, int plane, int at) {
  const int k = 16 * part + at;
  return k % 3 == plane ? static_cast<std::uint8_t>(k / 3) : 0x80;
}
struct InterleaveMasks {
  std::uint8_t index[3][3][16] = {};
  constexpr InterleaveMasks() {
    for (int part = 0; part < 3; ++part)
      for (int plane = 0; plane < 3; ++plane)
        for (int at = 0; at < 16; ++at) index[part][plane][at] = interleave_index(part, plane, at);
  }
};

/// Pictures of three planes of bytes to three bytes a pixel, pixels [i0, i1): too narrow for square blocks.
MONZA_INLINE void interleave_planes(const std::uint8_t* in, std::int64_t plane_stride, std::uint8_t* out,
                                    std::int64_t i0, std::int64_t i1) {
  static constexpr InterleaveMasks kMasks;
  std::int64_t i = i0;
  for (; i + 16 <= i1; i += 16) {
    __m128i p[3];
    for (int k = 0; k < 3; ++k) p[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + k * plane_stride + i));
    for (int part = 0; part < 3; ++part) {
      __m128i v = _mm_setzero_si128();
      for (int k = 0; k < 3; ++k)
        v = _mm_or_si128(
            v, _mm_shuffle_epi8(p[k], _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMasks.index[part][k]))));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i + 16 * part), v);
    }
  }
  for (; i < i1; ++i)
    for (int k = 0; k < 3; ++k) out[3 * i + k] = in[k * plane_stride + i];
}
#endif

/// N streams, each contiguous, to N elements in turn: elements [i0, i1) of each. Too narrow for square blocks.
template <int N, typename T>
MONZA_INLINE void interleave(const T* in, std::int64_t stream_stride, T* out, std::int64_t i0, std::int64_t i1) {
  std::int64_t i = i0;
#if defined(__AVX2__)
  if constexpr (N == 2 && sizeof(T) == 4) {
    const float *const a = reinterpret_cast<const float*>(in), *const b = a + stream_stride;
    for (; i + 8 <= i1; i += 8) {
      const __m256 x = _mm256_loadu_ps(a + i), y = _mm256_loadu_ps(b + i);
      const __m256 low = _mm256_unpacklo_ps(x, y), high = _mm256_unpackhi_ps(x, y);
      float* const to = reinterpret_cast<float*>(out + 2 * i);
      _mm256_storeu_ps(to, _mm256_permute2f128_ps(low, high, 0x20));
      _mm256_storeu_ps(to + 8, _mm256_permute2f128_ps(low, high, 0x31));
    }
  }
#endif
  for (; i < i1; ++i)
    for (int k = 0; k < N; ++k) out[N * i + k] = in[k * stream_stride + i];
}

/// The inverse: columns [j0, j1) of N elements that follow each other go to N rows, `row_stride` apart.
template <int N, typename T>
MONZA_INLINE void deinterleave(const T* in, T* out, std::int64_t row_stride, std::int64_t j0, std::int64_t j1) {
  std::int64_t j = j0;
#if defined(__AVX2__)
  if constexpr (N == 3 && sizeof(T) == 1) {
    // Byte i of row k is byte 3 i + k of 48: of the first, second or third vector, which two shuffles leave out.
    alignas(16) std::int8_t picks[3][3][16];
    for (int k = 0; k < 3; ++k)
      for (int v = 0; v < 3; ++v)
        for (int i = 0; i < 16; ++i) {
          const int at = 3 * i + k - 16 * v;
          picks[k][v][i] = static_cast<std::int8_t>(at >= 0 && at < 16 ? at : -1);
        }
    __m128i pick[3][3];
    for (int k = 0; k < 3; ++k)
      for (int v = 0; v < 3; ++v) pick[k][v] = _mm_load_si128(reinterpret_cast<const __m128i*>(picks[k][v]));
    for (; j + 16 <= j1; j += 16) {
      const auto* from = reinterpret_cast<const __m128i*>(in + 3 * j);
      const __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1), c = _mm_loadu_si128(from + 2);
#pragma GCC unroll 3
      for (int k = 0; k < 3; ++k)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + k * row_stride + j),
                         _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, pick[k][0]), _mm_shuffle_epi8(b, pick[k][1])),
                                      _mm_shuffle_epi8(c, pick[k][2])));
    }
  }
#endif
  for (; j < j1; ++j)
    for (int k = 0; k < N; ++k) out[k * row_stride + j] = in[N * j + k];
}

/// A tile, in blocks that fit registers where its rows are contiguous in the input and its columns in the output.
template <typename T, typename From>
void move_tile(const T* in, T* out, const Axis& r, const Axis& c, const From& from, std::int64_t r0, std::int64_t r1,
               std::int64_t c0, std::int64_t c1) {
#if defined(__AVX2__)
  if constexpr (sizeof(T) <= 4) {
    constexpr std::int64_t kSide = sizeof(T) == 1 ? 16 : 8;
    if (r.in == 1 && c.out == 1) {
      const std::int64_t re = r0 + (r1 - r0) / kSide * kSide, ce = c0 + (c1 - c0) / kSide * kSide;
      for (std::int64_t j = c0; j < ce; j += kSide)
        for (std::int64_t i = r0; i < re; i += kSide) transpose_block(in + i, from, j, out + i * r.out + j, r.out);
      tile(in, out, r, c, from, r0, re, ce, c1);
      tile(in, out, r, c, from, re, r1, c0, c1);
      return;
    }
  }
#endif
  tile(in, out, r, c, from, r0, r1, c0, c1);
}

/// The plane of rows `r` (contiguous in the input) and columns `c` (contiguous in the output), rows [r0, r1).
template <typename T, typename From>
void tiles(const T* in, T* out, const Axis& r, const Axis& c, const From& from, std::int64_t r0, std::int64_t r1) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t i = r0; i < r1; i += kTile)
    for (std::int64_t j = 0; j < c.extent; j += kTile)
      move_tile(in, out, r, c, from, i, i + kTile < r1 ? i + kTile : r1, j,
                j + kTile < c.extent ? j + kTile : c.extent);
}

template <typename T>
void plane(const T* in, T* out, const Axis& r, const Axis& c, const Composed& from, std::int64_t r0, std::int64_t r1) {
  if (from.extent > 0) return tiles(in, out, r, c, from, r0, r1);
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 1) {
    if (c.extent == 3 && c.out == 1 && r.in == 1 && r.out == 3) return interleave_planes(in, c.in, out, r0, r1);
  }
#endif
  if (c.out == 1 && r.in == 1 && r.out == c.extent) {
    if (c.extent == 2) return interleave<2>(in, c.in, out, r0, r1);
    if (c.extent == 3) return interleave<3>(in, c.in, out, r0, r1);
    if (c.extent == 4) return interleave<4>(in, c.in, out, r0, r1);
  }
  if (r.in == 1 && c.out == 1 && c.in == r.extent && r0 == 0 && r1 == r.extent) {
    if (r.extent == 2) return deinterleave<2>(in, out, r.out, 0, c.extent);
    if (r.extent == 3) return deinterleave<3>(in, out, r.out, 0, c.extent);
    if (r.extent == 4) return deinterleave<4>(in, out, r.out, 0, c.extent);
  }
  tiles(in, out, r, c, Strided{c.in}, r0, r1);
}

struct Job {
  const std::byte* in;
  std::byte* out;
  Axis outer[kMaxRank];
  int outer_count;
  Axis row, column;              // column: the output's innermost axis
  Composed columns = {0, 0, 0};  // where the column is two axes of the input; else of extent 0
  std::int64_t size;             // bytes of an element
  std::int64_t row_chunk, row_chunks;
};

void copy_part(const Job& job, std::int64_t task) {
  std::int64_t rest = task / job.row_chunks;
  const std::int64_t chunk = task % job.row_chunks;
  const std::byte* in = job.in;
  std::byte* out = job.out;
  for (int a = job.outer_count - 1; a >= 0; --a) {
    const std::int64_t i = rest % job.outer[a].extent;
    rest /= job.outer[a].extent;
    in += i * job.outer[a].in * job.size;
    out += i * job.outer[a].out * job.size;
  }
  const Axis &r = job.row, &c = job.column;
  const std::int64_t r0 = chunk * job.row_chunk;
  const std::int64_t r1 = r0 + job.row_chunk < r.extent ? r0 + job.row_chunk : r.extent;
  if (c.in == 1 && c.out == 1 && job.columns.extent == 0) {
    // A vector of channels, as blocked layouts have them, is not worth a call.
    if (c.extent * job.size == 64 || c.extent * job.size == 32) {
      for (std::int64_t i = r0; i < r1; ++i)
        for (std::int64_t half = 0; half < c.extent * job.size; half += 32)
          std::memcpy(out + i * r.out * job.size + half, in + i * r.in * job.size + half, 32);
      return;
    }
    for (std::int64_t i = r0; i < r1; ++i)
      std::memcpy(out + i * r.out * job.size, in + i * r.in * job.size, static_cast<std::size_t>(c.extent * job.size));
    return;
  }
  switch (job.size) {
    case 1:
      plane(reinterpret_cast<const std::uint8_t*>(in), reinterpret_cast<std::uint8_t*>(out), r, c, job.columns, r0, r1);
      break;
    case 2:
      plane(reinterpret_cast<const std::uint16_t*>(in), reinterpret_cast<std::uint16_t*>(out), r, c, job.columns, r0,
            r1);
      break;
    case 4:
      plane(reinterpret_cast<const std::uint32_t*>(in), reinterpret_cast<std::uint32_t*>(out), r, c, job.columns, r0,
            r1);
      break;
    default:
      plane(reinterpret_cast<const std::uint64_t*>(in), reinterpret_cast<std::uint64_t*>(out), r, c, job.columns, r0,
            r1);
      break;
  }
}

/// Elements of 1, 2, 4 or 8 bytes, of strided views of one shape.
void copy_strided(const TensorView& in, const TensorView& out, Parallel& parallel) {
  if (out.shape.numel() == 0) return;
  Axis axes[kMaxRank];
  const int n = merge_axes(in, out, axes);
  Job job;
  job.in = in.as<std::byte>();
  job.out = out.as<std::byte>();
  job.size = dtype_bits(in.dtype) / 8;
  job.column = axes[n - 1];
  job.outer_count = 0;
  // The second tiled axis: the one that is contiguous in the input, else the one before the innermost.
  int row = n - 2;
  for (int a = 0; a < n - 1; ++a)
    if (axes[a].in == 1) row = a;
  job.row = row >= 0 ? axes[row] : Axis{1, 0, 0};
  // A short innermost axis is moved together with the one that goes on where it ends, if rows are contiguous meanwhile.
  int next = -1;
  if (job.column.extent < 16 && job.column.out == 1 && job.column.in != 1 && job.row.in == 1)
    for (int a = 0; a < n - 1; ++a)
      if (a != row && axes[a].out == job.column.extent) next = a;
  if (next >= 0) {
    job.columns = {job.column.extent, job.column.in, axes[next].in};
    job.column.extent *= axes[next].extent;
  }
  for (int a = 0; a < n - 1; ++a)
    if (a != row && a != next) job.outer[job.outer_count++] = axes[a];
  // Tasks of about 32 KiB: enough to spread, not so small that claiming them costs.
  const std::int64_t row_bytes = job.column.extent * job.size;
  job.row_chunk = row_bytes >= 32768 ? 1 : (32768 / row_bytes + 15) / 16 * 16;
  if (row_bytes > 65536 && n == 1) {
    // One long run: cut it.
    const std::int64_t part = 65536 / job.size;
    const std::int64_t total = job.column.extent, parts = (total + part - 1) / part;
    const Axis whole = job.column;
    parallel_for(parallel, parts, [&](std::int64_t t, int) {
      Job piece = job;
      piece.column = {t * part + part < total ? part : total - t * part, whole.in, whole.out};
      piece.in += t * part * whole.in * job.size;
      piece.out += t * part * whole.out * job.size;
      piece.row_chunk = piece.row_chunks = 1;
      copy_part(piece, 0);
    });
    return;
  }
  // A few elements that follow each other in the input, as the channels of a picture: their rows are written together,
  // in parts of the columns.
  if (n == 2 && job.row.extent <= 4 && job.row.in == 1 && job.column.out == 1 && job.column.in == job.row.extent) {
    const std::int64_t part = 16384, total = job.column.extent;
    parallel_for(parallel, (total + part - 1) / part, [&](std::int64_t t, int) {
      Job piece = job;
      piece.column.extent = t * part + part < total ? part : total - t * part;
      piece.in += t * part * piece.column.in * job.size;
      piece.out += t * part * job.size;
      piece.row_chunk = job.row.extent;
      piece.row_chunks = 1;
      copy_part(piece, 0);
    });
    return;
  }
  job.row_chunks = (job.row.extent + job.row_chunk - 1) / job.row_chunk;
  std::int64_t tasks = job.row_chunks;
  for (int a = 0; a < job.outer_count; ++a) tasks *= job.outer[a].extent;
  // Many tiny outer steps: group them so that a task is worth its claim.
  const std::int64_t task_bytes = row_bytes * (job.row.extent < job.row_chunk ? job.row.extent : job.row_chunk);
  const std::int64_t group = task_bytes >= 16384 ? 1 : 16384 / (task_bytes > 0 ? task_bytes : 1) + 1;
  parallel_for(parallel, (tasks + group - 1) / group, [&](std::int64_t g, int) {
    for (std::int64_t t = g * group; t < (g + 1) * group && t < tasks; ++t) copy_part(job, t);
  });
}

}  // namespace
}  // namespace monza::ops
