// ONNX Det.
#include "import/api.h"

namespace monza::ops {
namespace {

void import_det(OnnxNode& n) { n.bind(0, n.add1("Det", {n.input(0)})); }

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Det", .import = import_det},
};

}  // namespace

extern const OnnxImporters linalg_onnx{kImporters};

}  // namespace monza::ops
