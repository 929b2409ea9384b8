#include "plan/place.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/ports.h"

namespace monza::plan {
namespace {

bool is_one(const ir::Expr& e) { return e.try_constant() == 1; }

/// A slice of images and of whole blocks of channels: what a view of a blocked layout may be. A tail that is no whole
/// block must be the input's own, whose padding is zero.
bool slices_blocks(const ir::SymShape& in, const ir::SymShape& out, const ir::Alias& alias, std::int64_t block) {
  if (alias.kind != ir::Alias::Kind::view || in.size() != out.size() || alias.axes.size() != out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (alias.axes[i].source != static_cast<int>(i) || alias.axes[i].step != 1) return false;
    if (i >= 2 && !(in[i] == out[i])) return false;
  }
  const ir::Expr start = alias.start.size() > 1 ? alias.start[1] : ir::Expr(0);
  const auto first = start.try_constant(), count = out[1].try_constant();
  return first && count && *first % block == 0 && (*count % block == 0 || start + out[1] == in[1]);
}

/// Whether the shapes have the same number of elements in every run.
bool same_count(ir::SymShape a, ir::SymShape b) {
  std::erase_if(a, [&](const ir::Expr& e) {
    const auto same = std::find(b.begin(), b.end(), e);
    if (same == b.end()) return false;
    b.erase(same);
    return true;
  });
  try {
    return ir::product(a) == ir::product(b);
  } catch (const Error&) {  // beyond what expressions hold
    return false;
  }
}

/// numpy's reshape without a copy: groups of axes with equal products must be contiguous among themselves.
std::optional<std::vector<ir::Expr>> reshape_strides(const Place& input, const ir::SymShape& in,
                                                     const ir::SymShape& out) {
  std::vector<std::pair<ir::Expr, ir::Expr>> axes;  // extent, stride of input axes that are not 1
  for (std::size_t i = 0; i < in.size(); ++i)
    if (!is_one(in[i])) axes.emplace_back(in[i], input.stride[i]);
  std::vector<ir::Expr> strides(out.size(), ir::Expr(1));
  std::size_t i = axes.size();
  std::size_t o = out.size();
  while (o > 0) {
    if (is_one(out[o - 1])) {
      --o;
      continue;
    }
    if (i == 0) return std::nullopt;
    // One group: extend both sides until their products agree.
    std::size_t i_begin = i - 1, o_begin = o - 1;
    ir::Expr in_product = axes[i_begin].first, out_product = out[o_begin];
    while (!(in_product == out_product)) {
      const auto a = in_product.try_constant(), b = out_product.try_constant();
      // Which side to extend: the smaller if both are known; else whichever still has axes.
      if (a && b ? *a < *b : o_begin == 0) {
        if (i_begin == 0) return std::nullopt;
        in_product = in_product * axes[--i_begin].first;
      } else if (a && b ? *a > *b : i_begin == 0) {
        if (o_begin == 0) return std::nullopt;
        out_product = out_product * out[--o_begin];
      } else {
        // Symbolic: extend the side whose product divides the other's, or give up.
        if (ir::exact_div(out_product, in_product)) in_product = in_product * axes[--i_begin].first;
        else if (ir::exact_div(in_product, out_product)) out_product = out_product * out[--o_begin];
        else return std::nullopt;
      }
    }
    for (std::size_t k = i_begin; k + 1 < i; ++k)
      if (!(axes[k].second == axes[k + 1].second * axes[k + 1].first)) return std::nullopt;
    ir::Expr stride = axes[i - 1].second;
    for (std::size_t k = o; k > o_begin; --k) {
      strides[k - 1] = stride;
      stride = stride * out[k - 1];
    }
    i = i_begin;
    o = o_begin;
  }
  return i == 0 ? std::optional(strides) : std::nullopt;
}

}  // namespace

std::vector<ir::Expr> dense_strides(const ir::SymShape& shape) {
  std::vector<ir::Expr> strides(shape.size(), ir::Expr(1));
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::vector<ir::Expr> channels_last_strides(const ir::SymShape& shape) {
  if (shape.size() < 3) return dense_strides(shape);
  std::vector<ir::Expr> strides(shape.size(), ir::Expr(1));
  ir::Expr s = shape[1];
  for (std::size_t i = shape.size(); i-- > 2;) {
    strides[i] = s;
    s = s * shape[i];
  }
  strides[0] = s;
  return strides;
}

std::vector<ir::Expr> blocked_strides(const ir::SymShape& shape, std::int64_t block) {
  std::vector<ir::Expr> strides(shape.size(), ir::Expr(1));
  ir::Expr s = block;
  for (std::size_t i = shape.size(); i-- > 2;) {
    strides[i] = s;
    s = s * shape[i];
  }
  strides[1] = s;
  strides[0] = s * ir::ceil_div(shape[1], block);
  return strides;
}

Place form_place(Port form, const ir::SymShape& shape) {
  Place place;
  place.layout = layout_of(form);
  place.stride = form == Port::channels_last ? channels_last_strides(shape)
                 : is_blocked(form)          ? blocked_strides(shape, block_of(place.layout))
                                             : dense_strides(shape);
  return place;
}

Port form_of(const Place& place, const ir::SymShape& shape) {
  if (place.layout == Layout::blocked8) return Port::blocked8;
  if (place.layout == Layout::blocked16) return Port::blocked16;
  // What lies in neither order costs about as much to gather as channels last.
  return is_dense(place, shape) ? Port::dense : Port::channels_last;
}

bool is_dense(const Place& place, const ir::SymShape& shape) {
  if (place.layout != Layout::strided) return false;
  ir::Expr expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (!is_one(shape[i]) && !(place.stride[i] == expected)) return false;
    expected = expected * shape[i];
  }
  return true;
}

bool is_channels_last(const Place& place, const ir::SymShape& shape) {
  if (place.layout != Layout::strided || shape.size() < 2) return false;
  if (!is_one(shape[1]) && !is_one(place.stride[1])) return false;
  // The pitch is the stride of the innermost pixel axis that has more than one position.
  std::optional<ir::Expr> expected;
  for (std::size_t k = 0; k + 1 < shape.size(); ++k) {
    const std::size_t axis = k + 1 < shape.size() - 1 ? shape.size() - 1 - k : 0;
    if (is_one(shape[axis])) continue;
    if (expected && !(place.stride[axis] == *expected)) return false;
    // A pitch below the channel count would overlap pixels (broadcast views).
    if (!expected) {
      const auto pitch = place.stride[axis].try_constant(), channels = shape[1].try_constant();
      if (pitch && channels ? *pitch < *channels : !(place.stride[axis] == shape[1])) return false;
    }
    expected = place.stride[axis] * shape[axis];
  }
  return true;
}

bool repeats_elements(const Place& place, const ir::SymShape& shape) {
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (place.stride[i].try_constant() == 0 && !is_one(shape[i])) return true;
  return false;
}

bool is_gap_free(const Place& place, const ir::SymShape& shape) {
  if (place.layout != Layout::strided) {
    // A padded tail block would be computed on too: only whole blocks count as free of gaps.
    const auto channels = shape[1].try_constant();
    const std::int64_t block = block_of(place.layout);
    if (!channels || *channels % block != 0) return false;
    const std::vector<ir::Expr> expected = blocked_strides(shape, block);
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (!is_one(i == 1 ? ir::ceil_div(shape[1], block) : shape[i]) && !(place.stride[i] == expected[i])) return false;
    return true;
  }
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!is_one(shape[i])) axes.push_back(i);
  ir::Expr expected = 1;
  while (!axes.empty()) {
    const auto next =
        std::find_if(axes.begin(), axes.end(), [&](std::size_t a) { return place.stride[a] == expected; });
    if (next == axes.end()) return false;
    expected = expected * shape[*next];
    axes.erase(next);
  }
  return true;
}

