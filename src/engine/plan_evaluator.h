// How far plans of quantisation move a model's outputs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/session.h"
#include "monza/engine.h"
#include "monza/quantization.h"

namespace monza {

/// Builds variants of one model that differ in their plan, and runs them on the same few samples. Builds share a
/// session, so that each imports nothing and packs only weights that no other has packed. Not thread-safe.
class PlanEvaluator {
 public:
  /// `options` are those of the build, whatever their plan; `samples` hold tensors by the names of the inputs. Builds
  /// and runs the float model. Throws Error as builds and runs do.
  PlanEvaluator(std::shared_ptr<BuildSession> session, BuildOptions options,
                std::vector<std::map<std::string, Tensor>> samples);

  /// The squared error of the outputs over the squares of the float model's: of each channel (axis 1 of outputs with
  /// three axes or more, since boxes and scores are no single quantity) by itself, as a mean over channels, outputs and
  /// samples. 0 is no error, 1 as much as zeros would have.
  double error(const QuantizationPlan& plan);
  /// From now on error() gives what `memo` makes of the plan and of a function that measures it.
  using Memo = std::function<double(const QuantizationPlan&, const std::function<double()>& measure)>;
  void remember(Memo memo) { memo_ = std::move(memo); }
  /// The products that compute on integers with that plan, by the names that plans have for them, in execution order.
  std::vector<std::string> integer_products(const QuantizationPlan& plan);
  int builds() const { return builds_; }

 private:
  using Outputs = std::vector<Tensor>;
  double measured_error(const QuantizationPlan& plan);
  Engine build(const QuantizationPlan* plan, BuildReport* report);
  Outputs run(Context& context, const Engine& engine, const std::map<std::string, Tensor>& sample);

  std::shared_ptr<BuildSession> session_;
  BuildOptions options_;
  std::vector<std::map<std::string, Tensor>> samples_;
  std::vector<Outputs> wanted_;  ///< of each sample
  int builds_ = 0;
  Memo memo_;
};

}  // namespace monza
