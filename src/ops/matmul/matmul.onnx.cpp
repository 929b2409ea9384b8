// ONNX MatMul and Gemm, every opset, to MatMul.
#include <span>

#include "import/api.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

void import_matmul(OnnxNode& n) { n.bind(0, n.add1("MatMul", {n.input(0), n.input(1)})); }

/// A scalar constant of `type` with that value, for scaling C.
std::shared_ptr<const ir::Constant> scalar_like(DType type, double value) {
  const auto make = [&](auto v) { return ir::make_constant(type, Shape{}, std::as_bytes(std::span(&v, 1))); };
  switch (type) {
    case DType::f32: return make(static_cast<float>(value));
    case DType::f64: return make(value);
    case DType::f16: return make(f32_to_f16(static_cast<float>(value)));
    case DType::bf16: return make(f32_to_bf16(static_cast<float>(value)));
    case DType::i32: return make(static_cast<std::int32_t>(value));
    case DType::u32: return make(static_cast<std::uint32_t>(value));
    case DType::i64: return make(static_cast<std::int64_t>(value));
    case DType::u64: return make(static_cast<std::uint64_t>(value));
    default: fail("element type {} is not one Gemm takes", dtype_name(type));
  }
}

void import_gemm(OnnxNode& n) {
  for (int i = 0; i < 2; ++i)
    if (n.type(n.input(i)).rank() != 2) fail("operand {} has rank {}, not 2", i, n.type(n.input(i)).rank());
  ir::Attrs attrs;
  if (n.i("transA", 0) != 0) attrs.set("trans_a", std::int64_t{1});
  if (n.i("transB", 0) != 0) attrs.set("trans_b", std::int64_t{1});
  if (const float alpha = n.f("alpha", 1); alpha != 1) attrs.set("alpha", static_cast<double>(alpha));
  const float beta = n.f("beta", 1);
  if (n.opset() < 7) n.ignore("broadcast");  // C broadcasts by its shape from opset 7 on; older models say so, too
  std::vector<ir::ValueId> inputs{n.input(0), n.input(1)};
  if (n.input_count() > 2 && n.input(2) != ir::kNone && beta != 0) {
    ir::ValueId c = n.input(2);
    if (beta != 1) c = n.add1("Mul", {c, n.constant_value(scalar_like(n.type(c).dtype, beta))});
    inputs.push_back(c);
  }
  n.bind(0, n.add1("MatMul", std::move(inputs), std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "MatMul", .import = import_matmul},
    {.op_type = "Gemm", .import = import_gemm},
};

}  // namespace

extern const OnnxImporters matmul_onnx{kImporters};

}  // namespace monza::ops
