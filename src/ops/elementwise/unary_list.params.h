#pragma once
// The operators of one input and one output that definition, ONNX mapping and reference treat alike: X(symbol, name).
// The second list holds those whose output has another element type, so that no output can overwrite its input.

// clang-format off
#define MONZA_UNARY_OPS(X) \
  X(abs, "Abs") X(neg, "Neg") X(sign, "Sign") X(ceil, "Ceil") X(floor, "Floor") X(round, "Round") \
  X(sqrt, "Sqrt") X(reciprocal, "Reciprocal") X(exp, "Exp") X(log, "Log") X(sin, "Sin") X(cos, "Cos") \
  X(tan, "Tan") X(asin, "Asin") X(acos, "Acos") X(atan, "Atan") X(sinh, "Sinh") X(cosh, "Cosh") X(tanh, "Tanh") \
  X(asinh, "Asinh") X(acosh, "Acosh") X(atanh, "Atanh") X(erf, "Erf") X(relu, "Relu") \
  X(leaky_relu, "LeakyRelu") X(elu, "Elu") X(selu, "Selu") X(celu, "Celu") X(sigmoid, "Sigmoid") \
  X(hard_sigmoid, "HardSigmoid") X(hardswish, "HardSwish") X(swish, "Swish") X(gelu, "Gelu") X(mish, "Mish") \
  X(softplus, "Softplus") X(softsign, "Softsign") X(thresholded_relu, "ThresholdedRelu") X(shrink, "Shrink") \
  X(logical_not, "Not") X(bitwise_not, "BitwiseNot")
#define MONZA_UNARY_TESTS(X) X(is_nan, "IsNaN") X(is_inf, "IsInf")
// clang-format on
