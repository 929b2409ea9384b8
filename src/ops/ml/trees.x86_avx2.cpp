// TreeEnsemble over f32 and f64: pairs of a tree and a row are walked side by side, tree by tree, so that rows share
// its nodes in the L1 cache and few rows fill a round with several trees.
//
// A step is two loads that wait for each other, some 12 instructions: 16 walks hide the one and are bound by the other.
// Branches of the trees become indices. In balanced trees all walks take as many steps, and who has come to a leaf
// steps on the spot; in others, as LightGBM grows them, that would be most steps of most walks, so that each ends
// alone.
#include "kernel/kernel.h"
#include "ops/ml/ml.params.h"
#include "ops/ml/tree_nodes.params.h"
#include "tensor/dtype.h"

namespace monza::ops {

extern const PackedFormat forest;  // ml_packed.any.cpp

namespace {

constexpr std::int64_t kRows = 64;  ///< of a task
constexpr int kTogether = 16;       ///< walks that are under way at once
constexpr Status kBroken{StatusCode::internal, "a kernel of ai.onnx.ml was given other operands"};
constexpr Status kNoFeature{StatusCode::out_of_range, "a tree tests a feature that the input does not have"};

/// Without their elements they are asked of nodes that have been packed.
bool packs(const OperandDesc& nodes, std::int64_t entries) {
  if (!nodes.constant || nodes.shape[0] + entries > INT32_MAX) return false;
  if (nodes.data == nullptr) return true;
  const auto* at = static_cast<const std::int64_t*>(nodes.data);
  for (std::int64_t i = 0; i < nodes.shape[0]; ++i, at += TreeNode::kFields) {
    for (int field = 0; field < TreeNode::kFields; ++field)
      if (at[field] < INT32_MIN || at[field] > INT32_MAX) return false;
    for (const int field : {TreeNode::yes, TreeNode::no})
      if (at[field] >= nodes.shape[0] || ~at[field] >= entries) return false;
  }
  return true;
}
Refusal accepts_trees(const KernelQuery& q) noexcept {
  const DType type = q.input(0).dtype;
  if (type != DType::f32 && type != DType::f64) return "features other than f32 and f64";
  const auto aggregate = static_cast<const TreeEnsembleParams*>(q.params)->aggregate;
  using A = TreeEnsembleParams::Aggregate;
  if (aggregate != A::sum && aggregate != A::average) return "the least and the largest leaf";
  return packs(q.in[1], q.in[3].shape[0]) ? nullptr : "nodes that are not constant, or lead out of their tables";
}

PackedTrees trees_of(const KernelQuery& q) { return {q.in[1].shape[0], q.in[3].shape[0]}; }
std::size_t forest_bytes(const KernelQuery& q) noexcept { return trees_of(q).bytes(); }

/// Steps from the deepest node to its leaf, or -1 for a loop: levels are taken off from the leaves' side.
std::int32_t depth_of(const PackedNode* nodes, std::int64_t count, std::int32_t* heights) {
  for (std::int64_t i = 0; i < count; ++i) heights[i] = 0;
  std::int32_t deepest = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::int64_t i = count - 1; i >= 0; --i) {  // mostly behind its parent
      std::int32_t height = 1;
      for (const std::int32_t next : nodes[i].next)
        if (next < count && heights[next] + 1 > height) height = heights[next] + 1;
      changed |= height != heights[i];
      heights[i] = height;
      if (height > deepest) deepest = height;
      if (deepest > count) return -1;
    }
  }
  return deepest;
}
void pack_forest(const KernelQuery& q, std::byte* packed) noexcept {
  const PackedTrees trees = trees_of(q);
  const auto* from = static_cast<const std::int64_t*>(q.in[1].data);
  auto* nodes = reinterpret_cast<PackedNode*>(packed + trees.nodes_at());
  auto* tests = reinterpret_cast<PackedTest*>(packed + trees.tests_at());
  const auto i32 = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  const auto place = [&](std::int64_t next) { return i32(next < 0 ? trees.nodes + ~next : next); };
  PackedForest head{0, 1, {}};
  for (std::int64_t i = 0; i < trees.nodes; ++i, from += TreeNode::kFields) {
    nodes[i] = {i32(from[TreeNode::feature]), i32(i), {place(from[TreeNode::no]), place(from[TreeNode::yes])}};
    tests[i].mode = i32(from[TreeNode::mode]);
    head.uniform &= from[TreeNode::mode] == TreeNode::less_or_equal;
  }
  for (std::int64_t i = 0; i < trees.entries; ++i) {
    const std::int32_t self = i32(trees.nodes + i);
    nodes[trees.nodes + i] = {0, 0, {self, self}};
  }
  // The tests' place is long enough to work in, before they are written.
  head.depth = depth_of(nodes, trees.nodes, reinterpret_cast<std::int32_t*>(tests));
  from = static_cast<const std::int64_t*>(q.in[1].data);
  for (std::int64_t i = 0; i < trees.nodes; ++i, from += TreeNode::kFields)
    tests[i] = {i32(from[TreeNode::mode]), i32(from[TreeNode::missing]), i32(from[TreeNode::set_begin]),
                i32(from[TreeNode::set_end])};
  *reinterpret_cast<PackedForest*>(packed) = head;
}
constexpr Packing kForestPacking{.input = 1, .bytes = forest_bytes, .pack = pack_forest, .format = &forest};

