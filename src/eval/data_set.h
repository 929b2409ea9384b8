// Samples that tell how right a model is: what a sweep draws accuracy from.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eval/run.h"
#include "eval/tensors.h"
#include "monza/engine.h"

namespace monza::eval {

/// How right an engine is on the samples; higher is better.
struct Accuracy {
  std::string metric;  ///< of `value`: "top-1", "mAP50-95", "cosine"
  double value = 0;
  std::vector<std::pair<std::string, double>> further;  ///< other figures by name
  std::int64_t samples = 0;
  /// `value` when sample i, in the order of the run, counts weights[i] times; null where samples are not weighed.
  std::function<double(std::span<const double> weights)> weighted;
};

/// Samples, and the way to measure engines on them.
class DataSet {
 public:
  using ProgressFn = std::function<void(double fraction)>;
  virtual ~DataSet() = default;

  /// Throws Error when the model takes no such samples, RunError when a run fails.
  virtual Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) = 0;
  /// True when the samples come without answers: take_reference() is then called once, before the first measure().
  virtual bool needs_reference() const { return false; }
  /// What this engine computes are the answers.
  virtual void take_reference(const Engine&, const ContextOptions&, const ProgressFn&) {}
  /// From now on pictures come with red and blue exchanged, or as they are; false where samples are no pictures.
  virtual bool exchange_red_and_blue(bool /*exchanged*/) { return false; }
  /// Tensors for a model with these inputs, by name, to measure its latency on; the other inputs are random.
  virtual std::map<std::string, Tensor> example(const std::vector<ModelInput>& inputs) const = 0;
};

/// Files of tensors: an .npz, .npy or .pb, or a folder of them; at most `samples`, 0 for all. Arrays of an .npz are the
/// model's inputs and expected outputs by their names. Throws Error when there is none.
std::unique_ptr<DataSet> open_tensors(const std::string& source, std::int64_t samples,
                                      const std::vector<ModelInput>& inputs);

}  // namespace monza::eval
