// ai.onnx.ml around its models: features, linear models, support vectors. All become products and elementwise
// operators, but for the coupling of a classifier's probabilities.
#include <cmath>

#include "import/api.h"
#include "ops/ml/scores.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using Ints = std::vector<std::int64_t>;

ir::ValueId scalar(OnnxNode& n, double value) { return n.constant_value(ir::constant_scalar(DType::f32, value)); }
ir::ValueId floats(OnnxNode& n, std::vector<float> values, const Shape& shape) {
  return n.constant_value(ir::constant_f32(std::move(values), shape));
}
/// A list of one element, or of one for each feature.
ir::ValueId per_feature(OnnxNode& n, std::vector<float> values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return floats(n, std::move(values), shape);
}

void import_scaler(OnnxNode& n) {
  ir::ValueId x = as_floats(n, n.input(0));
  if (const auto offset = n.floats("offset"); !offset.empty()) x = n.add1("Sub", {x, per_feature(n, offset)});
  if (const auto scale = n.floats("scale"); !scale.empty()) x = n.add1("Mul", {x, per_feature(n, scale)});
  n.bind(0, x);
}

/// Rows over their norm; a row whose norm is 0 stays.
void import_normalizer(OnnxNode& n) {
  const ir::ValueId x = as_floats(n, n.input(0));
  const std::string norm = n.s("norm", "MAX");
  const char* op = norm == "MAX" ? "ReduceMax" : norm == "L1" ? "ReduceL1" : norm == "L2" ? "ReduceL2" : nullptr;
  if (op == nullptr) fail("norm {} is not MAX, L1 or L2", norm);
  const ir::ValueId size = n.add1(op, {x}, {{"axes", Ints{-1}}, {"keepdims", std::int64_t{1}}});
  const ir::ValueId divisor = n.add1("Where", {n.add1("Equal", {size, scalar(n, 0)}), scalar(n, 1), size});
  n.bind(0, n.add1("Div", {x, divisor}));
}

void import_imputer(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  if (n.has_attr("imputed_value_int64s")) {
    const ir::ValueId values = n.constant_value(ir::constant_i64(n.ints("imputed_value_int64s")));
    const ir::ValueId wrong = n.constant_value(ir::constant_i64_scalar(n.i("replaced_value_int64", 0)));
    n.ignore("replaced_value_float");
    n.bind(0, n.add1("Where", {n.add1("Equal", {x, wrong}), values, x}));
    return;
  }
  if (!n.has_attr("imputed_value_floats")) fail("there are no values to impute");
  n.ignore("replaced_value_int64");
  const ir::ValueId values = per_feature(n, n.floats("imputed_value_floats"));
  const float wrong = n.f("replaced_value_float", 0);
  const ir::ValueId replaced =
      std::isnan(wrong) ? n.add1("IsNaN", {x}) : n.add1("Equal", {x, scalar(n, static_cast<double>(wrong))});
  n.bind(0, n.add1("Where", {replaced, values, x}));
}

void import_one_hot_encoder(OnnxNode& n) {
  if (n.i("zeros", 1) == 0)
    fail_hint("export it with zeros=1, where such a row is 0", "a run cannot fail for categories that are not known");
  ir::ValueId x = n.input(0);
  const auto categories = class_labels(n, "cats_int64s", "cats_strings");
  const bool strings = n.type(x).dtype == DType::string;
  if (strings != (categories->dtype == DType::string))
    fail("elements of {} are looked up among categories of {}", dtype_name(n.type(x).dtype),
         dtype_name(categories->dtype));
  if (!strings && n.type(x).dtype != DType::i64) x = n.add1("Cast", {x}, {{"to", std::string("i64")}});
  x = n.add1("Unsqueeze", {x}, {{"axes", Ints{-1}}});
  const ir::ValueId equal = n.add1(strings ? "StringEqual" : "Equal", {x, n.constant_value(categories)});
  n.bind(0, n.add1("Cast", {equal}, {{"to", std::string("f32")}}));
}

