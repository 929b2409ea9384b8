// Pad and Trilu by rows: what a row keeps is one copy, what it repeats or clears lies at its ends.
//
// Bound by memory, 2 * bytes / bandwidth: each element is read and written once. Axes behind the last one that is
// padded move together.
#include <cstring>

#include "kernel/kernel.h"
#include "ops/move/move.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kTaskBytes = 65536;

Refusal accepts_bytes(const KernelQuery& q) noexcept {
  return dtype_bits(q.input(0).dtype) >= 8 ? nullptr : "moves elements of whole bytes";
}
Refusal accepts_pad(const KernelQuery& q) noexcept {
  if (static_cast<const PadParams*>(q.params)->known == 0) return "pads that are read while running";
  return accepts_bytes(q);
}

/// `count` elements of `size` bytes that are all the one at `value`.
void fill(char* to, const char* value, std::int64_t count, std::int64_t size) {
  const auto put = [&](auto element) {
    std::memcpy(&element, value, sizeof element);
    for (std::int64_t i = 0; i < count; ++i) std::memcpy(to + i * size, &element, sizeof element);
  };
  switch (size) {
    case 1: std::memset(to, *value, static_cast<std::size_t>(count)); return;
    case 2: put(std::uint16_t{}); return;
    case 4: put(std::uint32_t{}); return;
    case 8: put(std::uint64_t{}); return;
    default:
      for (std::int64_t i = 0; i < count; ++i) std::memcpy(to + i * size, value, static_cast<std::size_t>(size));
  }
}

/// Output rows of elements of `size` bytes along `axis`; axes behind it are part of the element.
struct PadRows {
  const KernelContext& c;
  const PadParams& p;
  int axis = 0;
  std::int64_t size = 0;  ///< bytes of what moves together along `axis`
  std::int64_t item = 0;  ///< bytes of an element
  std::int64_t rows = 1;
  char value[16] = {};

  explicit PadRows(const KernelContext& context) : c(context), p(context.params_as<PadParams>()) {
    const TensorView &x = c.in[0], &out = c.out[0];
    size = item = dtype_bits(x.dtype) / 8;
    axis = x.shape.rank - 1;
    while (axis > 0 && p.begin[axis] == 0 && x.shape[axis] == out.shape[axis]) size *= x.shape[axis--];
    for (int a = 0; a < axis; ++a) rows *= out.shape[a];
    if (c.has_input(2)) std::memcpy(value, c.in[2].data, static_cast<std::size_t>(item));
  }

  void row(std::int64_t number) const {
    const TensorView &x = c.in[0], &out = c.out[0];
    std::int64_t from = 0, scale = 1, rest = number;
    for (int a = axis; a < x.shape.rank; ++a) scale *= x.shape[a];
    bool outside = false;
    for (int a = axis - 1; a >= 0; --a) {
      const std::int64_t at = rest % out.shape[a];
      rest /= out.shape[a];
      const PaddedAxis padded(p.begin[a], x.shape[a], out.shape[a]);
      const std::int64_t kept = at - padded.before;
      if (p.mode == PadParams::Mode::constant) outside = outside || kept < 0 || kept >= padded.count;
      from += (outside ? 0 : padded.source(p.mode, at)) * scale;
      scale *= x.shape[a];
    }
    const std::int64_t extent = out.shape[axis];
    char* to = out.as<char>() + number * extent * size;
    if (outside) return fill(to, value, extent * (size / item), item);
    const char* source = x.as<const char>() + from * item;
    const PaddedAxis padded(p.begin[axis], x.shape[axis], extent);
    if (padded.count <= 0) return fill(to, value, extent * (size / item), item);  // pads below 0 leave nothing
    const std::int64_t count = padded.count, after = padded.before + count;
    std::memcpy(to + padded.before * size, source + padded.first * size, static_cast<std::size_t>(count * size));
    if (p.mode == PadParams::Mode::constant) {
      fill(to, value, padded.before * (size / item), item);
      fill(to + after * size, value, (extent - after) * (size / item), item);
    } else if (p.mode == PadParams::Mode::edge) {
      fill(to, source + padded.first * size, padded.before, size);
      fill(to + after * size, source + (padded.first + count - 1) * size, extent - after, size);
    } else {
      for (std::int64_t i = 0; i < padded.before; ++i) put(to, source, i, padded);
      for (std::int64_t i = after; i < extent; ++i) put(to, source, i, padded);
    }
  }