std::size_t scratch_trees(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads) * static_cast<std::size_t>(kRows * q.out[0].shape[1]) * sizeof(double);
}

/// The tables. All that packed nodes say may come from a damaged file.
template <typename T>
struct Forest {
  PackedForest head;
  const PackedNode* nodes;
  const PackedTest* tests;
  const std::int64_t* targets;
  const T *splits, *weights, *members;
  std::int64_t node_count, entries, features, member_count;

  explicit Forest(const KernelContext& c)
      : targets(c.in[3].as<const std::int64_t>()),
        splits(c.in[2].as<const T>()),
        weights(c.in[4].as<const T>()),
        members(c.in[6].as<const T>()),
        node_count(c.in[1].shape[0]),
        entries(c.in[3].shape[0]),
        features(c.in[0].shape[1]),
        member_count(c.in[6].shape[0]) {
    const PackedTrees trees{node_count, entries};
    const auto* packed = c.in[1].as<const std::byte>();
    head = *reinterpret_cast<const PackedForest*>(packed);
    nodes = reinterpret_cast<const PackedNode*>(packed + trees.nodes_at());
    tests = reinterpret_cast<const PackedTest*>(packed + trees.tests_at());
  }

  bool holds(std::int64_t at, T value) const {
    const PackedTest& test = tests[at];
    const T split = splits[at];
    if (value != value && test.missing != 0) return true;
    switch (test.mode) {
      case TreeNode::less_or_equal: return value <= split;
      case TreeNode::less: return value < split;
      case TreeNode::greater_or_equal: return value >= split;
      case TreeNode::greater: return value > split;
      case TreeNode::equal: return value == split;
      case TreeNode::not_equal: return value != split;
      default: break;
    }
    const std::int64_t begin = test.set_begin > 0 ? test.set_begin : 0,
                       end = test.set_end < member_count ? test.set_end : member_count;
    for (std::int64_t i = begin; i < end; ++i)
      if (members[i] == value) return true;
    return false;
  }

  MONZA_INLINE bool has_feature(std::int32_t feature) const {
    return static_cast<std::uint32_t>(feature) < static_cast<std::uint64_t>(features);
  }
  /// Walks may take as many steps as the longest one: trees are about as deep as so many nodes must be.
  bool balanced(std::int64_t trees) const {
    return head.depth >= 0 && head.depth < 31 && (std::int64_t{1} << head.depth) <= 4 * (node_count / trees + 1);
  }

