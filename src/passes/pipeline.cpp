// The order of passes. Comments say where order matters.
#include "passes/fusions/fusions.h"
#include "passes/loop_invariants.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

namespace monza {

const std::vector<const Pass*>& pipeline() {
  static const std::vector<const Pass*> list = {
      // What is known becomes constant first: patterns look for constants.
      &identities_pass,
      &known_sequences_pass,
      &shape_arithmetic_pass,
      &fold_constants_pass,
      // Constants stand in bodies from here on, where the next round folds them.
      &loop_invariants_pass,
      // A branch that is taken for sure is part of the graph; what it knows may make more constant.
      &inline_branches_pass,
      &known_sequences_pass,
      &shape_arithmetic_pass,
      &fold_constants_pass,
      &dead_code_pass,
      // Patterns and kernels are of f32.
      &single_precision_pass,
      // Before fusion: twins would each hold a value that a fusion wants for itself.
      &common_subexpressions_pass,
      // Formulas spelled out become one operator; from here on they are pointwise work or a normalisation.
      &silu_pass,
      &hardswish_pass,
      &gelu_pass,
      &mish_pass,
      &softmax_pass,
      &layer_norm_pass,
      &rms_norm_pass,
      // Before the moves that it makes could meet others.
      &patches_pass,
      // Out of the way of what follows a convolution or product.
      &reshapes_pass,
      &identities_pass,
      &transposes_pass,
      &identities_pass,
      &fold_constants_pass,
      &common_subexpressions_pass,
      &dead_code_pass,
      // Before scales and masks could move into products.
      &attention_pass,
      &dead_code_pass,
      // Weights first, then what is applied to the result, in the order in which kernels apply it; what was left
      // behind an activation gets a second chance once residuals are in.
      &pad_conv_pass,
      &bias_pass,  // some exporters write it before the normalisation
      &conv_batch_norm_pass,
      &conv_scale_pass,
      &dynamic_quantize_pass,
      &bias_pass,
      &activation_pass,
      // Q/DQ around products whose bias and activation are in; what is quantised on its way out first, then sums
      // of such results, then products that only read quantised operands.
      &quantized_moves_pass,
      &quantized_joins_pass,
      &quantized_products_pass,
      &quantized_residual_pass,
      &quantized_sums_pass,
      &quantized_rest_pass,
      &dead_code_pass,
      // After them: what is still dequantised is read as floats.
      &fold_dequantized_pass,
      &dead_code_pass,
      // With the bias and activation that it has by now, on weights that are constants by now.
      &conv_transpose_pass,
      &residual_pass,
      &activation_pass,
      &dead_code_pass,
      // With all that belongs to each of them; a residual keeps a product apart.
      &siblings_pass,
      &dead_code_pass,
      // When both convolutions have all that belongs to them.
      &squeeze_excite_pass,
      &separable_pass,
      // What there is then, is stored in fewer bits.
      &half_precision_pass,
      &dead_code_pass,
      // Last: nothing makes constants after it.
      &share_constants_pass,
  };
  return list;
}

}  // namespace monza
