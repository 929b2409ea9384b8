// The two parts of a separable convolution as questions of their own, and the packed layouts of their weights.
#pragma once

#include "kernel/kernel.h"
#include "ops/sepconv/sepconv.params.h"

namespace monza::ops {

// Defined in sepconv_packed.any.cpp.
extern const PackedFormat sepconv_depth_8, sepconv_depth_16, sepconv_point_8, sepconv_point_16;

namespace {

/// One of the two parts as a question of its own: what it asks about are its weight, input 1, and its parameters.
struct PartQuery {
  OperandDesc in[2];
  KernelQuery query;
  PartQuery(const KernelQuery& q, bool point) : in{q.input(0), q.input(point ? 3 : 1)}, query(q) {
    const auto& p = *static_cast<const SeparableConvParams*>(q.params);
    query.params = point ? &p.point : &p.depth;
    query.in = in;
    query.in_count = 2;
  }
  PartQuery(const PartQuery&) = delete;
};

}  // namespace
}  // namespace monza::ops
