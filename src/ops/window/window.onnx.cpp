// ONNX window functions: sums of cosines over 0, 1, .. size - 1.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), N = size, or size - 1 for a symmetric window.
void import_window(OnnxNode& n) {
  const std::string_view type = n.op_type();
  double a0 = 0.5, a1 = 0.5, a2 = 0;
  if (type == "HammingWindow") a0 = 25.0 / 46, a1 = 21.0 / 46;
  if (type == "BlackmanWindow") a0 = 0.42, a1 = 0.5, a2 = 0.08;
  const DType to = dtype_from_onnx(n.i("output_datatype", 1));
  const bool periodic = n.i("periodic", 1) != 0;

  const ir::ValueId size = n.input(0);
  const DType integer = n.type(size).dtype;
  const DType real = to == DType::f64 ? DType::f64 : DType::f32;
  const auto whole = [&](double v) { return n.constant_value(ir::constant_scalar(integer, v)); };
  const auto number = [&](double v) { return n.constant_value(ir::constant_scalar(real, v)); };
  const auto cast = [&](ir::ValueId v, DType type_to) {
    return n.type(v).dtype == type_to ? v : n.add1("Cast", {v}, {{"to", std::string(dtype_name(type_to))}});
  };
  const ir::ValueId index = cast(n.add1("Range", {whole(0), size, whole(1)}), real);
  const ir::ValueId length = cast(periodic ? size : n.add1("Sub", {size, whole(1)}), real);
  const auto cosine = [&](double turns) {
    return n.add1("Cos", {n.add1("Div", {n.add1("Mul", {index, number(turns * 6.283185307179586)}), length})});
  };
  ir::ValueId window = n.add1("Sub", {number(a0), n.add1("Mul", {cosine(1), number(a1)})});
  if (a2 != 0) window = n.add1("Add", {window, n.add1("Mul", {cosine(2), number(a2)})});
  n.bind(0, cast(window, to));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "HannWindow", .import = import_window},
    {.op_type = "HammingWindow", .import = import_window},
    {.op_type = "BlackmanWindow", .import = import_window},
};

}  // namespace

extern const OnnxImporters window_onnx{kImporters};

}  // namespace monza::ops
