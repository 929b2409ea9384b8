#include "ops/elementwise/elementwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel add_uniform_avx512 = binary_uniform_kernel("add_uniform_avx512", "Add", kNeeds);
extern const Kernel add_avx512 = binary_kernel("add_avx512", "Add", kNeeds);
extern const Kernel sub_uniform_avx512 = binary_uniform_kernel("sub_uniform_avx512", "Sub", kNeeds);
extern const Kernel sub_avx512 = binary_kernel("sub_avx512", "Sub", kNeeds);
extern const Kernel mul_uniform_avx512 = binary_uniform_kernel("mul_uniform_avx512", "Mul", kNeeds);
extern const Kernel mul_avx512 = binary_kernel("mul_avx512", "Mul", kNeeds);
extern const Kernel div_uniform_avx512 = binary_uniform_kernel("div_uniform_avx512", "Div", kNeeds);
extern const Kernel div_avx512 = binary_kernel("div_avx512", "Div", kNeeds);
extern const Kernel min_uniform_avx512 = binary_uniform_kernel("min_uniform_avx512", "Min", kNeeds);
extern const Kernel min_avx512 = binary_kernel("min_avx512", "Min", kNeeds);
extern const Kernel max_uniform_avx512 = binary_uniform_kernel("max_uniform_avx512", "Max", kNeeds);
extern const Kernel max_avx512 = binary_kernel("max_avx512", "Max", kNeeds);
extern const Kernel prelu_uniform_avx512 = binary_uniform_kernel("prelu_uniform_avx512", "PRelu", kNeeds);
extern const Kernel prelu_avx512 = binary_kernel("prelu_avx512", "PRelu", kNeeds);
extern const Kernel mod_avx512 = mod_kernel("mod_avx512", kNeeds);
extern const Kernel abs_uniform_avx512 = unary_uniform_kernel("abs_uniform_avx512", "Abs", kNeeds);
extern const Kernel abs_avx512 = unary_kernel("abs_avx512", "Abs", kNeeds);
extern const Kernel neg_uniform_avx512 = unary_uniform_kernel("neg_uniform_avx512", "Neg", kNeeds);
extern const Kernel neg_avx512 = unary_kernel("neg_avx512", "Neg", kNeeds);
extern const Kernel ceil_uniform_avx512 = unary_uniform_kernel("ceil_uniform_avx512", "Ceil", kNeeds);
extern const Kernel ceil_avx512 = unary_kernel("ceil_avx512", "Ceil", kNeeds);
extern const Kernel floor_uniform_avx512 = unary_uniform_kernel("floor_uniform_avx512", "Floor", kNeeds);
extern const Kernel floor_avx512 = unary_kernel("floor_avx512", "Floor", kNeeds);
extern const Kernel round_uniform_avx512 = unary_uniform_kernel("round_uniform_avx512", "Round", kNeeds);
extern const Kernel round_avx512 = unary_kernel("round_avx512", "Round", kNeeds);
extern const Kernel sqrt_uniform_avx512 = unary_uniform_kernel("sqrt_uniform_avx512", "Sqrt", kNeeds);
extern const Kernel sqrt_avx512 = unary_kernel("sqrt_avx512", "Sqrt", kNeeds);
extern const Kernel reciprocal_uniform_avx512 = unary_uniform_kernel("reciprocal_uniform_avx512", "Reciprocal", kNeeds);
extern const Kernel reciprocal_avx512 = unary_kernel("reciprocal_avx512", "Reciprocal", kNeeds);
extern const Kernel exp_uniform_avx512 = unary_uniform_kernel("exp_uniform_avx512", "Exp", kNeeds);
extern const Kernel exp_avx512 = unary_kernel("exp_avx512", "Exp", kNeeds);
extern const Kernel log_uniform_avx512 = unary_uniform_kernel("log_uniform_avx512", "Log", kNeeds);
extern const Kernel log_avx512 = unary_kernel("log_avx512", "Log", kNeeds);
extern const Kernel sin_uniform_avx512 = unary_uniform_kernel("sin_uniform_avx512", "Sin", kNeeds);
extern const Kernel sin_avx512 = unary_kernel("sin_avx512", "Sin", kNeeds);
extern const Kernel cos_uniform_avx512 = unary_uniform_kernel("cos_uniform_avx512", "Cos", kNeeds);
extern const Kernel cos_avx512 = unary_kernel("cos_avx512", "Cos", kNeeds);
extern const Kernel tan_uniform_avx512 = unary_uniform_kernel("tan_uniform_avx512", "Tan", kNeeds);
extern const Kernel tan_avx512 = unary_kernel("tan_avx512", "Tan", kNeeds);
extern const Kernel asin_uniform_avx512 = unary_uniform_kernel("asin_uniform_avx512", "Asin", kNeeds);
extern const Kernel asin_avx512 = unary_kernel("asin_avx512", "Asin", kNeeds);
extern const Kernel acos_uniform_avx512 = unary_uniform_kernel("acos_uniform_avx512", "Acos", kNeeds);
extern const Kernel acos_avx512 = unary_kernel("acos_avx512", "Acos", kNeeds);
extern const Kernel atan_uniform_avx512 = unary_uniform_kernel("atan_uniform_avx512", "Atan", kNeeds);
extern const Kernel atan_avx512 = unary_kernel("atan_avx512", "Atan", kNeeds);
extern const Kernel sinh_uniform_avx512 = unary_uniform_kernel("sinh_uniform_avx512", "Sinh", kNeeds);
extern const Kernel sinh_avx512 = unary_kernel("sinh_avx512", "Sinh", kNeeds);
extern const Kernel cosh_uniform_avx512 = unary_uniform_kernel("cosh_uniform_avx512", "Cosh", kNeeds);
extern const Kernel cosh_avx512 = unary_kernel("cosh_avx512", "Cosh", kNeeds);
extern const Kernel sign_uniform_avx512 = unary_uniform_kernel("sign_uniform_avx512", "Sign", kNeeds);
extern const Kernel sign_avx512 = unary_kernel("sign_avx512", "Sign", kNeeds);
extern const Kernel tanh_uniform_avx512 = unary_uniform_kernel("tanh_uniform_avx512", "Tanh", kNeeds);
extern const Kernel tanh_avx512 = unary_kernel("tanh_avx512", "Tanh", kNeeds);
extern const Kernel erf_uniform_avx512 = unary_uniform_kernel("erf_uniform_avx512", "Erf", kNeeds);
extern const Kernel erf_avx512 = unary_kernel("erf_avx512", "Erf", kNeeds);
extern const Kernel relu_uniform_avx512 = unary_uniform_kernel("relu_uniform_avx512", "Relu", kNeeds);
extern const Kernel relu_avx512 = unary_kernel("relu_avx512", "Relu", kNeeds);
extern const Kernel leaky_relu_uniform_avx512 = unary_uniform_kernel("leaky_relu_uniform_avx512", "LeakyRelu", kNeeds);
extern const Kernel leaky_relu_avx512 = unary_kernel("leaky_relu_avx512", "LeakyRelu", kNeeds);
extern const Kernel elu_uniform_avx512 = unary_uniform_kernel("elu_uniform_avx512", "Elu", kNeeds);
extern const Kernel elu_avx512 = unary_kernel("elu_avx512", "Elu", kNeeds);
extern const Kernel selu_uniform_avx512 = unary_uniform_kernel("selu_uniform_avx512", "Selu", kNeeds);
extern const Kernel selu_avx512 = unary_kernel("selu_avx512", "Selu", kNeeds);
extern const Kernel celu_uniform_avx512 = unary_uniform_kernel("celu_uniform_avx512", "Celu", kNeeds);
extern const Kernel celu_avx512 = unary_kernel("celu_avx512", "Celu", kNeeds);
extern const Kernel sigmoid_uniform_avx512 = unary_uniform_kernel("sigmoid_uniform_avx512", "Sigmoid", kNeeds);
extern const Kernel sigmoid_avx512 = unary_kernel("sigmoid_avx512", "Sigmoid", kNeeds);
extern const Kernel hard_sigmoid_uniform_avx512 =
    unary_uniform_kernel("hard_sigmoid_uniform_avx512", "HardSigmoid", kNeeds);
