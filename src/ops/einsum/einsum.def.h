// The equation of an Einsum, taken apart.
#pragma once

#include <string_view>
#include <vector>

namespace monza::ops {

/// Labels as numbers: the output's axes are 0, 1, ...; labels summed over follow. Axes under an ellipsis have labels
/// too.
struct Equation {
  std::vector<std::vector<int>> operands;
  int out_rank = 0;
  int labels = 0;
};

/// Reads "bij,bjk->bik" for operands of the given ranks. Error when it does not fit them.
Equation parse_equation(std::string_view text, const std::vector<std::size_t>& ranks);

}  // namespace monza::ops