void import_feature_vectorizer(OnnxNode& n) {
  std::vector<ir::ValueId> parts;
  const Ints widths = n.ints("inputdimensions");
  for (int i = 0; i < n.input_count(); ++i) {
    const ir::ValueId x = as_rows(n, as_floats(n, n.input(i)));
    const auto width = n.type(x).shape[1].try_constant();
    if (static_cast<std::size_t>(i) < widths.size() && width && *width != widths[static_cast<std::size_t>(i)])
      fail("input {} has {} features, inputdimensions says {}", i, *width, widths[static_cast<std::size_t>(i)]);
    parts.push_back(x);
  }
  n.bind(0, parts.size() == 1 ? parts[0] : n.add1("Concat", std::move(parts), {{"axis", std::int64_t{1}}}));
}

/// x [N, F] times coefficients [targets, F] plus intercepts.
ir::ValueId linear(OnnxNode& n, std::int64_t targets, std::vector<float> intercepts) {
  const ir::ValueId x = as_rows(n, as_floats(n, n.input(0)));
  auto coefficients = n.floats("coefficients");
  const auto count = static_cast<std::int64_t>(coefficients.size());
  if (targets < 1 || count % targets != 0) fail("{} coefficients do not divide into {} targets", count, targets);
  if (!intercepts.empty() && static_cast<std::int64_t>(intercepts.size()) != targets)
    fail("{} intercepts for {} targets", intercepts.size(), targets);
  std::vector<ir::ValueId> inputs{x, floats(n, std::move(coefficients), Shape{targets, count / targets})};
  if (!intercepts.empty()) inputs.push_back(per_feature(n, std::move(intercepts)));
  return n.add1("MatMul", std::move(inputs), {{"trans_b", std::int64_t{1}}});
}

void import_linear_regressor(OnnxNode& n) {
  const ir::ValueId y = linear(n, n.i("targets", 1), n.floats("intercepts"));
  n.bind(0, transformed_scores(n, y, n.s("post_transform", "NONE")));
}

void import_linear_classifier(OnnxNode& n) {
  const auto labels = class_labels(n, "classlabels_ints", "classlabels_strings");
  const std::string transform = n.s("post_transform", "NONE");
  n.ignore("multi_class");  // says how it was trained
  auto intercepts = n.floats("intercepts");
  const auto scores = static_cast<std::int64_t>(intercepts.size());
  const ir::ValueId y = linear(n, scores, std::move(intercepts));
  if (scores == 1 && labels->numel() == 2) {
    n.bind(0, label_above(n, y, 0, labels));
    n.bind(1, transformed_pair(n, y, transform, SecondClass::complement));
    return;
  }
  if (scores != labels->numel()) fail("{} labels for {} scores", labels->numel(), scores);
  n.bind(0, best_label(n, y, labels));
  n.bind(1, transformed_scores(n, y, transform));
}

/// The kernel function of x [N, F] and support vectors [S, F]: [N, S].
ir::ValueId kernel_of(OnnxNode& n, ir::ValueId x, ir::ValueId vectors) {
  const std::string kind = n.s("kernel_type", "LINEAR");
  const auto params = n.floats("kernel_params");
  const auto param = [&](std::size_t i) { return i < params.size() ? params[i] : 0.F; };
  const ir::ValueId dot = n.add1("MatMul", {x, vectors}, {{"trans_b", std::int64_t{1}}});
  if (kind == "LINEAR") return dot;
  const ir::ValueId gamma = scalar(n, static_cast<double>(param(0)));
  if (kind == "RBF") {  // the squared distance is |x|^2 - 2 x v + |v|^2
    const ir::Attrs over{{"axes", Ints{1}}, {"keepdims", std::int64_t{1}}};
    const ir::ValueId xx = n.add1("ReduceSumSquare", {x}, over), vv = n.add1("ReduceSumSquare", {vectors}, over);
    const ir::ValueId row = n.add1("Transpose", {vv}, {{"perm", Ints{1, 0}}});
    const ir::ValueId distance = n.add1("Add", {n.add1("Sub", {xx, n.add1("Mul", {dot, scalar(n, 2)})}), row});
    return n.add1("Exp", {n.add1("Neg", {n.add1("Mul", {distance, gamma})})});
  }
  const ir::ValueId shifted = n.add1("Add", {n.add1("Mul", {dot, gamma}), scalar(n, static_cast<double>(param(1)))});
  if (kind == "SIGMOID") return n.add1("Tanh", {shifted});
  if (kind != "POLY") fail("kernel_type {} is not LINEAR, POLY, RBF or SIGMOID", kind);
  return n.add1("Pow", {shifted, scalar(n, static_cast<double>(param(2)))});
}

