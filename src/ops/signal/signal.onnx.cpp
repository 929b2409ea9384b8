// ONNX DFT, STFT and MelWeightMatrix.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void import_dft(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("length", 1, 1);
  // The axis is an attribute until opset 20, an input from then on.
  if (n.opset() < 20) {
    p.attrs.set("axis", n.i("axis", 1));
  } else if (const ir::Constant* axis = n.constant(n.input(2)); axis != nullptr && axis->numel() == 1) {
    p.attrs.set("axis", ir::to_ints(*axis)[0]);
  } else {
    p.input(2, 2);
  }
  p.attrs.set("inverse", n.i("inverse", 0));
  p.attrs.set("onesided", n.i("onesided", 0));
  p.add("DFT");
}

void import_stft(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("step", 1, 1);
  p.input(2, 2);
  p.integers("length", 3, 3);
  p.attrs.set("onesided", n.i("onesided", 1));
  p.add("STFT");
}

void import_mel(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 5; ++i) p.input(i, i);
  p.attrs.set("dtype", std::string(dtype_name(dtype_from_onnx(n.i("output_datatype", 1)))));
  p.add("MelWeightMatrix");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "DFT", .import = import_dft},
    {.op_type = "STFT", .import = import_stft},
    {.op_type = "MelWeightMatrix", .import = import_mel},
};

}  // namespace

extern const OnnxImporters signal_onnx{kImporters};

}  // namespace monza::ops
