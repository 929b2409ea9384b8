// Copies between strided places at the speed of memory: the floor is 2 * bytes / bandwidth.
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

template <typename T>
void tile(const T* in, T* out, const Axis& r, const Axis& c, std::int64_t r0, std::int64_t r1, std::int64_t c0,
          std::int64_t c1) {
  for (std::int64_t i = r0; i < r1; ++i)
    for (std::int64_t j = c0; j < c1; ++j) out[i * r.out + j * c.out] = in[i * r.in + j * c.in];
}

#if defined(__AVX2__)
/// 16 x 16 bytes: in[j * in_stride + i] to out[i * out_stride + j].
MONZA_INLINE void transpose_block(const std::uint8_t* in, std::int64_t in_stride, std::uint8_t* out,
                                  std::int64_t out_stride) {
  __m128i a[16], b[16];
  for (int j = 0; j < 16; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + j * in_stride));
  // Four rounds of interleaving, each doubling the run of elements of one row.
  for (int j = 0; j < 8; ++j) {
    b[2 * j] = _mm_unpacklo_epi8(a[j], a[j + 8]);
    b[2 * j + 1] = _mm_unpackhi_epi8(a[j], a[j + 8]);
  }
  for (int j = 0; j < 8; ++j) {
    a[2 * j] = _mm_unpacklo_epi8(b[j], b[j + 8]);
    a[2 * j + 1] = _mm_unpackhi_epi8(b[j], b[j + 8]);
  }
  for (int j = 0; j < 8; ++j) {
    b[2 * j] = _mm_unpacklo_epi8(a[j], a[j + 8]);
    b[2 * j + 1] = _mm_unpackhi_epi8(a[j], a[j + 8]);
  }
  for (int j = 0; j < 8; ++j) {
    a[2 * j] = _mm_unpacklo_epi8(b[j], b[j + 8]);
    a[2 * j + 1] = _mm_unpackhi_epi8(b[j], b[j + 8]);
  }
  for (int i = 0; i < 16; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * out_stride), a[i]);
}

/// 8 x 8 elements of two bytes.
MONZA_INLINE void transpose_block(const std::uint16_t* in, std::int64_t in_stride, std::uint16_t* out,
                                  std::int64_t out_stride) {
  __m128i a[8], b[8];
  for (int j = 0; j < 8; ++j) a[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + j * in_stride));
  for (int j = 0; j < 4; ++j) {
    b[2 * j] = _mm_unpacklo_epi16(a[j], a[j + 4]);
    b[2 * j + 1] = _mm_unpackhi_epi16(a[j], a[j + 4]);
  }
  for (int j = 0; j < 4; ++j) {
    a[2 * j] = _mm_unpacklo_epi16(b[j], b[j + 4]);
    a[2 * j + 1] = _mm_unpackhi_epi16(b[j], b[j + 4]);
  }
  for (int j = 0; j < 4; ++j) {
    b[2 * j] = _mm_unpacklo_epi16(a[j], a[j + 4]);
    b[2 * j + 1] = _mm_unpackhi_epi16(a[j], a[j + 4]);
  }
  for (int i = 0; i < 8; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * out_stride), b[i]);
}

/// 8 x 8 elements of four bytes.
MONZA_INLINE void transpose_block(const std::uint32_t* in, std::int64_t in_stride, std::uint32_t* out,
                                  std::int64_t out_stride) {
  const float* from = reinterpret_cast<const float*>(in);
  __m256 a[8], b[8];
  // Halves of columns j and j + 4 share a register, so that the last round stays within 128-bit lanes.
  for (int j = 0; j < 4; ++j) {
    const float *p = from + j * in_stride, *q = from + (j + 4) * in_stride;
    a[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
    a[j + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4)), _mm_loadu_ps(q + 4), 1);
  }
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

/// A tile, in blocks that fit registers where its rows are contiguous in the input and its columns in the output.
template <typename T>
void move_tile(const T* in, T* out, const Axis& r, const Axis& c, std::int64_t r0, std::int64_t r1, std::int64_t c0,
               std::int64_t c1) {
#if defined(__AVX2__)
  if constexpr (sizeof(T) <= 4) {
    constexpr std::int64_t kSide = sizeof(T) == 1 ? 16 : 8;
    if (r.in == 1 && c.out == 1) {
      const std::int64_t re = r0 + (r1 - r0) / kSide * kSide, ce = c0 + (c1 - c0) / kSide * kSide;
      for (std::int64_t i = r0; i < re; i += kSide)
        for (std::int64_t j = c0; j < ce; j += kSide)
          transpose_block(in + i + j * c.in, c.in, out + i * r.out + j, r.out);
      tile(in, out, r, c, r0, re, ce, c1);
      tile(in, out, r, c, re, r1, c0, c1);
      return;
    }
  }
#endif
  tile(in, out, r, c, r0, r1, c0, c1);
}

/// The plane of rows `r` (contiguous in the input) and columns `c` (contiguous in the output), rows [r0, r1).
template <typename T>
void plane(const T* in, T* out, const Axis& r, const Axis& c, std::int64_t r0, std::int64_t r1) {
  constexpr std::int64_t kTile = 16;
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 1) {
    if (c.extent == 3 && c.out == 1 && r.in == 1 && r.out == 3) return interleave_planes(in, c.in, out, r0, r1);
  }
#endif
  for (std::int64_t i = r0; i < r1; i += kTile)
    for (std::int64_t j = 0; j < c.extent; j += kTile)
      move_tile(in, out, r, c, i, i + kTile < r1 ? i + kTile : r1, j, j + kTile < c.extent ? j + kTile : c.extent);
}

struct Job {
  const std::byte* in;
  std::byte* out;
  Axis outer[kMaxRank];
  int outer_count;
  Axis row, column;   // column: the output's innermost axis
  std::int64_t size;  // bytes of an element
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
  if (c.in == 1 && c.out == 1) {
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
    case 1: plane(reinterpret_cast<const std::uint8_t*>(in), reinterpret_cast<std::uint8_t*>(out), r, c, r0, r1); break;
    case 2:
      plane(reinterpret_cast<const std::uint16_t*>(in), reinterpret_cast<std::uint16_t*>(out), r, c, r0, r1);
      break;
    case 4:
      plane(reinterpret_cast<const std::uint32_t*>(in), reinterpret_cast<std::uint32_t*>(out), r, c, r0, r1);
      break;
    default:
      plane(reinterpret_cast<const std::uint64_t*>(in), reinterpret_cast<std::uint64_t*>(out), r, c, r0, r1);
      break;
  }
}

Refusal accepts(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.in[0].dtype);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return "moves elements of 1, 2, 4 and 8 bytes";
  const Layout in = q.in[0].layout, out = q.out[0].layout;
  if (in != Layout::strided && out != Layout::strided && in != out) return "blocks of 8 against blocks of 16";
  if ((in != Layout::strided || out != Layout::strided) && q.in[0].shape.rank >= kMaxRank)
    return "the shape has no room for an axis inside of blocks";
  return nullptr;
}

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
  for (int a = 0; a < n - 1; ++a)
    if (a != row) job.outer[job.outer_count++] = axes[a];
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
