// Small kernels for tests of the runtime: f32 unless they say otherwise.
#pragma once

#include "kernel/kernel.h"

namespace monza::test {

/// out = in0 + in1, same shapes, any strides. In parallel over the first axis.
extern const Kernel kAdd;
/// out = in0 * factor (params: one float).
extern const Kernel kScale;
/// Elements above 0 of in0 (rank 1), densely at the front of out0; reports their count.
extern const Kernel kCompress;
/// Copies in0 to out0, elementwise; marked as a reference kernel, so that it also runs on the reference device.
extern const Kernel kCopy;
/// Fails with resource_exhausted.
extern const Kernel kFail;
/// out0 (bool scalar) = in0[0] < in1[0] (f32).
extern const Kernel kLess;
/// Fills its scratch (64 bytes for each element of in0) and copies in0 to out0.
extern const Kernel kScratchy;
/// Candidates of Sigmoid for tests of the planner, which differ in what they read and write; they compute nothing.
extern const Kernel kSigmoidDense, kSigmoidBlocked, kSigmoidFromBlocked;
/// One of Relu that takes any layout without gaps.
extern const Kernel kReluUniform;

}  // namespace monza::test