 private:
  void put(char* to, const char* source, std::int64_t i, const PaddedAxis& padded) const {
    const char* element = source + padded.source(p.mode, i) * size;
    if (size == 4) std::memcpy(to + i * 4, element, 4);
    else std::memcpy(to + i * size, element, static_cast<std::size_t>(size));
  }
};

Status run_pad(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  const auto& p = c.params_as<PadParams>();
  for (int a = 0; a < x.shape.rank; ++a)
    if (p.begin[a] < -kMostPad || p.begin[a] > kMostPad)
      return {StatusCode::invalid_argument, "Pad: a pad is out of range"};
  if (out.shape.numel() == 0) return {};
  if (x.shape.rank == 0) {
    std::memcpy(out.data, x.data, static_cast<std::size_t>(dtype_bits(x.dtype) / 8));
    return {};
  }
  const PadRows rows(c);
  if (rows.p.mode != PadParams::Mode::constant)
    for (int a = 0; a < x.shape.rank; ++a)
      if (PaddedAxis(rows.p.begin[a], x.shape[a], out.shape[a]).count <= 0)
        return {StatusCode::invalid_argument, "Pad: an empty tensor has no elements to repeat"};
  const std::int64_t bytes = out.shape[rows.axis] * rows.size;
  const std::int64_t grain = bytes < kTaskBytes ? kTaskBytes / bytes : 1;
  parallel_for(*c.parallel, (rows.rows + grain - 1) / grain, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * grain < rows.rows ? (task + 1) * grain : rows.rows;
    for (std::int64_t r = task * grain; r < end; ++r) rows.row(r);
  });
  return {};
}

Status run_trilu(const KernelContext& c) noexcept {
  const bool upper = c.params_as<TriluParams>().upper != 0;
  const TensorView &x = c.in[0], &out = c.out[0];
  if (x.shape.numel() == 0) return {};
  const int rank = x.shape.rank;
  const std::int64_t height = x.shape[rank - 2], width = x.shape[rank - 1], rows = x.shape.numel() / width;
  const std::int64_t size = dtype_bits(x.dtype) / 8, far = height + width;
  std::int64_t k = c.has_input(1) ? element_access(c.in[1].dtype).load_int(c.in[1].data, 0) : 0;
  k = k < -far ? -far : k > far ? far : k;
  const std::int64_t grain = width * size < kTaskBytes ? kTaskBytes / (width * size) : 1;
  parallel_for(*c.parallel, (rows + grain - 1) / grain, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * grain < rows ? (task + 1) * grain : rows;
    for (std::int64_t r = task * grain; r < end; ++r) {
      // Upper keeps elements from i + k on, lower those up to i + k.
      std::int64_t cut = r % height + k + (upper ? 0 : 1);
      cut = cut < 0 ? 0 : cut > width ? width : cut;
      const std::int64_t first = upper ? cut : 0, last = upper ? width : cut;
      const char* from = x.as<const char>() + r * width * size;
      char* to = out.as<char>() + r * width * size;
      std::memset(to, 0, static_cast<std::size_t>(first * size));
      if (to != from)
        std::memcpy(to + first * size, from + first * size, static_cast<std::size_t>((last - first) * size));
      std::memset(to + last * size, 0, static_cast<std::size_t>((width - last) * size));
    }
  });
  return {};
}

}  // namespace

extern const Kernel pad_rows_avx2{.name = "pad_rows_avx2",
                                  .op = "Pad",
                                  .needs = Isa::avx2,
                                  .in{Port::dense, Port::dense, Port::dense, Port::dense},
                                  .out{Port::dense},
                                  .accepts = accepts_pad,
                                  .run = run_pad};
extern const Kernel trilu_rows_avx2{.name = "trilu_rows_avx2",
                                    .op = "Trilu",
                                    .needs = Isa::avx2,
                                    .in{Port::dense, Port::dense},
                                    .out{Port::dense},
                                    .accepts = accepts_bytes,
                                    .run = run_trilu,
                                    .in_place_inputs = 1};

}  // namespace monza::ops
