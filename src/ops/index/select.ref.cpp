// NonZero, Compress, Unique, TopK, NonMaxSuppression. Extents that depend on data are reported; such outputs are dense.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "ops/index/index.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

Status run_non_zero(const KernelContext& c) noexcept {
  const TensorView& x = c.in[0];
  const ElementAccess& access = element_access(x.dtype);
  if (access.load == nullptr) return {StatusCode::internal, "NonZero: element type"};
  std::int64_t count = 0;
  for (Walk<1> walk(x.shape, x.stride); !walk.done; walk.next()) count += access.load(x.data, walk.offset[0]) != 0;
  std::int64_t k = 0;
  for (Walk<1> walk(x.shape, x.stride); !walk.done; walk.next()) {
    if (access.load(x.data, walk.offset[0]) == 0) continue;
    for (int a = 0; a < x.shape.rank; ++a) c.out[0].as<std::int64_t>()[a * count + k] = walk.index[a];
    ++k;
  }
  c.extents[0] = count;
  return {};
}

Status run_compress(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SelectParams>();
  const TensorView &x = c.in[0], &condition = c.in[1];
  const auto taken = [&](std::int64_t i) {
    return i < condition.shape[0] && condition.as<std::uint8_t>()[i * condition.stride[0]] != 0;
  };
  std::int64_t count = 0;
  const std::int64_t rows = p.flat ? x.shape.numel() : x.shape[p.axis];
  for (std::int64_t i = 0; i < rows && i < condition.shape[0]; ++i) count += taken(i);
  // The elements kept, in row-major order, are the dense output.
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    std::int64_t linear = 0, to = 0;
    for (Walk<1> walk(x.shape, x.stride); !walk.done; walk.next(), ++linear)
      if (taken(p.flat ? linear : walk.index[p.axis])) C::set(c.out[0].data, to++, C::get(x.data, walk.offset[0]));
  });
  c.extents[0] = count;
  return {};
}

/// Values of any type in one order: NaN above all.
struct Order {
  const ElementAccess& access;
  enum { floating, integer, unsigned64 } kind;
  explicit Order(DType type)
      : access(element_access(type)),
        kind(is_float(type)       ? floating
             : type == DType::u64 ? unsigned64
                                  : integer) {}
  /// -1, 0, 1: element a of `p` against element b of `q`.
  int compare(const void* p, std::int64_t a, const void* q, std::int64_t b) const {
    if (kind == floating) {
      const double x = access.load(p, a), y = access.load(q, b);
      if (std::isnan(x) || std::isnan(y)) return std::isnan(x) ? (std::isnan(y) ? 0 : 1) : -1;
      return x < y ? -1 : x > y;
    }
    const std::int64_t x = access.load_int(p, a), y = access.load_int(q, b);
    if (kind == unsigned64) return static_cast<std::uint64_t>(x) < static_cast<std::uint64_t>(y) ? -1 : x != y;
    return x < y ? -1 : x > y;
  }
};

/// Unique: row numbers in sorted order, each row's group, and the groups' numbers; 8 bytes each.
std::size_t unique_scratch(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.in[0].shape.numel()) * 24;
}