extern const Kernel hard_sigmoid_avx512 = unary_kernel("hard_sigmoid_avx512", "HardSigmoid", kNeeds);
extern const Kernel hardswish_uniform_avx512 = unary_uniform_kernel("hardswish_uniform_avx512", "HardSwish", kNeeds);
extern const Kernel hardswish_avx512 = unary_kernel("hardswish_avx512", "HardSwish", kNeeds);
extern const Kernel swish_uniform_avx512 = unary_uniform_kernel("swish_uniform_avx512", "Swish", kNeeds);
extern const Kernel swish_avx512 = unary_kernel("swish_avx512", "Swish", kNeeds);
extern const Kernel gelu_uniform_avx512 = unary_uniform_kernel("gelu_uniform_avx512", "Gelu", kNeeds);
extern const Kernel gelu_avx512 = unary_kernel("gelu_avx512", "Gelu", kNeeds);
extern const Kernel mish_uniform_avx512 = unary_uniform_kernel("mish_uniform_avx512", "Mish", kNeeds);
extern const Kernel mish_avx512 = unary_kernel("mish_avx512", "Mish", kNeeds);
extern const Kernel softplus_uniform_avx512 = unary_uniform_kernel("softplus_uniform_avx512", "Softplus", kNeeds);
extern const Kernel softplus_avx512 = unary_kernel("softplus_avx512", "Softplus", kNeeds);
extern const Kernel softsign_uniform_avx512 = unary_uniform_kernel("softsign_uniform_avx512", "Softsign", kNeeds);
extern const Kernel softsign_avx512 = unary_kernel("softsign_avx512", "Softsign", kNeeds);
extern const Kernel thresholded_relu_uniform_avx512 =
    unary_uniform_kernel("thresholded_relu_uniform_avx512", "ThresholdedRelu", kNeeds);
extern const Kernel thresholded_relu_avx512 = unary_kernel("thresholded_relu_avx512", "ThresholdedRelu", kNeeds);
extern const Kernel clip_avx512 = clip_kernel("clip_avx512", kNeeds);
extern const Kernel pow_avx512 = pow_kernel("pow_avx512", kNeeds);

}  // namespace monza::ops
