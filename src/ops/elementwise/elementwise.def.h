// What the definitions and importers of elementwise operators share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/op.h"
#include "ops/elementwise/elementwise.params.h"

namespace monza::ops {

/// Element types an operator takes, as bits.
enum Types : std::uint32_t {
  kFloats = 1u << 0,    ///< f64, f32, f16, bf16
  kIntegers = 1u << 1,  ///< i8 ... u64
  kBoolean = 1u << 2,
  kSmallFloats = 1u << 3,  ///< f8 types
  kNumbers = kFloats | kIntegers,
};
bool takes(Types types, DType type);

/// A unary operator: its name is ONNX's, its attributes are named as ONNX names them.
struct UnaryOp {
  const char* name;
  UnaryKind kind;
  Types types;
  ir::AttrDef attrs[2] = {};  ///< numbers: what is behind UnaryParams::alpha and beta; those beyond have no name

  constexpr ir::AttrSchema schema() const {
    return {attrs, static_cast<std::size_t>((*attrs[0].name != 0) + (*attrs[1].name != 0))};
  }
};
/// The row of that name, or null.
const UnaryOp* find_unary(std::string_view name);

struct BinaryOp {
  const char* name;
  BinaryKind kind;
  Types types;
  bool to_boolean = false;
  ir::AttrSchema attrs = {};
};
const BinaryOp* find_binary(std::string_view name);

/// Symbolic elements of an elementwise node's output from those of its inputs, where all are known and the output is a
/// small integer or boolean tensor: keeps shape arithmetic symbolic.
void propagate_content(ir::InferContext& c, const ir::SymShape& out);

}  // namespace monza::ops
