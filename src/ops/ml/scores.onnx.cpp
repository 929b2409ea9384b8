// Scores and labels of the classifiers of ai.onnx.ml, and ZipMap, which puts them together.
#include "ops/ml/scores.onnx.h"

#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using Ints = std::vector<std::int64_t>;
const ir::Attrs kRows{{"axis", std::int64_t{1}}};
const ir::Attrs kOverRows{{"axes", Ints{1}}, {"keepdims", std::int64_t{1}}};

ir::ValueId scalar(OnnxNode& n, ir::ValueId like, double value) {
  return n.constant_value(ir::constant_scalar(n.type(like).dtype, value));
}

/// exp(s - max), but what is next to 0 keeps its share of exp(-max); divided by the sum.
ir::ValueId softmax_zero(OnnxNode& n, ir::ValueId s) {
  const ir::ValueId max = n.add1("ReduceMax", {s}, kOverRows);
  const ir::ValueId counts = n.add1("Greater", {n.add1("Abs", {s}), scalar(n, s, 1e-7)});
  const ir::ValueId e = n.add1("Where", {counts, n.add1("Exp", {n.add1("Sub", {s, max})}),
                                         n.add1("Mul", {s, n.add1("Exp", {n.add1("Neg", {max})})})});
  return n.add1("Div", {e, n.add1("ReduceSum", {e}, kOverRows)});
}

}  // namespace

std::shared_ptr<const ir::Constant> string_constant(std::vector<std::string> values) {
  auto made = std::make_shared<ir::Constant>();
  made->dtype = DType::string;
  made->shape = Shape{static_cast<std::int64_t>(values.size())};
  made->strings = std::move(values);
  return made;
}

ir::ValueId as_floats(OnnxNode& n, ir::ValueId x, bool keep_f64) {
  const DType type = n.type(x).dtype;
  if (type == DType::f32 || (keep_f64 && type == DType::f64)) return x;
  return n.add1("Cast", {x}, {{"to", std::string("f32")}});
}

ir::ValueId as_rows(OnnxNode& n, ir::ValueId x) {
  const std::size_t rank = n.type(x).rank();
  if (rank != 1 && rank != 2) fail("input has rank {}, not 1 or 2", rank);
  return rank == 2 ? x : n.add1("Unsqueeze", {x}, {{"axes", Ints{0}}});
}

ir::ValueId transformed_scores(OnnxNode& n, ir::ValueId scores, const std::string& transform) {
  if (transform == "NONE") return scores;
  if (transform == "LOGISTIC") return n.add1("Sigmoid", {scores});
  if (transform == "SOFTMAX") return n.add1("Softmax", {scores}, kRows);
  if (transform == "SOFTMAX_ZERO") return softmax_zero(n, scores);
  fail_hint("apply it outside the model", "post_transform {} is not supported", transform);
}

ir::ValueId transformed_pair(OnnxNode& n, ir::ValueId score, const std::string& transform, SecondClass second) {
  ir::ValueId first = ir::kNone;
  if (transform == "LOGISTIC") {
    first = n.add1("Sigmoid", {n.add1("Neg", {score})});
    score = n.add1("Sigmoid", {score});
  } else {
    transformed_scores(n, score, transform == "PROBIT" ? transform : "NONE");
    first = second == SecondClass::opposite ? n.add1("Neg", {score}) : n.add1("Sub", {scalar(n, score, 1), score});
  }
  return n.add1("Concat", {first, score}, kRows);
}

std::shared_ptr<const ir::Constant> class_labels(OnnxNode& n, const char* ints, const char* strings) {
  if (n.has_attr(strings)) {
    auto values = n.strings(strings);
    n.ignore(ints);
    if (!values.empty()) return string_constant(std::move(values));
  }
  if (!n.has_attr(ints)) fail("there are no labels: {} or {} must be given", ints, strings);
  return ir::constant_i64(n.ints(ints));
}

ir::ValueId best_label(OnnxNode& n, ir::ValueId scores, const std::shared_ptr<const ir::Constant>& labels) {
  const ir::ValueId best = n.add1("ArgMax", {scores}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}});
  return n.add1("Gather", {n.constant_value(labels), best}, {{"axis", std::int64_t{0}}});
}

ir::ValueId label_above(OnnxNode& n, ir::ValueId score, double threshold,
                        const std::shared_ptr<const ir::Constant>& labels) {
  const ir::ValueId above = n.add1("Greater", {score, scalar(n, score, threshold)});
  const ir::ValueId index =
      n.add1("Squeeze", {n.add1("Cast", {above}, {{"to", std::string("i64")}})}, {{"axes", Ints{1}}});
  return n.add1("Gather", {n.constant_value(labels), index}, {{"axis", std::int64_t{0}}});
}

namespace {

/// A list of maps from label to score is the scores themselves here, [N, C] in the order of the labels.
void import_zip_map(OnnxNode& n) {
  const auto labels = class_labels(n, "classlabels_int64s", "classlabels_strings");
  const ir::ValueId x = as_rows(n, n.input(0));
  if (const auto width = n.type(x).shape[1].try_constant(); width && *width != labels->numel())
    fail("{} labels for {} scores", labels->numel(), *width);
  n.bind(0, x);
}

constexpr OnnxImporter kScoreImporters[] = {
    {.op_type = "ZipMap", .domain = "ai.onnx.ml", .import = import_zip_map},
};

}  // namespace

extern const OnnxImporters scores_onnx{kScoreImporters};

}  // namespace monza::ops
