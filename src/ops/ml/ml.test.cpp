// Fast kernels of tree ensembles against the reference, over drawn forests.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "kernel/registry.h"
#include "ops/ml/ml.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

using test::Tensor;

Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  Tensor t = test::make_tensor(DType::i64, shape);
  std::copy(values.begin(), values.end(), t.as<std::int64_t>());
  return t;
}
Tensor floats(DType type, const std::vector<float>& values, const Shape& shape) {
  Tensor t = test::make_tensor(type, shape);
  if (type == DType::f64) std::copy(values.begin(), values.end(), t.as<double>());
  else std::copy(values.begin(), values.end(), t.as<float>());
  return t;
}
Tensor floats(DType type, const std::vector<float>& values) {
  return floats(type, values, Shape{static_cast<std::int64_t>(values.size())});
}

/// A forest of drawn trees, as inputs 1 to 6 of the operator.
struct Forest {
  std::vector<std::int64_t> nodes, targets, roots;
  std::vector<float> splits, weights, members;

  std::int64_t grow(std::mt19937& rng, int depth, int features, int outputs) {
    if (depth == 0 || rng() % 5 == 0) {
      const auto leaf = static_cast<std::int64_t>(targets.size());
      for (std::uint32_t entries = 1 + rng() % 3; entries > 0; --entries) {
        const auto target = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(outputs));
        targets.push_back(entries > 1 ? ~target : target);
        weights.push_back(static_cast<float>(rng() % 1000) / 500 - 1);
      }
      return ~leaf;
    }
    const std::size_t at = splits.size();
    const auto mode = static_cast<std::int64_t>(rng() % 7);
    const auto begin = static_cast<std::int64_t>(members.size());
    if (mode == TreeNode::member)
      for (std::uint32_t k = rng() % 4; k > 0; --k) members.push_back(static_cast<float>(rng() % 5));
    splits.push_back(static_cast<float>(rng() % 5));
    nodes.insert(nodes.end(), {static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(features)), mode, 0, 0,
                               static_cast<std::int64_t>(rng() % 2), begin, static_cast<std::int64_t>(members.size())});
    const std::int64_t yes = grow(rng, depth - 1, features, outputs), no = grow(rng, depth - 1, features, outputs);
    nodes[at * TreeNode::kFields + TreeNode::yes] = yes;
    nodes[at * TreeNode::kFields + TreeNode::no] = no;
    return static_cast<std::int64_t>(at);
  }
};

TEST(TreeEnsemble, FastKernelsAgreeWithTheReference) {
  for (const Kernel* kernel : kernels_of("TreeEnsemble")) {
    if (kernel->reference || !test::lacking(*kernel).empty()) continue;
    int ran = 0;
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
      std::mt19937 rng(seed);
      const int features = 1 + static_cast<int>(rng() % 6), outputs = 1 + static_cast<int>(rng() % 3);
      Forest f;
      for (std::uint32_t tree = rng() % 10; tree > 0; --tree)
        f.roots.push_back(f.grow(rng, static_cast<int>(rng() % 6), features, outputs));
      // Now and then a damaged table, which ends the run.
      if (seed % 17 == 0 && !f.nodes.empty()) f.nodes[TreeNode::feature] = 99;
      if (seed % 19 == 0 && !f.nodes.empty()) f.nodes[TreeNode::yes] = f.nodes[TreeNode::no] = 0;
      const std::int64_t rows = std::initializer_list<int>{0, 1, 7, 64, 65, 200}.begin()[rng() % 6];
      const DType type = rng() % 2 ? DType::f32 : DType::f64;
      std::vector<float> values(static_cast<std::size_t>(rows * features));
      for (float& value : values)
        value = rng() % 9 == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(rng() % 5);
      TreeEnsembleParams p;
      p.aggregate = static_cast<TreeEnsembleParams::Aggregate>(rng() % 4);
      p.targets = outputs;
      std::vector<Tensor> in{floats(type, values, Shape{rows, features}),
                             integers(f.nodes, Shape{static_cast<std::int64_t>(f.splits.size()), TreeNode::kFields}),
                             floats(type, f.splits),
                             integers(f.targets, Shape{static_cast<std::int64_t>(f.targets.size())}),
                             floats(type, f.weights),
                             integers(f.roots, Shape{static_cast<std::int64_t>(f.roots.size())}),
                             floats(type, f.members)};
      in[1].constant = true;
      const std::vector<std::pair<DType, Shape>> out{{type, Shape{rows, outputs}}};
      const auto got =
          test::run_kernel(*kernel, &p, in, out, {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
      if (!got.refusal.empty()) continue;
      ++ran;
      const auto want = test::run_kernel(*kernels_of("TreeEnsemble").back(), &p, in, out, {.seed = seed + 1});
      ASSERT_EQ(got.problem.empty(), want.problem.empty()) << "seed " << seed << ": " << got.problem << want.problem;
      if (!want.problem.empty()) continue;
      ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes) << kernel->name << " seed " << seed;
    }
    EXPECT_GT(ran, 50);
  }
}

}  // namespace
}  // namespace monza
