#include "plan/element_bounds.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::plan {
namespace {

constexpr int kMostDepth = 64;
constexpr double kLargest = 0x1p40;  ///< beyond that a bound says nothing

/// The largest number that integers of the type hold; beyond it they wrap.
double most(DType type) {
  const int bits = dtype_bits(type);
  return is_integer(type) && bits < 40 ? std::ldexp(1.0, bits - 1) : kLargest;
}

/// More than a rounding in the type is relative to the number; 0 for integers.
double slack(DType type) {
  switch (type) {
    case DType::f64: return 0x1p-50;
    case DType::f32: return 0x1p-20;
    case DType::f16: return 0x1p-9;
    case DType::bf16: return 0x1p-6;
    default: return is_float(type) ? 1 : 0;
  }
}

std::optional<std::vector<std::int64_t>> extents_of(const ir::Value& v) {
  std::vector<std::int64_t> extents;
  for (const ir::Expr& e : v.type.shape) {
    const auto n = e.try_constant();
    if (!n) return std::nullopt;
    extents.push_back(*n);
  }
  return extents;
}

/// Row-major index of an element as one of each axis.
std::vector<std::int64_t> split(std::int64_t index, const std::vector<std::int64_t>& extents) {
  std::vector<std::int64_t> at(extents.size(), 0);
  for (std::size_t a = extents.size(); a-- > 0;) {
    if (extents[a] < 1) return at;
    at[a] = index % extents[a];
    index /= extents[a];
  }
  return at;
}

std::int64_t join(const std::vector<std::int64_t>& at, const std::vector<std::int64_t>& extents) {
  std::int64_t index = 0;
  for (std::size_t a = 0; a < extents.size(); ++a) index = index * extents[a] + at[a];
  return index;
}

}  // namespace

void collect_elements(const ir::Expr& e, ElementsRead& found) {
  if (e.is_constant()) return;
  for (const auto& term : e.terms())
    for (const auto& atom : term.atoms) {
      if (atom->kind == ir::AtomKind::element) found[atom->value].insert(atom->index);
      for (const ir::Expr& arg : atom->args) collect_elements(arg, found);
    }
}

void collect_elements(const ir::Graph& graph, ElementsRead& found) {
  for (const ir::ValueId v : graph.values())
    for (const ir::Expr& e : graph.value(v).type.shape) collect_elements(e, found);
  for (const ir::NodeId n : graph.order())
    for (const auto& body : graph.node(n).bodies) collect_elements(*body, found);
}

std::optional<ir::Interval> ElementBounds::of(ir::ValueId value, std::int64_t index) {
  const Maybe b = find(value, index, 0);
  if (!b) return std::nullopt;
  return ir::Interval{static_cast<std::int64_t>(std::floor(b->low)), static_cast<std::int64_t>(std::ceil(b->high))};
}

ElementBounds::Maybe ElementBounds::find(ir::ValueId id, std::int64_t index, int depth) {
  if (depth > kMostDepth || id == ir::kNone || !graph_.has_value(id)) return std::nullopt;
  const auto known = known_.find({id, index});
  if (known != known_.end()) return known->second;
  const ir::Value& value = graph_.value(id);
  const DType type = value.type.dtype;
  const auto element = [&](const std::vector<ir::Expr>& list, std::int64_t divisor) -> Maybe {
    if (index >= static_cast<std::int64_t>(list.size())) return std::nullopt;
    const ir::Interval r = range_(list[static_cast<std::size_t>(index)]);
    return Bounds{static_cast<double>(r.low) / static_cast<double>(divisor),
                  static_cast<double>(r.high) / static_cast<double>(divisor)};
  };
  Maybe b;
  if (value.constant && value.type.kind == ir::ValueKind::tensor && type != DType::string &&
      value.constant->numel() <= ir::kMaxContent && index < value.constant->numel() && type != DType::c64 &&
      type != DType::c128) {
    const double v = ir::to_doubles(*value.constant)[static_cast<std::size_t>(index)];
    b = Bounds{v, v};
  } else if (value.content) {
    b = element(*value.content, 1);
  } else if (value.fractions) {
    b = element(value.fractions->numerators, value.fractions->divisor);
  }
  const auto says_something = [&](const Maybe& m) {
    return m && std::abs(m->low) < most(type) && std::abs(m->high) < most(type) && m->low <= m->high;
  };
  if (!says_something(b))
    if (const ir::Node* node = graph_.producer(id)) b = computed(*node, value, index, depth + 1);
  if (b) {
    const double s = slack(type);
    b->low -= std::abs(b->low) * s;
    b->high += std::abs(b->high) * s;
  }
  if (type == DType::boolean) b = Bounds{0, 1};
  if (!says_something(b)) b = std::nullopt;
  return known_[{id, index}] = b;
}

