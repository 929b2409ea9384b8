// How the floats of a model become 8-bit integers: what calibration finds, a file keeps and a search changes.
#pragma once

#include <map>
#include <string>

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
  friend bool operator==(const QuantizationPlan&, const QuantizationPlan&) = default;
};

}  // namespace monza
