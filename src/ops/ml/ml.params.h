// Operators of ai.onnx.ml: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// TreeEnsemble(x [N, F], nodes i64 [n, TreeNode::kFields], splits T [n], leaf_targets i64 [l], leaf_weights T [l],
/// roots i64 [t], members T [m]): sums, means or extremes of the leaves that a row of x reaches, [N, targets].
/// A leaf is the entry that leads to it and those behind it, up to the first one whose target is not negative: ~target
/// stands in all but the last.
struct TreeEnsembleParams {
  enum class Aggregate : std::int64_t { average = 0, sum, min, max };
  Aggregate aggregate = Aggregate::sum;
  std::int64_t targets = 1;
};

/// Columns of the nodes.
struct TreeNode {
  enum Mode : std::int64_t { less_or_equal = 0, less, greater_or_equal, greater, equal, not_equal, member };
  enum Field { feature, mode, yes, no, missing, set_begin, set_end, kFields };
  /// What `yes`, `no` and roots hold: a node's number, or ~number of a leaf's first entry.
};

/// PairwiseCoupling(r [N, classes * (classes - 1) / 2]): [N, classes], the probabilities of classes from those that the
/// first of two is right, for each pair i < j in order. The second method of Wu, Lin and Weng, "Probability Estimates
/// for Multi-class Classification by Pairwise Coupling" (2004), with libsvm's limits: until no gradient is above
/// 0.005 / classes, 100 rounds at most.
struct PairwiseCouplingParams {
  std::int64_t classes = 2;
};

/// Above that a row's table takes more memory than a kernel has.
inline constexpr std::int64_t kMostCoupledClasses = 1024;

}  // namespace monza