/// The element of an operand that broadcasts to the result.
ElementBounds::Maybe ElementBounds::operand(const ir::Node& node, std::size_t input, const ir::Value& result,
                                            std::int64_t index, int depth) {
  if (input >= node.inputs.size() || node.inputs[input] == ir::kNone) return std::nullopt;
  const auto out = extents_of(result), in = extents_of(graph_.value(node.inputs[input]));
  if (!out || !in || in->size() > out->size()) return std::nullopt;
  std::vector<std::int64_t> at = split(index, *out);
  at.erase(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(out->size() - in->size()));
  for (std::size_t a = 0; a < in->size(); ++a)
    if ((*in)[a] == 1) at[a] = 0;
  return find(node.inputs[input], join(at, *in), depth);
}

/// Over all elements of the first input.
ElementBounds::Maybe ElementBounds::hull(const ir::Node& node, int depth) {
  const auto in = extents_of(graph_.value(node.inputs[0]));
  if (!in) return std::nullopt;
  std::int64_t count = 1;
  for (const std::int64_t e : *in) {
    if (e < 1 || e > ir::kMaxContent) return std::nullopt;
    count *= e;
    if (count > ir::kMaxContent) return std::nullopt;
  }
  Maybe all = find(node.inputs[0], 0, depth);
  for (std::int64_t k = 1; k < count && all; ++k) {
    const Maybe b = find(node.inputs[0], k, depth);
    if (!b) return std::nullopt;
    all = Bounds{std::min(all->low, b->low), std::max(all->high, b->high)};
  }
  return all;
}

/// Through operators that only move elements.
ElementBounds::Maybe ElementBounds::viewed(const ir::Node& node, const ir::Value& value, std::int64_t index,
                                           int depth) {
  if (node.op->aliases == nullptr) return std::nullopt;
  std::vector<ir::Alias> list;
  node.op->aliases({graph_, node}, list);
  for (const ir::Alias& alias : list) {
    const ir::ValueId from = node.inputs[static_cast<std::size_t>(alias.input)];
    if (from == ir::kNone) continue;
    const auto in = extents_of(graph_.value(from)), out = extents_of(value);
    if (!in || !out) continue;
    if (alias.kind == ir::Alias::Kind::reshape) return find(from, index, depth);
    std::vector<std::int64_t> at = split(index, *out), source(in->size(), 0);
    bool constant = true;
    for (std::size_t a = 0; a < alias.start.size(); ++a) {
      const auto start = alias.start[a].try_constant();
      constant = constant && start;
      if (start && alias.kind == ir::Alias::Kind::view) source[a] = *start;
      if (start && alias.kind == ir::Alias::Kind::placement) at[a] -= *start;
    }
    if (!constant) continue;
    if (alias.kind == ir::Alias::Kind::placement) {
      bool inside = at.size() == in->size();
      for (std::size_t a = 0; inside && a < at.size(); ++a) inside = at[a] >= 0 && at[a] < (*in)[a];
      if (inside) return find(from, join(at, *in), depth);
      continue;
    }
    if (value.id != node.outputs[static_cast<std::size_t>(alias.output)]) continue;
    for (std::size_t a = 0; a < alias.axes.size(); ++a)
      if (alias.axes[a].source >= 0)
        source[static_cast<std::size_t>(alias.axes[a].source)] += at[a] * alias.axes[a].step;
    for (std::size_t a = 0; a < source.size(); ++a)
      if (source[a] < 0 || source[a] >= (*in)[a]) return std::nullopt;
    return find(from, join(source, *in), depth);
  }
  return std::nullopt;
}

