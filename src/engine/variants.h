// Variants of one model on the same inputs: what comparing and quantising stand on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/build_report.h"
#include "engine/compare.h"
#include "engine/session.h"
#include "monza/engine.h"
#include "monza/quantization.h"

namespace monza {

/// One way to build the model.
struct Variant {
  BuildOptions options;
  const std::vector<const Pass*>* pipeline = nullptr;  ///< passes to run instead of the usual ones
};

/// No passes, reference kernels: what every other variant is compared with.
Variant reference_of(const Variant& variant);

/// A value that a variant computed.
struct NamedValue {
  std::string name;  ///< the model's name for it
  Tensor value;
  std::string node;                                   ///< what makes it, with its ONNX nodes
  std::string kernel;                                 ///< "" where no kernel does (a view, an input)
  std::optional<ValueRange> integers = std::nullopt;  ///< what the 8 bits reach that the value was kept in
};

/// A step of an engine: what it computes, and with which kernel.
struct StepKernel {
  std::string name;                ///< shortened
  std::vector<std::string> nodes;  ///< the ONNX nodes it computes
  std::string kernel;
};

/// Builds variants of a model for given inputs, runs them, and reads any value that has a name. Values in bodies of
/// If, Loop and Scan cannot be read. Not thread-safe.
class VariantRunner {
 public:
  using ProgressFn = std::function<void(std::string_view what, double fraction)>;

  /// `inputs` by name: their shapes (and the elements of small integer ones) are what the variants are built for.
  VariantRunner(std::string model_path, std::map<std::string, Tensor> inputs, ProgressFn progress = {});
  /// The same, with what other builds of the session have made already.
  VariantRunner(std::shared_ptr<BuildSession> session, std::map<std::string, Tensor> inputs, ProgressFn progress = {});

  struct Result {
    BuildReport report;
    std::vector<NamedValue> outputs;
    std::vector<NamedValue> values;  ///< those watched that the variant still computes, in its order
    std::vector<StepKernel> kernels;
  };
  /// Builds and runs one variant. Values named in `watch` become outputs after the passes: no fusion is prevented, but
  /// the plan may place them elsewhere. Throws Error when it is refused, or when its run fails.
  Result run(const Variant& variant, const std::vector<std::string>& watch = {});

  /// Builds made so far.
  int builds() const { return builds_; }
  const BuildSession& session() const { return *session_; }
  void say(std::string_view what, double fraction) const {
    if (progress_) progress_(what, fraction);
  }

 private:
  std::shared_ptr<BuildSession> session_;
  std::map<std::string, Tensor> inputs_;
  ProgressFn progress_;
  std::optional<std::vector<std::string>> fed_;  ///< inputs that are initializers of the model
  int builds_ = 0;
};

/// What each step of an engine computes, and with which kernel.
std::vector<StepKernel> kernels_of(const Engine& engine);

/// Whether an operator rounds what it computes to few bits: integer products, QuantizeLinear and its like.
bool is_quantised_op(std::string_view op);
/// Whether a node of the graph, or of its bodies, is one.
bool quantises(const ir::Graph& graph);
/// Whether a step that computes in that precision (StepText::computes_in) rounds what the model keeps in 32 bits.
bool is_rounded(std::string_view computes_in);

/// Whether a value of a graph can be an output that is compared.
bool is_readable(const ir::Value& value);
/// Names of the model's tensors that nodes make, in execution order, without those of bodies.
std::vector<std::string> value_names(const ir::Graph& graph);

}  // namespace monza
