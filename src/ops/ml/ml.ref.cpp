// LabelEncoder: binary search among the keys. TreeEnsemble: every row walks every tree. PairwiseCoupling: coordinate
// after coordinate of a quadratic form is set to its least, until none moves much.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel/kernel.h"
#include "kernel/value_pool.h"
#include "ops/ml/ml.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

constexpr Status kBroken{StatusCode::internal, "a kernel of ai.onnx.ml was given other operands"};

/// Orders elements of one type; NaN equals NaN and lies above all numbers.
class Keys {
 public:
  Keys(DType type, const ValuePool* pool) : type_(type), access_(element_access(type)), pool_(pool) {}
  /// -1, 0 or 1; an error for a broken string.
  Status compare(const void* a, std::int64_t i, const void* b, std::int64_t k, int* order) const {
    if (type_ == DType::string) {
      std::string_view x, y;
      if (Status s = pool_->read(static_cast<const Handle*>(a)[i], &x); !s) return s;
      if (Status s = pool_->read(static_cast<const Handle*>(b)[k], &y); !s) return s;
      *order = x.compare(y);
    } else if (is_float(type_)) {
      const double x = access_.load(a, i), y = access_.load(b, k);
      *order = std::isnan(x) || std::isnan(y) ? int{std::isnan(x)} - int{std::isnan(y)} : (x > y) - (x < y);
    } else {
      const std::int64_t x = access_.load_int(a, i), y = access_.load_int(b, k);
      *order = (x > y) - (x < y);
    }
    return {};
  }

 private:
  DType type_;
  const ElementAccess& access_;
  const ValuePool* pool_;
};

Status run_label_encoder(const KernelContext& c) noexcept {
  if (c.in_count < 4) return kBroken;
  const TensorView &x = c.in[0], &keys = c.in[1], &values = c.in[2], &otherwise = c.in[3], &out = c.out[0];
  const std::int64_t bytes = dtype_bits(values.dtype) / 8;
  if (x.dtype != keys.dtype || values.dtype != out.dtype || otherwise.dtype != out.dtype || bytes < 1 ||
      keys.shape.rank != 1 || values.shape.rank != 1 || values.shape[0] < keys.shape[0] ||
      otherwise.shape.numel() != 1 || !(x.shape == out.shape) || (x.dtype == DType::string && c.pool == nullptr) ||
      (x.dtype != DType::string && element_access(x.dtype).load == nullptr))
    return kBroken;
  const Keys order(x.dtype, c.pool);
  for (Walk<2> walk(x.shape, x.stride, out.stride); !walk.done; walk.next()) {
    std::int64_t low = 0, high = keys.shape[0];
    const std::byte* found = otherwise.as<std::byte>();
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      int after = 0;
      if (Status s = order.compare(x.data, walk.offset[0], keys.data, middle, &after); !s) return s;
      if (after == 0) found = values.as<std::byte>() + middle * bytes;
      if (after == 0) break;
      (after > 0 ? low : high) = after > 0 ? middle + 1 : middle;
    }
    std::memcpy(out.as<std::byte>() + walk.offset[1] * bytes, found, static_cast<std::size_t>(bytes));
  }
  return {};
}

bool holds(const std::int64_t* node, double value, double split, const TensorView& members) {
  switch (node[TreeNode::mode]) {
    case TreeNode::less_or_equal: return value <= split;
    case TreeNode::less: return value < split;
    case TreeNode::greater_or_equal: return value >= split;
    case TreeNode::greater: return value > split;
    case TreeNode::equal: return value == split;
    case TreeNode::not_equal: return value != split;
    default: break;
  }
  const ElementAccess& access = element_access(members.dtype);
  const std::int64_t begin = std::max<std::int64_t>(0, node[TreeNode::set_begin]),
                     end = std::min(members.shape[0], node[TreeNode::set_end]);
  for (std::int64_t i = begin; i < end; ++i)
    if (access.load(members.data, i) == value) return true;
  return false;
}

Status run_tree_ensemble(const KernelContext& c) noexcept {
  if (c.in_count < 7) return kBroken;
  const auto& p = c.params_as<TreeEnsembleParams>();
  const TensorView &x = c.in[0], &nodes = c.in[1], &splits = c.in[2], &targets = c.in[3], &weights = c.in[4],
                   &roots = c.in[5], &members = c.in[6], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  for (const TensorView* v : {&splits, &weights, &members, &out})
    if (v->dtype != x.dtype || access.load == nullptr) return kBroken;
  for (const TensorView* v : {&nodes, &targets, &roots})
    if (v->dtype != DType::i64) return kBroken;
  if (x.shape.rank != 2 || out.shape.rank != 2 || out.shape[0] != x.shape[0] || nodes.shape.rank != 2 ||
      nodes.shape[1] != TreeNode::kFields || splits.shape.numel() < nodes.shape[0] || targets.shape.rank != 1 ||
      weights.shape.numel() < targets.shape[0] || roots.shape.rank != 1 || members.shape.rank != 1)
    return kBroken;
  using Aggregate = TreeEnsembleParams::Aggregate;
  const std::int64_t trees = roots.shape[0];
  for (std::int64_t row = 0; row < x.shape[0]; ++row)
    for (std::int64_t t = 0; t < out.shape[1]; ++t) {
      double total = 0;
      bool any = false;
      for (std::int64_t tree = 0; tree < trees; ++tree) {
        std::int64_t at = roots.as<std::int64_t>()[tree];
        std::int64_t steps = 0;
        for (; at >= 0; ++steps) {
          if (at >= nodes.shape[0] || steps > nodes.shape[0]) return kBroken;
          const std::int64_t* node = nodes.as<std::int64_t>() + at * TreeNode::kFields;
          if (node[TreeNode::feature] < 0 || node[TreeNode::feature] >= x.shape[1])
            return {StatusCode::out_of_range, "a tree tests a feature that the input does not have"};
          const double value = access.load(x.data, row * x.stride[0] + node[TreeNode::feature] * x.stride[1]);
          const bool yes = (std::isnan(value) && node[TreeNode::missing] != 0) ||
                           holds(node, value, access.load(splits.data, at), members);
          at = node[yes ? TreeNode::yes : TreeNode::no];
        }
        for (std::int64_t entry = ~at, target = -1; target < 0; ++entry) {
          if (entry >= targets.shape[0]) return kBroken;
          target = targets.as<std::int64_t>()[entry];  // below 0 where the leaf has more entries
          if ((target < 0 ? ~target : target) != t) continue;
          const double weight = access.load(weights.data, entry);
          if (p.aggregate == Aggregate::min) total = any ? std::min(total, weight) : weight;
          else if (p.aggregate == Aggregate::max) total = any ? std::max(total, weight) : weight;
          else total += weight;
          any = true;
        }
      }
      if (p.aggregate == Aggregate::average && trees > 0) total /= static_cast<double>(trees);
      access.store(out.data, row * out.stride[0] + t * out.stride[1], total);
    }
  return {};
}

