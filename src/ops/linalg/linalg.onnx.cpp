// ONNX Det.
#include "import/api.h"

namespace monza::ops {
namespace {

void import_det(OnnxNode& n) { n.bind(0, n.add1("Det", {n.input(0)})); }

}  // namespace

#define MONZA_IMPORTER(symbol, type, function) \
  extern const OnnxImporter symbol;            \
  const OnnxImporter symbol { .op_type = type, .import = function }

MONZA_IMPORTER(det_onnx, "Det", import_det);

}  // namespace monza::ops
