#include "ops/elementwise/elementwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel add_uniform_avx2 = binary_uniform_kernel("add_uniform_avx2", "Add", kNeeds);
extern const Kernel add_avx2 = binary_kernel("add_avx2", "Add", kNeeds);
extern const Kernel sub_uniform_avx2 = binary_uniform_kernel("sub_uniform_avx2", "Sub", kNeeds);
extern const Kernel sub_avx2 = binary_kernel("sub_avx2", "Sub", kNeeds);
extern const Kernel mul_uniform_avx2 = binary_uniform_kernel("mul_uniform_avx2", "Mul", kNeeds);
extern const Kernel mul_avx2 = binary_kernel("mul_avx2", "Mul", kNeeds);
extern const Kernel div_uniform_avx2 = binary_uniform_kernel("div_uniform_avx2", "Div", kNeeds);
extern const Kernel div_avx2 = binary_kernel("div_avx2", "Div", kNeeds);
extern const Kernel min_uniform_avx2 = binary_uniform_kernel("min_uniform_avx2", "Min", kNeeds);
extern const Kernel min_avx2 = binary_kernel("min_avx2", "Min", kNeeds);
extern const Kernel max_uniform_avx2 = binary_uniform_kernel("max_uniform_avx2", "Max", kNeeds);
extern const Kernel max_avx2 = binary_kernel("max_avx2", "Max", kNeeds);
extern const Kernel prelu_uniform_avx2 = binary_uniform_kernel("prelu_uniform_avx2", "PRelu", kNeeds);
extern const Kernel prelu_avx2 = binary_kernel("prelu_avx2", "PRelu", kNeeds);
extern const Kernel mod_avx2 = mod_kernel("mod_avx2", kNeeds);
extern const Kernel abs_uniform_avx2 = unary_uniform_kernel("abs_uniform_avx2", "Abs", kNeeds);
extern const Kernel abs_avx2 = unary_kernel("abs_avx2", "Abs", kNeeds);
extern const Kernel neg_uniform_avx2 = unary_uniform_kernel("neg_uniform_avx2", "Neg", kNeeds);
extern const Kernel neg_avx2 = unary_kernel("neg_avx2", "Neg", kNeeds);
extern const Kernel ceil_uniform_avx2 = unary_uniform_kernel("ceil_uniform_avx2", "Ceil", kNeeds);
extern const Kernel ceil_avx2 = unary_kernel("ceil_avx2", "Ceil", kNeeds);
extern const Kernel floor_uniform_avx2 = unary_uniform_kernel("floor_uniform_avx2", "Floor", kNeeds);
extern const Kernel floor_avx2 = unary_kernel("floor_avx2", "Floor", kNeeds);
extern const Kernel round_uniform_avx2 = unary_uniform_kernel("round_uniform_avx2", "Round", kNeeds);
extern const Kernel round_avx2 = unary_kernel("round_avx2", "Round", kNeeds);
extern const Kernel sqrt_uniform_avx2 = unary_uniform_kernel("sqrt_uniform_avx2", "Sqrt", kNeeds);
extern const Kernel sqrt_avx2 = unary_kernel("sqrt_avx2", "Sqrt", kNeeds);
extern const Kernel reciprocal_uniform_avx2 = unary_uniform_kernel("reciprocal_uniform_avx2", "Reciprocal", kNeeds);
extern const Kernel reciprocal_avx2 = unary_kernel("reciprocal_avx2", "Reciprocal", kNeeds);
extern const Kernel exp_uniform_avx2 = unary_uniform_kernel("exp_uniform_avx2", "Exp", kNeeds);
extern const Kernel exp_avx2 = unary_kernel("exp_avx2", "Exp", kNeeds);
extern const Kernel log_uniform_avx2 = unary_uniform_kernel("log_uniform_avx2", "Log", kNeeds);
extern const Kernel log_avx2 = unary_kernel("log_avx2", "Log", kNeeds);
extern const Kernel sin_uniform_avx2 = unary_uniform_kernel("sin_uniform_avx2", "Sin", kNeeds);
extern const Kernel sin_avx2 = unary_kernel("sin_avx2", "Sin", kNeeds);
extern const Kernel cos_uniform_avx2 = unary_uniform_kernel("cos_uniform_avx2", "Cos", kNeeds);
extern const Kernel cos_avx2 = unary_kernel("cos_avx2", "Cos", kNeeds);
extern const Kernel tan_uniform_avx2 = unary_uniform_kernel("tan_uniform_avx2", "Tan", kNeeds);
extern const Kernel tan_avx2 = unary_kernel("tan_avx2", "Tan", kNeeds);
extern const Kernel asin_uniform_avx2 = unary_uniform_kernel("asin_uniform_avx2", "Asin", kNeeds);
extern const Kernel asin_avx2 = unary_kernel("asin_avx2", "Asin", kNeeds);
extern const Kernel acos_uniform_avx2 = unary_uniform_kernel("acos_uniform_avx2", "Acos", kNeeds);
extern const Kernel acos_avx2 = unary_kernel("acos_avx2", "Acos", kNeeds);
extern const Kernel atan_uniform_avx2 = unary_uniform_kernel("atan_uniform_avx2", "Atan", kNeeds);
extern const Kernel atan_avx2 = unary_kernel("atan_avx2", "Atan", kNeeds);
extern const Kernel sinh_uniform_avx2 = unary_uniform_kernel("sinh_uniform_avx2", "Sinh", kNeeds);
extern const Kernel sinh_avx2 = unary_kernel("sinh_avx2", "Sinh", kNeeds);
extern const Kernel cosh_uniform_avx2 = unary_uniform_kernel("cosh_uniform_avx2", "Cosh", kNeeds);
extern const Kernel cosh_avx2 = unary_kernel("cosh_avx2", "Cosh", kNeeds);
extern const Kernel sign_uniform_avx2 = unary_uniform_kernel("sign_uniform_avx2", "Sign", kNeeds);
extern const Kernel sign_avx2 = unary_kernel("sign_avx2", "Sign", kNeeds);
extern const Kernel tanh_uniform_avx2 = unary_uniform_kernel("tanh_uniform_avx2", "Tanh", kNeeds);
extern const Kernel tanh_avx2 = unary_kernel("tanh_avx2", "Tanh", kNeeds);
extern const Kernel erf_uniform_avx2 = unary_uniform_kernel("erf_uniform_avx2", "Erf", kNeeds);
extern const Kernel erf_avx2 = unary_kernel("erf_avx2", "Erf", kNeeds);
extern const Kernel relu_uniform_avx2 = unary_uniform_kernel("relu_uniform_avx2", "Relu", kNeeds);
extern const Kernel relu_avx2 = unary_kernel("relu_avx2", "Relu", kNeeds);
extern const Kernel leaky_relu_uniform_avx2 = unary_uniform_kernel("leaky_relu_uniform_avx2", "LeakyRelu", kNeeds);
extern const Kernel leaky_relu_avx2 = unary_kernel("leaky_relu_avx2", "LeakyRelu", kNeeds);
extern const Kernel elu_uniform_avx2 = unary_uniform_kernel("elu_uniform_avx2", "Elu", kNeeds);
extern const Kernel elu_avx2 = unary_kernel("elu_avx2", "Elu", kNeeds);
extern const Kernel selu_uniform_avx2 = unary_uniform_kernel("selu_uniform_avx2", "Selu", kNeeds);
extern const Kernel selu_avx2 = unary_kernel("selu_avx2", "Selu", kNeeds);
extern const Kernel celu_uniform_avx2 = unary_uniform_kernel("celu_uniform_avx2", "Celu", kNeeds);
extern const Kernel celu_avx2 = unary_kernel("celu_avx2", "Celu", kNeeds);
extern const Kernel sigmoid_uniform_avx2 = unary_uniform_kernel("sigmoid_uniform_avx2", "Sigmoid", kNeeds);
extern const Kernel sigmoid_avx2 = unary_kernel("sigmoid_avx2", "Sigmoid", kNeeds);
extern const Kernel hard_sigmoid_uniform_avx2 =
    unary_uniform_kernel("hard_sigmoid_uniform_avx2", "HardSigmoid", kNeeds);