/// Class i against class j, for i != j, in a row of pairs i < j.
class Pairs {
 public:
  Pairs(const ElementAccess& access, const TensorView& r, std::int64_t row, std::int64_t classes)
      : access_(access), r_(r), row_(row), classes_(classes) {}
  double operator()(std::int64_t i, std::int64_t j) const {
    const std::int64_t low = std::min(i, j), high = std::max(i, j);
    const std::int64_t pair = low * (2 * classes_ - low - 1) / 2 + high - low - 1;
    const double p = access_.load(r_.data, row_ * r_.stride[0] + pair * r_.stride[1]);
    return i < j ? p : 1 - p;
  }

 private:
  const ElementAccess& access_;
  const TensorView& r_;
  std::int64_t row_, classes_;
};

std::size_t coupling_scratch(const KernelQuery& q) noexcept {
  return q.out[0].shape.rank == 2 ? static_cast<std::size_t>(q.out[0].shape[1]) * 3 * sizeof(double) : 0;
}

/// The names are those of the paper: Q[i][i] is the sum of r[j][i]^2, Q[i][j] = -r[j][i] r[i][j].
Status run_pairwise_coupling(const KernelContext& c) noexcept {
  const TensorView &r = c.in[0], &out = c.out[0];
  const std::int64_t classes = c.params_as<PairwiseCouplingParams>().classes;
  const ElementAccess& access = element_access(r.dtype);
  if (access.load == nullptr || out.dtype != r.dtype || r.shape.rank != 2 || out.shape.rank != 2 ||
      out.shape[0] != r.shape[0] || out.shape[1] != classes || r.shape[1] != classes * (classes - 1) / 2)
    return kBroken;
  auto* const p = reinterpret_cast<double*>(c.scratch);
  double *const diagonal = p + classes, *const qp = diagonal + classes;
  const double enough = 0.005 / static_cast<double>(classes);
  for (std::int64_t row = 0; row < r.shape[0]; ++row) {
    const Pairs pair(access, r, row, classes);
    const auto q = [&](std::int64_t i, std::int64_t j) { return i == j ? diagonal[i] : -pair(j, i) * pair(i, j); };
    for (std::int64_t i = 0; i < classes; ++i) {
      p[i] = 1 / static_cast<double>(classes);
      diagonal[i] = 0;
      for (std::int64_t j = 0; j < classes; ++j)
        if (j != i) diagonal[i] += pair(j, i) * pair(j, i);
    }
    for (int round = 0; round < 100; ++round) {
      double pqp = 0, furthest = 0;
      for (std::int64_t i = 0; i < classes; ++i) {
        qp[i] = 0;
        for (std::int64_t j = 0; j < classes; ++j) qp[i] += q(i, j) * p[j];
        pqp += p[i] * qp[i];
      }
      for (std::int64_t i = 0; i < classes; ++i) furthest = std::max(furthest, std::abs(qp[i] - pqp));
      if (furthest < enough) break;
      for (std::int64_t i = 0; i < classes; ++i) {
        const double step = (pqp - qp[i]) / diagonal[i], grown = 1 + step;
        p[i] += step;
        pqp = (pqp + step * (step * diagonal[i] + 2 * qp[i])) / grown / grown;
        for (std::int64_t j = 0; j < classes; ++j) {
          qp[j] = (qp[j] + step * q(i, j)) / grown;
          p[j] /= grown;
        }
      }
    }
    for (std::int64_t i = 0; i < classes; ++i) access.store(out.data, row * out.stride[0] + i * out.stride[1], p[i]);
  }
  return {};
}

}  // namespace

extern const Kernel label_encoder_ref{.name = "label_encoder_ref",
                                      .op = "LabelEncoder",
                                      .reference = true,
                                      .in{Port::strided, Port::dense},
                                      .out{Port::strided},
                                      .run = run_label_encoder};
extern const Kernel tree_ensemble_ref{.name = "tree_ensemble_ref",
                                      .op = "TreeEnsemble",
                                      .reference = true,
                                      .in{Port::strided, Port::dense},
                                      .out{Port::strided},
                                      .run = run_tree_ensemble};

extern const Kernel pairwise_coupling_ref{.name = "pairwise_coupling_ref",
                                          .op = "PairwiseCoupling",
                                          .reference = true,
                                          .in{Port::strided},
                                          .out{Port::strided},
                                          .scratch_bytes = coupling_scratch,
                                          .run = run_pairwise_coupling};

}  // namespace monza::ops