ElementBounds::Maybe ElementBounds::computed(const ir::Node& node, const ir::Value& value, std::int64_t index,
                                             int depth) {
  if (!node.bodies.empty() || node.inputs.empty() || node.inputs[0] == ir::kNone) return std::nullopt;
  if (const Maybe moved = viewed(node, value, index, depth)) return moved;
  const std::string_view op = node.op->name;
  if (op == "ReduceMax" || op == "ReduceMin" || op == "ReduceMean") return hull(node, depth);
  const auto input = [&](std::size_t i) { return operand(node, i, value, index, depth); };
  const auto span = [](std::initializer_list<double> ends) { return Bounds{std::min(ends), std::max(ends)}; };

  if (op == "Where") {
    const Maybe a = input(1), b = input(2);
    if (!a || !b) return std::nullopt;
    return span({a->low, a->high, b->low, b->high});
  }
  const Maybe a = input(0);
  if (op == "Clip") {
    const auto bound = [&](std::size_t i) -> Maybe {
      return i < node.inputs.size() && node.inputs[i] != ir::kNone ? find(node.inputs[i], 0, depth) : std::nullopt;
    };
    const Maybe least = bound(1), most = bound(2);
    const double low = a ? a->low : -kLargest, high = a ? a->high : kLargest;
    Bounds r{least ? std::max(low, least->low) : low, least ? std::max(high, least->high) : high};
    if (most) r = {std::min(r.low, most->low), std::min(r.high, most->high)};
    return r;
  }
  if (op == "Min" || op == "Max") {
    // One that is not known may still be cut by the other.
    const Maybe b = input(1);
    const Bounds all{-kLargest, kLargest}, x = a ? *a : all, y = b ? *b : all;
    return op == "Min" ? Bounds{std::min(x.low, y.low), std::min(x.high, y.high)}
                       : Bounds{std::max(x.low, y.low), std::max(x.high, y.high)};
  }
  if (!a) return std::nullopt;
  if (op == "Cast") {
    if (is_float(value.type.dtype)) return a;
    return Bounds{std::trunc(a->low), std::trunc(a->high)};
  }
  if (op == "Floor") return Bounds{std::floor(a->low), std::floor(a->high)};
  if (op == "Ceil") return Bounds{std::ceil(a->low), std::ceil(a->high)};
  if (op == "Round") return Bounds{std::floor(a->low), std::ceil(a->high)};
  if (op == "Neg") return Bounds{-a->high, -a->low};
  if (op == "Relu") return Bounds{std::max(0.0, a->low), std::max(0.0, a->high)};
  if (op == "Abs") return Bounds{a->low > 0 ? a->low : a->high < 0 ? -a->high : 0, std::max(-a->low, a->high)};
  if (op == "Sqrt" && a->low >= 0) return Bounds{std::sqrt(a->low), std::sqrt(a->high)};
  if (op == "Exp") return Bounds{std::exp(a->low), std::exp(a->high)};
  if (op == "Log" && a->low > 0) return Bounds{std::log(a->low), std::log(a->high)};
  const Maybe b = input(1);
  if (!b) return std::nullopt;
  if (op == "Add") return Bounds{a->low + b->low, a->high + b->high};
  if (op == "Sub") return Bounds{a->low - b->high, a->high - b->low};
  if (op == "Mul") return span({a->low * b->low, a->low * b->high, a->high * b->low, a->high * b->high});
  if (op == "Div" && (b->low > 0 || b->high < 0)) {
    Bounds r = span({a->low / b->low, a->low / b->high, a->high / b->low, a->high / b->high});
    if (!is_float(value.type.dtype)) r = {std::trunc(r.low), std::trunc(r.high)};
    return r;
  }
  if (op == "Mod" && b->low > 0 && a->low >= 0) return Bounds{0, std::min(a->high, b->high)};
  if (op == "Pow" && a->low >= 0 && b->low >= 0)
    return span(
        {std::pow(a->low, b->low), std::pow(a->low, b->high), std::pow(a->high, b->low), std::pow(a->high, b->high)});
  return std::nullopt;
}

}  // namespace monza::plan
