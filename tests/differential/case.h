// What the driver (tests/peers/differential) asks of the runner: a model, how to plan it, what it must compute.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace monza::differential {

enum class Kernels : std::uint8_t { first, timed, drawn };

/// One way of planning the model.
struct Way {
  std::string name;       ///< what is said of it
  bool ranged = false;    ///< for ranges of shapes; else for the shapes of the first feed
  bool profiles = false;  ///< for both, as two profiles of one engine
  Kernels kernels = Kernels::first;
  bool optimize = true;
  bool reload = false;     ///< the engine goes through its file form
  std::uint64_t seed = 0;  ///< of the kernels drawn; not 0
  std::vector<std::string> disabled_passes;
};

/// What an output must be: |got - want| <= absolute + relative * |want| + of_largest * (the largest finite |want|).
struct Expected {
  std::string name;
  Tensor value;
  double relative = 0, of_largest = 0, absolute = 0;
};

struct Feed {
  std::map<std::string, Tensor> inputs;
  std::vector<Expected> outputs;
};

struct Case {
  std::string id;
  std::string model;  ///< bytes of an ONNX file
  std::vector<Way> ways;
  std::map<std::string, ShapeProfile> ranges;
  /// Elements of integer inputs that extents depend on; a ranged way gets them, too, so they are the same in all feeds.
  std::map<std::string, std::vector<std::int64_t>> shape_values;
  std::vector<Feed> feeds;  ///< at least one
};

/// The next case of a stream, as tests/peers/differential/protocol.py writes it. Empty optional: the driver asks for
/// what was counted so far. Throws Error when the stream ends inside of a case or is not of this version; returns
/// false at its end.
bool read_case(std::FILE* stream, std::optional<Case>& next);

}  // namespace monza::differential