  /// Takes kCount walks from their places to leaves. No feature is NaN, and all tests are alike.
  template <int kCount>
  Status walk_together(std::uint64_t* at, const T* const* row) const {
    const auto all = static_cast<std::uint64_t>(node_count + entries), inner = static_cast<std::uint64_t>(node_count),
               width = static_cast<std::uint64_t>(features);
    for (std::int32_t step = 0; step < head.depth; ++step)
#pragma GCC unroll 16
      for (int k = 0; k < kCount; ++k) {
        const PackedNode& node = nodes[at[k]];
        const auto feature = static_cast<std::uint32_t>(node.feature), split = static_cast<std::uint32_t>(node.split);
        if (feature >= width) [[unlikely]]
          return kNoFeature;
        if (split >= inner) [[unlikely]]
          return kBroken;
        at[k] = static_cast<std::uint32_t>(node.next[row[k][feature] <= splits[split]]);
        if (at[k] >= all) [[unlikely]]
          return kBroken;
      }
    return {};
  }
  /// The same whatever the tests, and where one walk may be far longer than another.
  Status walk_apart(std::uint64_t* at, const T* const* row, int some) const {
    const auto all = static_cast<std::uint64_t>(node_count + entries), inner = static_cast<std::uint64_t>(node_count);
    bool open = true;
    for (std::int64_t step = 0; open; ++step) {
      if (step > node_count) return kBroken;
      open = false;
      for (int k = 0; k < some; ++k) {
        if (at[k] >= inner) continue;
        const PackedNode& node = nodes[at[k]];
        if (!has_feature(node.feature)) return kNoFeature;
        const T value = row[k][node.feature];
        const bool yes = head.uniform != 0 && value == value ? value <= splits[at[k]]
                                                             : holds(static_cast<std::int64_t>(at[k]), value);
        at[k] = static_cast<std::uint32_t>(node.next[yes]);
        if (at[k] >= all) return kBroken;
        open = true;
      }
    }
    return {};
  }
  /// To the leaf's sums. False where it has no end.
  bool add(std::int64_t entry, double* sums, std::int64_t outputs) const {
    for (std::int64_t target = -1; target < 0; ++entry) {
      if (entry >= entries) return false;
      target = targets[entry];  // below 0 where the leaf has more entries
      const std::int64_t to = target < 0 ? ~target : target;
      if (to < outputs) sums[to] += static_cast<double>(weights[entry]);
    }
    return true;
  }
};

template <typename T>
bool any_nan(const T* x, std::int64_t count) {
  bool found = false;
  for (std::int64_t i = 0; i < count; ++i) found |= x[i] != x[i];
  return found;
}

/// The sums of `count` rows from x on, over all trees.
template <typename T>
struct RowSums {
  const Forest<T>& f;
  const std::int64_t* roots;
  std::int64_t trees, outputs;
  const T* x;
  std::int64_t count;
  double* sums;
  bool together;

  RowSums(const KernelContext& c, const Forest<T>& forest, std::int64_t first, std::int64_t rows, double* to)
      : f(forest),
        roots(c.in[5].as<const std::int64_t>()),
        trees(c.in[5].shape[0]),
        outputs(c.out[0].shape[1]),
        x(c.in[0].as<const T>() + first * f.features),
        count(rows),
        sums(to),
        together(f.head.uniform != 0 && f.node_count > 0 && f.features > 0 && trees > 0 && f.balanced(trees) &&
                 !any_nan(x, count * f.features)) {}

