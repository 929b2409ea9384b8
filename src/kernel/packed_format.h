// Included by the files that define packed formats: they must run on any CPU, so their file has no ISA in its name.
#pragma once

#ifdef __AVX__
#error "a PackedFormat is read on other CPUs than it was packed for: define it in a file that ends in .any.cpp"
#endif

#include <cstddef>
#include <limits>
#include <span>

#include "kernel/kernel.h"

namespace monza {

/// PackedFormat::bytes of constants and parameters that no kernel has packed, as a damaged file may name them.
inline constexpr std::size_t kNeverPacked = std::numeric_limits<std::size_t>::max();

/// The formats of src/ops/<family>/<name>.any.cpp, which ends with `extern const PackedFormatList
/// <name>_formats{...};`.
struct PackedFormatList {
  std::span<const PackedFormat* const> formats;
};

}  // namespace monza
