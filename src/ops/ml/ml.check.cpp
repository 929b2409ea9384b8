// What the kernels of this family rely on: tables whose columns fit each other; nodes and leaves are checked as they
// are walked.
#include "kernel/check_rules.h"
#include "ops/ml/ml.params.h"

namespace monza::ops {
namespace {

constexpr Refusal kTables = "the tables do not fit each other";

Refusal check_label_encoder(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 4, .most_in = 4})) return r;
  const TensorView &x = c.in[0], &keys = c.in[1], &values = c.in[2];
  MONZA_REQUIRE(x.dtype == keys.dtype && (plain(x) || x.dtype == DType::string) && values.dtype == c.out[0].dtype &&
                    c.in[3].dtype == values.dtype && dtype_bits(values.dtype) >= 8,
                kTypes);
  MONZA_REQUIRE(keys.shape.rank == 1 && values.shape.rank == 1 && values.shape[0] >= keys.shape[0] &&
                    one_element(c.in[3]) && x.shape == c.out[0].shape,
                kTables);
  return nullptr;
}

Refusal check_tree_ensemble(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 7, .most_in = 7})) return r;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype, kTypes);
  for (int i : {2, 4, 6}) MONZA_REQUIRE(c.in[i].dtype == x.dtype, kTypes);
  for (int i : {1, 3, 5}) MONZA_REQUIRE(c.in[i].dtype == DType::i64, kTypes);
  MONZA_REQUIRE(x.shape.rank == 2 && out.shape.rank == 2 && out.shape[0] == x.shape[0], kTables);
  MONZA_REQUIRE(c.in[1].shape.rank == 2 && c.in[1].shape[1] == TreeNode::kFields &&
                    c.in[2].shape.numel() >= c.in[1].shape[0] && c.in[3].shape.rank == 1 &&
                    c.in[4].shape.numel() >= c.in[3].shape[0] && c.in[5].shape.rank == 1 && c.in[6].shape.rank == 1,
                kTables);
  return nullptr;
}

Refusal check_pairwise_coupling(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 1, .most_in = 1})) return r;
  const std::int64_t classes = c.params_as<PairwiseCouplingParams>().classes;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(x.dtype == DType::f32 && out.dtype == x.dtype, kTypes);
  MONZA_REQUIRE(classes >= 2 && classes <= kMostCoupledClasses && x.shape.rank == 2 && out.shape.rank == 2 &&
                    out.shape[0] == x.shape[0] && out.shape[1] == classes && x.shape[1] == classes * (classes - 1) / 2,
                kTables);
  return nullptr;
}

constexpr OperatorCheck kMlChecks[] = {
    {"LabelEncoder", check_label_encoder},
    {"TreeEnsemble", check_tree_ensemble},
    {"PairwiseCoupling", check_pairwise_coupling},
};

}  // namespace

extern const CheckList ml_checks{kMlChecks};

}  // namespace monza::ops
