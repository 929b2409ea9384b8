// A float model that is run on samples, to learn the ranges of what would be quantised.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"
#include "monza/engine.h"
#include "quant/calibration_file.h"
#include "quant/calibrators.h"
#include "quant/histogram.h"

namespace monza {

/// Counts the values of a model that a plan of quantisation needs the ranges of, as they are where they would be
/// quantised: after batch norms are folded and activations are fused, and, channel by channel, what products read.
/// Memory is bounded, whatever the number of
/// samples, and their order does not matter. Not thread-safe.
class Observer {
 public:
  /// Builds the float model, with what `options` say but for precision and timing. Throws Error.
  Observer(BuildSession& session, BuildOptions options);

  /// Runs a sample: tensors by the names of the inputs. Throws Error, for an input that is missing and a run that
  /// fails.
  void run(const std::map<std::string, Tensor>& inputs);
  std::int64_t samples() const { return samples_; }
  /// The mean of each channel that convolutions read, by value, of those that were finite in every sample.
  std::map<std::string, std::vector<float>> means() const;
  /// max |x| of each channel that matrix products read, by value.
  std::map<std::string, std::vector<float>> reach() const;
  const std::map<std::string, quant::Histogram>& histograms() const { return histograms_; }

  /// Ranges of all values that were finite in every sample, with the factors of the plan that was observed.
  quant::CalibrationTable table(quant::Calibrator calibrator) const;
  /// The values that were not, and so have no range.
  std::vector<std::string> not_finite() const;

 private:
  /// Of one value. Means are exact sums of the samples' means to 30 binary digits, so that no order of samples changes
  /// them while sums are below 2^22.
  struct Channels {
    std::vector<double> sum;
    std::vector<float> most;
    std::int64_t samples = 0;
    void add(const TensorRef& value, std::size_t axis);
  };

  Engine engine_;
  Context context_;
  std::map<std::string, quant::Histogram> histograms_;
  std::map<std::string, Channels> conv_inputs_, matrix_inputs_;
  std::map<std::string, std::vector<float>> factors_;
  std::int64_t samples_ = 0;
};

}  // namespace monza