Status run_unique(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SelectParams>();
  const TensorView& x = c.in[0];
  const Order order(x.dtype);
  const std::int64_t total = x.shape.numel(), rows = p.flat ? total : x.shape[p.axis];
  auto* sorted = reinterpret_cast<std::int64_t*>(c.scratch);  // [rows]
  std::int64_t* group = sorted + rows;                        // [rows]
  // A row: the elements of x with index r on the axis, or element r.
  Shape inner = x.shape;
  if (p.flat) inner = Shape{};
  else inner[p.axis] = 1;
  const auto row_offset = [&](std::int64_t r) {
    if (!p.flat) return r * x.stride[p.axis];
    Walk<1> walk(x.shape, x.stride);
    walk.seek(r);
    return walk.offset[0];
  };
  const auto compare = [&](std::int64_t a, std::int64_t b) {
    const std::int64_t at_a = row_offset(a), at_b = row_offset(b);
    for (Walk<1> walk(inner, x.stride); !walk.done; walk.next())
      if (int d = order.compare(x.data, at_a + walk.offset[0], x.data, at_b + walk.offset[0])) return d;
    return 0;
  };
  for (std::int64_t r = 0; r < rows; ++r) sorted[r] = r;
  std::sort(sorted, sorted + rows, [&](std::int64_t a, std::int64_t b) {
    const int d = compare(a, b);
    return d != 0 ? d < 0 : a < b;
  });
  // Group numbers in sorted order; the first row of a group has the smallest index, by the order above.
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (i > 0 && compare(sorted[i - 1], sorted[i]) != 0) ++count;
    group[sorted[i]] = count;
  }
  count = rows > 0 ? count + 1 : 0;
  // `sorted` becomes the first row of each group.
  for (std::int64_t i = 0, g = 0; i < rows; ++i)
    if (i == 0 || group[sorted[i]] != g) {
      g = group[sorted[i]];
      sorted[g] = sorted[i];
    }
  if (!p.sorted) {
    std::sort(sorted, sorted + count);
    // Groups are numbered by their first rows.
    std::int64_t* number = group + rows;  // [count]
    for (std::int64_t g = 0; g < count; ++g) number[group[sorted[g]]] = g;
    for (std::int64_t r = 0; r < rows; ++r) group[r] = number[group[r]];
  }
  const auto output = [&](int i) -> std::int64_t* {
    return i < c.out_count && c.out[i].data != nullptr ? c.out[i].as<std::int64_t>() : nullptr;
  };
  TensorView values = c.out[0];
  values.shape = p.flat ? Shape{count} : x.shape;
  if (!p.flat) values.shape[p.axis] = count;
  values.set_dense();
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    for (std::int64_t g = 0; g < count; ++g) {
      const std::int64_t from = row_offset(sorted[g]), to = p.flat ? g : g * values.stride[p.axis];
      for (Walk<2> walk(inner, x.stride, values.stride); !walk.done; walk.next())
        C::set(values.data, to + walk.offset[1], C::get(x.data, from + walk.offset[0]));
    }
  });
  if (std::int64_t* first = output(1)) std::copy(sorted, sorted + count, first);
  if (std::int64_t* inverse = output(2)) std::copy(group, group + rows, inverse);
  if (std::int64_t* counts = output(3)) {
    std::fill(counts, counts + count, 0);
    for (std::int64_t r = 0; r < rows; ++r) ++counts[group[r]];
  }
  c.extents[0] = count;
  return {};
}

/// TopK: row indices for every worker, 8 bytes each.
std::size_t topk_scratch(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const TopKParams*>(q.params);
  return static_cast<std::size_t>(q.in[0].shape[p.axis]) * 8 * static_cast<std::size_t>(q.threads);
}

Status run_topk(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TopKParams>();
  const TensorView &x = c.in[0], &values = c.out[0];
  const bool with_indices = c.out_count > 1 && c.out[1].data != nullptr;
  const Order order(x.dtype);
  const std::int64_t n = x.shape[p.axis], k = values.shape[p.axis], step = x.stride[p.axis];
  Shape outer = x.shape;
  outer[p.axis] = 1;
  const std::int64_t rows = outer.numel();
  if (k == 0) return {};
  parallel_for(*c.parallel, rows, [&](std::int64_t row, int worker) {
    auto* at = reinterpret_cast<std::int64_t*>(c.scratch) + worker * n;
    Walk<2> walk(outer, x.stride, values.stride);
    walk.seek(row);
    const std::int64_t base = walk.offset[0];
    for (std::int64_t i = 0; i < n; ++i) at[i] = i;
    const auto before = [&](std::int64_t a, std::int64_t b) {
      const int d = order.compare(x.data, base + a * step, x.data, base + b * step);
      if (d != 0) return p.largest ? d > 0 : d < 0;
      return a < b;
    };
    std::partial_sort(at, at + k, at + n, before);
    std::int64_t index_base = 0;
    if (with_indices)
      for (int a = 0; a < outer.rank; ++a) index_base += walk.index[a] * c.out[1].stride[a];
    with_cell(dtype_bits(x.dtype), [&](auto cell) {
      for (std::int64_t i = 0; i < k; ++i) {
        cell.set(values.data, walk.offset[1] + i * values.stride[p.axis], cell.get(x.data, base + at[i] * step));
        if (with_indices) c.out[1].template as<std::int64_t>()[index_base + i * c.out[1].stride[p.axis]] = at[i];
      }
    });
  });
  return {};
}

struct Box {
  float y1, x1, y2, x2;
};

