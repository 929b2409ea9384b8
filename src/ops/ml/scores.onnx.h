// What the classifiers of ai.onnx.ml share: labels, and what is done to scores.
#pragma once

#include <string>
#include <vector>

#include "import/api.h"

namespace monza::ops {

/// A one-dimensional constant of strings.
std::shared_ptr<const ir::Constant> string_constant(std::vector<std::string> values);

/// x as f32, which ai.onnx.ml computes in; f64 where `keep_f64`.
ir::ValueId as_floats(OnnxNode& n, ir::ValueId x, bool keep_f64 = false);
/// x [N, F]; a list [F] is one row.
ir::ValueId as_rows(OnnxNode& n, ir::ValueId x);

/// How a classifier's two classes follow from one score s: [1 - s, s], or [-s, s] (by the sign).
enum class SecondClass { complement, opposite };

/// Scores [N, C] behind post_transform: NONE, SOFTMAX, LOGISTIC or SOFTMAX_ZERO.
ir::ValueId transformed_scores(OnnxNode& n, ir::ValueId scores, const std::string& transform);
/// The same for one score [N, 1] of two classes: [N, 2]. As in ONNX Runtime, only LOGISTIC transforms them.
ir::ValueId transformed_pair(OnnxNode& n, ir::ValueId score, const std::string& transform, SecondClass second);

/// The labels of a classifier: attribute `ints` or `strings`.
std::shared_ptr<const ir::Constant> class_labels(OnnxNode& n, const char* ints, const char* strings);
/// labels[argmax of scores [N, C]], or labels[score [N, 1] > threshold].
ir::ValueId best_label(OnnxNode& n, ir::ValueId scores, const std::shared_ptr<const ir::Constant>& labels);
ir::ValueId label_above(OnnxNode& n, ir::ValueId score, double threshold,
                        const std::shared_ptr<const ir::Constant>& labels);

}  // namespace monza::ops
