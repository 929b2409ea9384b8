// ONNX loss functions: SoftmaxCrossEntropyLoss is NegativeLogLikelihoodLoss of LogSoftmax.
#include "import/api.h"

namespace monza::ops {
namespace {

ir::ValueId add_nll(OnnxNode& n, ir::ValueId log_probabilities) {
  ir::Attrs attrs{{"reduction", n.s("reduction", "mean")}};
  if (n.has_attr("ignore_index")) attrs.set("ignore_index", n.i("ignore_index", 0));
  std::vector<ir::ValueId> inputs{log_probabilities, n.input(1)};
  if (n.input_count() > 2 && n.input(2) != ir::kNone) inputs.push_back(n.input(2));
  return n.add1("NegativeLogLikelihoodLoss", std::move(inputs), std::move(attrs));
}

void import_nll(OnnxNode& n) { n.bind(0, add_nll(n, n.input(0))); }

void import_cross_entropy(OnnxNode& n) {
  const ir::ValueId log_probabilities = n.add1("LogSoftmax", {n.input(0)}, {{"axis", std::int64_t{1}}});
  n.bind(0, add_nll(n, log_probabilities));
  if (n.has_output(1)) n.bind(1, log_probabilities);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "NegativeLogLikelihoodLoss", .import = import_nll},
    {.op_type = "SoftmaxCrossEntropyLoss", .import = import_cross_entropy},
};

}  // namespace

extern const OnnxImporters loss_onnx{kImporters};

}  // namespace monza::ops
