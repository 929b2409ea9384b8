// Checks that the definitions of QConv and QMatMul share.
#pragma once

#include "ir/op.h"

namespace monza::ops {

/// Checks types and sizes of the quantisation operands (see QInput) of a node whose output has `out` shape and
/// `columns` output channels; returns the output's element type.
DType check_quantized(ir::InferContext& c, const ir::SymShape& out, const ir::Expr& columns);

/// True for u8 and i8.
bool is_8bit(DType type);

}  // namespace monza::ops