void import_svm_regressor(OnnxNode& n) {
  const ir::ValueId x = as_rows(n, as_floats(n, n.input(0)));
  const std::int64_t supports = n.i("n_supports", 0);
  auto rho = n.floats("rho"), coefficients = n.floats("coefficients"), vectors = n.floats("support_vectors");
  if (rho.empty() || coefficients.empty()) fail("there is no rho or no coefficient");
  const auto count = static_cast<std::int64_t>(vectors.size()),
             weights = static_cast<std::int64_t>(coefficients.size());
  ir::ValueId features = x;
  if (supports > 0) {
    if (count % supports != 0 || weights != supports)
      fail("{} numbers and {} coefficients for {} support vectors", count, weights, supports);
    features = kernel_of(n, x, floats(n, std::move(vectors), Shape{supports, count / supports}));
  } else {
    features = kernel_of(n, x, floats(n, coefficients, Shape{1, weights}));
  }
  if (supports > 0) features = n.add1("MatMul", {features, floats(n, std::move(coefficients), Shape{weights, 1})});
  ir::ValueId y = n.add1("Add", {features, scalar(n, static_cast<double>(rho[0]))});
  if (n.i("one_class", 0) != 0)
    y = n.add1("Where", {n.add1("Greater", {y, scalar(n, 0)}), scalar(n, 1), scalar(n, -1)});
  n.bind(0, transformed_scores(n, y, n.s("post_transform", "NONE")));
}

/// Which support vectors are of which class.
struct Supports {
  std::int64_t classes = 0, vectors = 0;
  std::vector<std::int64_t> begin;  ///< of each class, and the end
  explicit Supports(const Ints& per_class) : classes(static_cast<std::int64_t>(per_class.size())) {
    for (const std::int64_t count : per_class) {
      if (count < 0) fail("a class has {} support vectors", count);
      begin.push_back(vectors);
      vectors += count;
    }
    begin.push_back(vectors);
  }
  std::int64_t pairs() const { return classes * (classes - 1) / 2; }
};

/// Calls f(pair, i, j) for each pair of classes i < j, in their order.
template <typename F>
void for_each_pair(std::int64_t classes, const F& f) {
  for (std::int64_t i = 0, pair = 0; i < classes; ++i)
    for (std::int64_t j = i + 1; j < classes; ++j) f(pair++, i, j);
}

/// coefficients [classes - 1, vectors] as libsvm has them, as weights [vectors, pairs]: a pair weighs the vectors of
/// its two classes.
ir::ValueId pair_weights(OnnxNode& n, const Supports& s, const std::vector<float>& coefficients) {
  if (static_cast<std::int64_t>(coefficients.size()) != (s.classes - 1) * s.vectors)
    fail("{} coefficients for {} support vectors of {} classes", coefficients.size(), s.vectors, s.classes);
  std::vector<float> weights(static_cast<std::size_t>(s.vectors * s.pairs()), 0.F);
  for_each_pair(s.classes, [&](std::int64_t pair, std::int64_t i, std::int64_t j) {
    const auto take = [&](std::int64_t of, std::int64_t row) {
      for (std::int64_t v = s.begin[static_cast<std::size_t>(of)]; v < s.begin[static_cast<std::size_t>(of) + 1]; ++v)
        weights[static_cast<std::size_t>(v * s.pairs() + pair)] =
            coefficients[static_cast<std::size_t>(row * s.vectors + v)];
    };
    take(i, j - 1);
    take(j, i);
  });
  return floats(n, std::move(weights), Shape{s.vectors, s.pairs()});
}

/// How many pairs each class wins: a score above 0 is a vote for the first of its two.
ir::ValueId votes(OnnxNode& n, const Supports& s, ir::ValueId scores) {
  std::vector<float> gained(static_cast<std::size_t>(s.pairs() * s.classes), 0.F), lost(gained);
  for_each_pair(s.classes, [&](std::int64_t pair, std::int64_t i, std::int64_t j) {
    gained[static_cast<std::size_t>(pair * s.classes + i)] = 1;
    lost[static_cast<std::size_t>(pair * s.classes + j)] = 1;
  });
  const ir::ValueId first = n.add1("Greater", {scores, scalar(n, 0)});
  const auto times = [&](ir::ValueId won, std::vector<float> table) {
    const ir::ValueId ones = n.add1("Cast", {won}, {{"to", std::string("f32")}});
    return n.add1("MatMul", {ones, floats(n, std::move(table), Shape{s.pairs(), s.classes})});
  };
  return n.add1("Add", {times(first, std::move(gained)), times(n.add1("Not", {first}), std::move(lost))});
}

