// What one model may cost: limits that hold for every model file, because anybody may have written it.
#pragma once

#include <cstdint>

namespace monza {

/// Reaching a limit is an Error that says what was found, the limit and the option that raises it; where the work is
/// optional (constant folding, timing) it is left out instead. The defaults leave room for models of gigabytes; what
/// they keep small is what a small file can ask for. See docs/adr/limits.md.
struct Limits {
  std::int64_t file_bytes = std::int64_t{2} << 30;     ///< the model file, without external data
  std::int64_t weight_bytes = std::int64_t{64} << 30;  ///< all tensors of the model together, external data included
  std::int64_t nodes = 50'000;                         ///< once functions are expanded, bodies included
  std::int64_t values = 2'000'000;  ///< inputs and outputs of those nodes, and initializers, together
  std::int64_t depth = 32;          ///< nesting of bodies and functions
  /// Attributes of those nodes and elements of tensors of strings together.
  std::int64_t attribute_bytes = std::int64_t{256} << 20;
  std::int64_t name_bytes = 4096;                          ///< one name, with those of the functions around it
  std::int64_t expression_bytes = std::int64_t{64} << 20;  ///< symbolic extents and elements of all values together
  std::int64_t value_bytes = std::int64_t{1} << 40;        ///< one value at its largest shape
  std::int64_t trips = 65536;                              ///< iterations of a loop that nothing else bounds
  /// One constant that folding makes. All together may take twice that and eight times the model's weights; what would
  /// be larger is computed at run time.
  std::int64_t fold_bytes = std::int64_t{128} << 20;
  std::int64_t fold_operations = 2'000'000'000;       ///< that folding may spend on the whole model
  std::int64_t fold_seconds = 60;                     ///< the same in time: what is left then is computed at run time
  std::int64_t timing_bytes = std::int64_t{1} << 30;  ///< operands of a kernel that is timed
};

}  // namespace monza