bool satisfies(Port port, const Place& place, const ir::SymShape& shape) {
  if (!admits(port, place.layout)) return false;
  switch (port) {
    case Port::dense: return is_dense(place, shape);
    case Port::rows: return shape.empty() || is_one(shape.back()) || is_one(place.stride.back());
    case Port::channels_last: return is_channels_last(place, shape);
    case Port::uniform: return is_gap_free(place, shape);
    case Port::strided:
    case Port::blocked8:
    case Port::blocked16:
    case Port::packed: return true;
  }
  return false;
}

bool same_form(const Place& a, const Place& b, const ir::SymShape& shape) {
  if (a.layout != b.layout) return false;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!is_one(shape[i]) && !(a.stride[i] == b.stride[i])) return false;
  return true;
}

std::optional<ir::Expr> offset_at(const Place& place, const std::vector<ir::Expr>& start) {
  ir::Expr offset = 0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    const auto steps = i == 1 ? ir::exact_div(start[i], block_of(place.layout)) : std::optional(start[i]);
    if (!steps) return std::nullopt;
    offset = offset + *steps * place.stride[i];
  }
  return offset;
}

std::optional<Place> view_of(const Place& input, const ir::SymShape& in_shape, const ir::SymShape& out_shape,
                             const ir::Alias& alias) {
  Place place = input;
  if (input.layout != Layout::strided) {
    if (input.layout == Layout::packed || !slices_blocks(in_shape, out_shape, alias, block_of(input.layout)))
      return std::nullopt;
    place.offset = place.offset + *offset_at(input, alias.start);
    return place;
  }
  if (alias.kind == ir::Alias::Kind::reshape) {
    if (const auto n = ir::product(in_shape).try_constant(); n && *n == 0) {
      place.stride = dense_strides(out_shape);
      return place;
    }
    // Group by group extents may not compare where their products do.
    if (is_dense(input, in_shape) && same_count(in_shape, out_shape)) {
      place.stride = dense_strides(out_shape);
      return place;
    }
    auto strides = reshape_strides(input, in_shape, out_shape);
    if (!strides) return std::nullopt;
    place.stride = std::move(*strides);
    return place;
  }
  if (alias.kind != ir::Alias::Kind::view || alias.axes.size() != out_shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < alias.start.size(); ++i) place.offset = place.offset + alias.start[i] * input.stride[i];
  place.stride.assign(out_shape.size(), ir::Expr(0));
  // One element is never stepped from: its stride, which may be any number times another, is none.
  for (std::size_t i = 0; i < out_shape.size(); ++i)
    if (alias.axes[i].source >= 0 && (alias.axes[i].step == 1 || !is_one(out_shape[i])))
      place.stride[i] = input.stride[static_cast<std::size_t>(alias.axes[i].source)] * ir::Expr(alias.axes[i].step);
  return place;
}

}  // namespace monza::plan
