// Every fusion, one file each. A file declares its patterns, guards and replacements, and one Pass.
#pragma once

#include "passes/pass.h"

namespace monza {

extern const Pass silu_pass, hardswish_pass, gelu_pass, mish_pass, softmax_pass, layer_norm_pass, rms_norm_pass,
    pad_conv_pass, conv_batch_norm_pass, conv_scale_pass, bias_pass, activation_pass, residual_pass, attention_pass,
    dynamic_quantize_pass, quantized_moves_pass, quantized_joins_pass, quantized_products_pass, quantized_residual_pass,
    quantized_rest_pass, quantized_sums_pass, separable_pass, conv_transpose_pass, siblings_pass, patches_pass,
    squeeze_excite_pass;

}  // namespace monza
