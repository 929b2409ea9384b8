// The order of passes. Comments say where order matters.
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace monza {

const std::vector<const Pass*>& pipeline() {
  static const std::vector<const Pass*> list = {
      // What is known becomes constant first: patterns look for constants.
      &identities_pass,
      &shape_arithmetic_pass,
      &fold_constants_pass,
      &dead_code_pass,
      // Before fusion: twins would each hold a value that a fusion wants for itself.
      &common_subexpressions_pass,
      &reshapes_pass,
      &transposes_pass,
      &identities_pass,
      &fold_constants_pass,
      &common_subexpressions_pass,
      &dead_code_pass,
  };
  return list;
}

}  // namespace monza
