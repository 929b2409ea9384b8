// com.microsoft's products with transposes, a factor and an activation, as ONNX Runtime's optimiser writes them.
#include "import/api.h"
#include "ops/shared/fused_activation.onnx.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_fused_matmul(OnnxNode& n) {
  for (const char* name : {"transBatchA", "transBatchB"})
    if (n.i(name, 0) != 0) fail("{} is not supported", name);
  ir::Attrs attrs;
  if (n.i("transA", 0) != 0) attrs.set("trans_a", std::int64_t{1});
  if (n.i("transB", 0) != 0) attrs.set("trans_b", std::int64_t{1});
  if (const float alpha = n.f("alpha", 1); alpha != 1) attrs.set("alpha", static_cast<double>(alpha));
  n.bind(0, n.add1("MatMul", {n.input(0), n.input(1)}, std::move(attrs)));
}

void import_fused_gemm(OnnxNode& n) {
  ir::Attrs attrs;
  if (n.i("transA", 0) != 0) attrs.set("trans_a", std::int64_t{1});
  if (n.i("transB", 0) != 0) attrs.set("trans_b", std::int64_t{1});
  if (const float alpha = n.f("alpha", 1); alpha != 1) attrs.set("alpha", static_cast<double>(alpha));
  std::vector<ir::ValueId> inputs{n.input(0), n.input(1)};
  if (const float beta = n.f("beta", 1); beta != 0 && input_or_none(n, 2) != ir::kNone)
    inputs.push_back(
        beta == 1 ? n.input(2)
                  : n.add1("Mul", {n.input(2), n.constant_value(ir::constant_scalar(n.type(n.input(2)).dtype, beta))}));
  const std::string activation = n.s("activation", "");
  std::vector<float> params;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (n.has_attr(name)) params.push_back(n.f(name, 0));
  n.bind(0, add_fused_activation(n, n.add1("MatMul", std::move(inputs), std::move(attrs)), activation, params));
}

constexpr OnnxImporter kFusedImporters[] = {
    {.op_type = "FusedMatMul", .domain = "com.microsoft", .import = import_fused_matmul},
    {.op_type = "TransposeMatMul", .domain = "com.microsoft", .import = import_fused_matmul},
    {.op_type = "FusedGemm", .domain = "com.microsoft", .import = import_fused_gemm},
};

}  // namespace

extern const OnnxImporters fused_matmul_onnx{kFusedImporters};

}  // namespace monza::ops