/// Platt's probability that the first class of each pair is right: 1 / (1 + exp(a * score + b)), kept off 0 and 1.
ir::ValueId pair_probabilities(OnnxNode& n, const Supports& s, ir::ValueId scores) {
  auto a = n.floats("prob_a"), b = n.floats("prob_b");
  for (const auto& list : {a, b})
    if (static_cast<std::int64_t>(list.size()) != s.pairs())
      fail("prob_a and prob_b have {} and {} elements for {} pairs of classes", a.size(), b.size(), s.pairs());
  const ir::ValueId weighed =
      n.add1("Add", {n.add1("Mul", {scores, per_feature(n, std::move(a))}), per_feature(n, std::move(b))});
  return n.add1("Clip", {n.add1("Sigmoid", {n.add1("Neg", {weighed})}), scalar(n, 1e-7), scalar(n, 1 - 1e-7)});
}

void import_svm_classifier(OnnxNode& n) {
  const auto labels = class_labels(n, "classlabels_ints", "classlabels_strings");
  const std::string transform = n.s("post_transform", "NONE");
  const ir::ValueId x = as_rows(n, as_floats(n, n.input(0)));
  const Supports s(n.ints("vectors_per_class"));
  auto rho = n.floats("rho"), coefficients = n.floats("coefficients"), vectors = n.floats("support_vectors");
  if (s.classes == 0)
    fail_hint("a LinearClassifier", "a linear SVMClassifier, which has no support vectors, is not supported");
  if (s.classes < 2 || labels->numel() != s.classes)
    fail("{} labels for support vectors of {} classes", labels->numel(), s.classes);
  if (s.vectors == 0 || static_cast<std::int64_t>(vectors.size()) % s.vectors != 0)
    fail("{} numbers for {} support vectors", vectors.size(), s.vectors);
  if (static_cast<std::int64_t>(rho.size()) != s.pairs())
    fail("rho has {} elements for {} pairs of classes", rho.size(), s.pairs());
  const std::int64_t features = static_cast<std::int64_t>(vectors.size()) / s.vectors;
  const ir::ValueId kernels = kernel_of(n, x, floats(n, std::move(vectors), Shape{s.vectors, features}));
  const ir::ValueId scores =
      n.add1("Add", {n.add1("MatMul", {kernels, pair_weights(n, s, coefficients)}), per_feature(n, std::move(rho))});
  n.bind(0, best_label(n, votes(n, s, scores), labels));
  if (n.has_attr("prob_a")) {
    const ir::ValueId coupled =
        n.add1("PairwiseCoupling", {pair_probabilities(n, s, scores)}, {{"classes", s.classes}});
    n.bind(1, transformed_scores(n, coupled, transform));
  } else if (s.classes == 2) {
    n.bind(1, transformed_pair(n, scores, transform,
                               transform == "NONE" ? SecondClass::opposite : SecondClass::complement));
  } else {
    n.bind(1, transformed_scores(n, scores, transform));
  }
}

constexpr OnnxImporter kClassicImporters[] = {
    {.op_type = "Scaler", .domain = "ai.onnx.ml", .import = import_scaler},
    {.op_type = "Normalizer", .domain = "ai.onnx.ml", .import = import_normalizer},
    {.op_type = "Imputer", .domain = "ai.onnx.ml", .import = import_imputer},
    {.op_type = "OneHotEncoder", .domain = "ai.onnx.ml", .import = import_one_hot_encoder},
    {.op_type = "FeatureVectorizer", .domain = "ai.onnx.ml", .import = import_feature_vectorizer},
    {.op_type = "LinearRegressor", .domain = "ai.onnx.ml", .import = import_linear_regressor},
    {.op_type = "LinearClassifier", .domain = "ai.onnx.ml", .import = import_linear_classifier},
    {.op_type = "SVMRegressor", .domain = "ai.onnx.ml", .import = import_svm_regressor},
    {.op_type = "SVMClassifier", .domain = "ai.onnx.ml", .import = import_svm_classifier},
};

}  // namespace

extern const OnnxImporters classic_onnx{kClassicImporters};

}  // namespace monza::ops
