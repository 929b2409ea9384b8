// How the floats of a model become 8-bit integers: what calibration finds, a file keeps and a search changes.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace monza {

/// The values of a tensor that its integers stand for; what lies outside becomes the nearest end.
struct ValueRange {
  float low = 0, high = 0;
  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

/// How to compute a float model in 8 bits, independent of how it was found. Plain data; names are the model's.
struct QuantizationPlan {
  /// Of tensors between nodes and of inputs. A product whose input has no range here stays in floats.
  std::map<std::string, ValueRange> ranges;
  /// ONNX nodes whose products stay in floats, and why, in words.
  std::map<std::string, std::string> kept;
  /// By tensor: what its channels (the last axis of what matrix products read, axis 1 of what convolutions do) are
  /// divided by. The weights that read it are multiplied by the same, so that floats compute what they did, but
  /// channels that share a scale are of like size. Ranges are those of the divided values.
  std::map<std::string, std::vector<float>> factors;
  /// By tensor that convolutions read: the mean of each channel. Their biases take back what rounding the weights moves
  /// the results on average.
  std::map<std::string, std::vector<float>> means;
  /// Weights of two neighbouring channels that have one sign add up to at most 127 steps, so that AVX2 alone multiplies
  /// them in pairs without further steps. Scales of weights are larger for it where neighbours are large.
  bool narrow_pairs = false;
  friend bool operator==(const QuantizationPlan&, const QuantizationPlan&) = default;
};

}  // namespace monza