Box box_at(const TensorView& boxes, std::int64_t offset, bool center) {
  const float* b = boxes.as<float>() + offset;
  const std::int64_t s = boxes.stride[2];
  if (center) {
    const float x = b[0], y = b[s], w = b[2 * s], h = b[3 * s];
    return {y - h / 2, x - w / 2, y + h / 2, x + w / 2};
  }
  return {std::min(b[0], b[2 * s]), std::min(b[s], b[3 * s]), std::max(b[0], b[2 * s]), std::max(b[s], b[3 * s])};
}

float overlap(const Box& a, const Box& b) {
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1), w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (h <= 0 || w <= 0) return 0;
  const float common = h * w;
  const float all = (a.y2 - a.y1) * (a.x2 - a.x1) + (b.y2 - b.y1) * (b.x2 - b.x1) - common;
  return all > 0 ? common / all : 0;
}

std::size_t nms_scratch(const KernelQuery& q) noexcept { return static_cast<std::size_t>(q.in[0].shape[1]) * 8; }

/// Greedy: boxes by falling score; one is kept unless it overlaps a kept one of its class by more than the threshold.
Status run_nms(const KernelContext& c) noexcept {
  const bool center = c.params_as<NonMaxSuppressionParams>().center_point_box != 0;
  const TensorView &boxes = c.in[0], &scores = c.in[1];
  const std::int64_t batches = scores.shape[0], classes = scores.shape[1], count = scores.shape[2];
  const std::int64_t most = c.has_input(2) ? *c.in[2].as<std::int64_t>() : 0, room = c.out[0].shape[0];
  const float iou = c.has_input(3) ? *c.in[3].as<float>() : 0;
  auto* out = c.out[0].as<std::int64_t>();
  auto* order = reinterpret_cast<std::int64_t*>(c.scratch);
  std::int64_t selected = 0;
  for (std::int64_t b = 0; b < batches; ++b)
    for (std::int64_t k = 0; k < classes && most > 0; ++k) {
      const float* score = scores.as<float>() + b * scores.stride[0] + k * scores.stride[1];
      const auto score_of = [&](std::int64_t i) { return score[i * scores.stride[2]]; };
      std::int64_t n = 0;
      for (std::int64_t i = 0; i < count; ++i)
        if (c.has_input(4) ? score_of(i) > *c.in[4].as<float>() : !std::isnan(score_of(i))) order[n++] = i;
      std::sort(order, order + n, [&](std::int64_t i, std::int64_t j) {
        return score_of(i) != score_of(j) ? score_of(i) > score_of(j) : i < j;
      });
      const std::int64_t first = selected;
      for (std::int64_t i = 0; i < n && selected - first < most; ++i) {
        const Box candidate = box_at(boxes, b * boxes.stride[0] + order[i] * boxes.stride[1], center);
        bool keep = true;
        for (std::int64_t s = first; s < selected && keep; ++s)
          keep =
              overlap(candidate, box_at(boxes, b * boxes.stride[0] + out[3 * s + 2] * boxes.stride[1], center)) <= iou;
        if (!keep) continue;
        if (selected == room) return {StatusCode::internal, "NonMaxSuppression: the output is too small"};
        out[3 * selected] = b;
        out[3 * selected + 1] = k;
        out[3 * selected + 2] = order[i];
        ++selected;
      }
    }
  c.extents[0] = selected;
  return {};
}

}  // namespace

extern const Kernel non_zero_ref{.name = "non_zero_ref",
                                 .op = "NonZero",
                                 .reference = true,
                                 .in{Port::strided},
                                 .out{Port::dense},
                                 .run = run_non_zero};
extern const Kernel compress_ref{.name = "compress_ref",
                                 .op = "Compress",
                                 .reference = true,
                                 .in{Port::strided},
                                 .out{Port::dense},
                                 .run = run_compress};
extern const Kernel unique_ref{.name = "unique_ref",
                               .op = "Unique",
                               .reference = true,
                               .in{Port::strided},
                               .out{Port::dense},
                               .scratch_bytes = unique_scratch,
                               .run = run_unique};
extern const Kernel topk_ref{.name = "topk_ref",
                             .op = "TopK",
                             .reference = true,
                             .in{Port::strided},
                             .out{Port::strided},
                             .scratch_bytes = topk_scratch,
                             .run = run_topk};
extern const Kernel nms_ref{.name = "nms_ref",
                            .op = "NonMaxSuppression",
                            .reference = true,
                            .in{Port::strided},
                            .out{Port::dense},
                            .scratch_bytes = nms_scratch,
                            .run = run_nms};

}  // namespace monza::ops
