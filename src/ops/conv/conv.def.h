// What every convolution's definition shares: strides, dilations, pads, auto_pad, group, and the output's extents.
#pragma once

#include <cstddef>

#include "ir/attrs.h"
#include "ir/expr.h"
#include "ir/graph.h"
#include "ops/conv/conv.params.h"

namespace monza {
class OnnxNode;
}

namespace monza::ops {

inline constexpr ir::AttrDef kConvAttrs[] = {{"strides", ir::Each{1}},
                                             {"dilations", ir::Each{1}},
                                             {"pads", ir::Each{0}},  // begins, then ends
                                             {"auto_pad", "given"},
                                             {"group", 1}};

/// The geometry of the attributes for operands of that rank (activation and residual are not read). Error on values out
/// of range.
ConvParams conv_params_of(const ir::AttrReader& attrs, std::size_t rank);
/// [N, M, out...] of x [N, C, in...] and w [M, C / group, k...]; Error when the kernel does not fit.
ir::SymShape conv_output_shape(const ir::SymShape& x, const ir::SymShape& w, const ir::AttrReader& attrs);
/// The same attributes read from an ONNX node (Conv, ConvInteger, QLinearConv) with operands x and w; auto_pad is
/// resolved into pads where the extents are known.
ir::Attrs conv_attrs_of(OnnxNode& n, ir::ValueId x, ir::ValueId w);

}  // namespace monza::ops