extern const Kernel hard_sigmoid_avx2 = unary_kernel("hard_sigmoid_avx2", "HardSigmoid", kNeeds);
extern const Kernel hardswish_uniform_avx2 = unary_uniform_kernel("hardswish_uniform_avx2", "HardSwish", kNeeds);
extern const Kernel hardswish_avx2 = unary_kernel("hardswish_avx2", "HardSwish", kNeeds);
extern const Kernel swish_uniform_avx2 = unary_uniform_kernel("swish_uniform_avx2", "Swish", kNeeds);
extern const Kernel swish_avx2 = unary_kernel("swish_avx2", "Swish", kNeeds);
extern const Kernel gelu_uniform_avx2 = unary_uniform_kernel("gelu_uniform_avx2", "Gelu", kNeeds);
extern const Kernel gelu_avx2 = unary_kernel("gelu_avx2", "Gelu", kNeeds);
extern const Kernel mish_uniform_avx2 = unary_uniform_kernel("mish_uniform_avx2", "Mish", kNeeds);
extern const Kernel mish_avx2 = unary_kernel("mish_avx2", "Mish", kNeeds);
extern const Kernel softplus_uniform_avx2 = unary_uniform_kernel("softplus_uniform_avx2", "Softplus", kNeeds);
extern const Kernel softplus_avx2 = unary_kernel("softplus_avx2", "Softplus", kNeeds);
extern const Kernel softsign_uniform_avx2 = unary_uniform_kernel("softsign_uniform_avx2", "Softsign", kNeeds);
extern const Kernel softsign_avx2 = unary_kernel("softsign_avx2", "Softsign", kNeeds);
extern const Kernel thresholded_relu_uniform_avx2 =
    unary_uniform_kernel("thresholded_relu_uniform_avx2", "ThresholdedRelu", kNeeds);
extern const Kernel thresholded_relu_avx2 = unary_kernel("thresholded_relu_avx2", "ThresholdedRelu", kNeeds);
extern const Kernel clip_avx2 = clip_kernel("clip_avx2", kNeeds);
extern const Kernel pow_avx2 = pow_kernel("pow_avx2", kNeeds);

}  // namespace monza::ops
