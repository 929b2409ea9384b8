// LabelEncoder and TreeEnsemble of ai.onnx.ml, and what its SVMClassifier does to probabilities.
#include "ops/ml/ml.params.h"

#include <cmath>
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// LabelEncoder(x, keys [n] in ascending order, values [n], otherwise [1]): the value of each element's key.
void infer_label_encoder(ir::InferContext& c) {
  if (c.dtype(1) != c.dtype(0))
    c.fail("elements of {} are looked up among keys of {}", dtype_name(c.dtype(0)), dtype_name(c.dtype(1)));
  if (c.dtype(3) != c.dtype(2))
    c.fail("the default is {}, the values {}", dtype_name(c.dtype(3)), dtype_name(c.dtype(2)));
  if (dtype_bits(c.dtype(2)) < 8) c.fail("values of {} are not supported", dtype_name(c.dtype(2)));
  const bool keys =
      c.dtype(0) == DType::string || is_integer(c.dtype(0)) || is_float(c.dtype(0)) || c.dtype(0) == DType::boolean;
  if (!keys) c.fail("keys of {} are not supported", dtype_name(c.dtype(0)));
  if (c.shape(1).size() != 1 || c.shape(2).size() != 1) c.fail("keys and values must be lists");
  require_equal(c.shape(1)[0], c.shape(2)[0], "keys and values differ in number");
  require_equal(ir::product(c.shape(3)), 1, "there must be one default");
  c.set_output(0, c.dtype(2), c.shape(0));
}

void infer_tree_ensemble(ir::InferContext& c) {
  if (c.shape(0).size() != 2) c.fail("input has rank {}, not 2", c.shape(0).size());
  for (int i : {2, 4, 6})
    if (c.dtype(i) != c.dtype(0))
      c.fail("input {} is {}, the features are {}", i, dtype_name(c.dtype(i)), dtype_name(c.dtype(0)));
  if (!is_float(c.dtype(0))) c.fail("features of {} are not supported", dtype_name(c.dtype(0)));
  if (c.shape(1).size() != 2) c.fail("nodes have rank {}, not 2", c.shape(1).size());
  for (int i = 2; i < 7; ++i)
    if (c.shape(i).size() != 1) c.fail("input {} has rank {}, not 1", i, c.shape(i).size());
  require_equal(c.shape(1)[1], TreeNode::kFields, "a node has another number of fields");
  require_equal(c.shape(1)[0], c.shape(2)[0], "nodes and splits differ in number");
  require_equal(c.shape(3)[0], c.shape(4)[0], "leaf targets and weights differ in number");
  c.set_output(0, c.dtype(0), {c.shape(0)[0], c.attrs().i("targets")});
}

void params_tree_ensemble(const ir::NodeView& n, ir::ParamsBlob& blob) {
  TreeEnsembleParams p;
  p.targets = n.attrs().i("targets");
  p.aggregate = static_cast<TreeEnsembleParams::Aggregate>(n.attrs().i("aggregate"));
  blob.set(p);
}

void infer_pairwise_coupling(ir::InferContext& c) {
  const std::int64_t classes = c.attrs().i("classes");
  if (classes < 2 || classes > kMostCoupledClasses)
    c.fail("{} classes are not from 2 to {}", classes, kMostCoupledClasses);
  if (c.dtype(0) != DType::f32) c.fail("probabilities of {} are not supported", dtype_name(c.dtype(0)));
  if (c.shape(0).size() != 2) c.fail("input has rank {}, not 2", c.shape(0).size());
  require_equal(c.shape(0)[1], classes * (classes - 1) / 2, "there is another number of pairs of classes");
  c.set_output(0, c.dtype(0), {c.shape(0)[0], classes});
}

void params_pairwise_coupling(const ir::NodeView& n, ir::ParamsBlob& blob) {
  blob.set(PairwiseCouplingParams{n.attrs().i("classes")});
}

/// The most rounds that it may take.
double work_pairwise_coupling(const ir::NodeView&, const std::vector<Shape>&, const std::vector<Shape>& out) {
  return 2 * 100.0 * static_cast<double>(out[0].numel()) * static_cast<double>(out[0][1]);
}

double work_label_encoder(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel()) * std::log2(static_cast<double>(in[1].numel()) + 2);
}

/// At most: every tree is one path of all nodes, and each node looks through all members.
double work_tree_ensemble(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  const double nodes = static_cast<double>(in[1][0]), trees = static_cast<double>(in[5].numel());
  return static_cast<double>(out[0].numel()) * trees * nodes * static_cast<double>(1 + in[6].numel());
}

constexpr ir::AttrDef kCouplingAttrs[] = {{"classes", 2}};
constexpr ir::AttrDef kTreeAttrs[] = {{"targets", 1}, {"aggregate", 1}};

constexpr ir::OpDef kOps[] = {
    {.name = "LabelEncoder",
     .min_inputs = 4,
     .max_inputs = 4,
     .infer = infer_label_encoder,
     .work = work_label_encoder},
    {.name = "TreeEnsemble",
     .attrs = kTreeAttrs,
     .min_inputs = 7,
     .max_inputs = 7,
     .infer = infer_tree_ensemble,
     .params = params_tree_ensemble,
     .work = work_tree_ensemble},
    {.name = "PairwiseCoupling",
     .attrs = kCouplingAttrs,
     .infer = infer_pairwise_coupling,
     .params = params_pairwise_coupling,
     .work = work_pairwise_coupling},
};

}  // namespace

extern const ir::OpList ml_ops{kOps};

}  // namespace monza::ops
