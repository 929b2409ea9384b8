// The text at the head of a .npy file. Internal to src/io.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace monza::io {

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// Parses the Python literal that .npy files hold: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }.
/// Throws Error on anything else.
NpyHeader parse_npy_header(std::string_view text);

}  // namespace monza::io