  /// The place of a tree's root, or below 0.
  MONZA_INLINE std::int64_t root(std::int64_t tree) const {
    const std::int64_t at = roots[tree] < 0 ? f.node_count + ~roots[tree] : roots[tree];
    return at < f.node_count + f.entries ? at : -1;
  }
  /// Walks of `some` rows, and what they come to.
  MONZA_INLINE Status finish(std::uint64_t* at, const T* const* row, double* const* to, int some) const {
    const Status status =
        together && some == kTogether ? f.template walk_together<kTogether>(at, row) : f.walk_apart(at, row, some);
    if (!status) return status;
    for (int k = 0; k < some; ++k)
      if (!f.add(static_cast<std::int64_t>(at[k]) - f.node_count, to[k], outputs)) return kBroken;
    return {};
  }

  Status run() const {
    std::uint64_t at[kTogether];
    const T* row[kTogether];
    double* to[kTogether];
    std::int64_t first = 0;
    for (; first + kTogether <= count; first += kTogether) {
      for (int k = 0; k < kTogether; ++k) {
        row[k] = x + (first + k) * f.features;
        to[k] = sums + (first + k) * outputs;
      }
      for (std::int64_t tree = 0; tree < trees; ++tree) {
        const std::int64_t place = root(tree);
        if (place < 0) return kBroken;
        for (int k = 0; k < kTogether; ++k) at[k] = static_cast<std::uint64_t>(place);
        if (const Status status = finish(at, row, to, kTogether); !status) return status;
      }
    }
    // Too few rows for a round, which takes several trees of each.
    std::int64_t tree = 0, r = first;
    while (tree < trees && first < count) {
      int some = 0;
      for (; some < kTogether && tree < trees; ++some) {
        const std::int64_t place = root(tree);
        if (place < 0) return kBroken;
        at[some] = static_cast<std::uint64_t>(place);
        row[some] = x + r * f.features;
        to[some] = sums + r * outputs;
        if (++r == count) r = first, ++tree;
      }
      if (const Status status = finish(at, row, to, some); !status) return status;
    }
    return {};
  }
};

template <typename T>
Status run_forest(const KernelContext& c) {
  const Forest<T> f(c);
  const std::int64_t trees = c.in[5].shape[0], rows = c.in[0].shape[0], outputs = c.out[0].shape[1];
  const bool mean = c.params_as<TreeEnsembleParams>().aggregate == TreeEnsembleParams::Aggregate::average;
  const double share = mean && trees > 0 ? static_cast<double>(trees) : 1;
  T* out = c.out[0].as<T>();
  std::int32_t wrong = 0, absent = 0;  // written by several threads, always the same value
  parallel_for(*c.parallel, (rows + kRows - 1) / kRows, [&](std::int64_t task, int worker) {
    auto* sums = reinterpret_cast<double*>(c.scratch) + worker * kRows * outputs;
    const std::int64_t first = task * kRows, count = rows - first < kRows ? rows - first : kRows;
    for (std::int64_t i = 0; i < count * outputs; ++i) sums[i] = 0;
    const Status status = RowSums<T>(c, f, first, count, sums).run();
    if (!status) __atomic_store_n(status.code() == kNoFeature.code() ? &absent : &wrong, 1, __ATOMIC_RELAXED);
    for (std::int64_t i = 0; i < count * outputs; ++i) out[first * outputs + i] = static_cast<T>(sums[i] / share);
  });
  return absent ? kNoFeature : wrong ? kBroken : Status();
}

Status run_trees(const KernelContext& c) noexcept {
  return c.in[0].dtype == DType::f32 ? run_forest<float>(c) : run_forest<double>(c);
}

}  // namespace

extern const Kernel tree_ensemble_avx2{.name = "tree_ensemble_avx2",
                                       .op = "TreeEnsemble",
                                       .needs = Isa::avx2,
                                       .version = 2,
                                       .in{Port::dense, Port::packed, Port::dense},
                                       .packings = &kForestPacking,
                                       .packing_count = 1,
                                       .accepts = accepts_trees,
                                       .scratch_bytes = scratch_trees,
                                       .run = run_trees};

}  // namespace monza::ops
