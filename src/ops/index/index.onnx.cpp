// ONNX operators that gather, scatter and select.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

NodeParts two_inputs(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  return p;
}

void import_gather(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.attrs.set("axis", n.i("axis", 0));
  p.add("Gather");
}

void import_gather_elements(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.attrs.set("axis", n.i("axis", 0));
  p.add("GatherElements");
}

void import_gather_nd(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.attrs.set("batch_dims", n.i("batch_dims", 0));
  p.add("GatherND");
}

void import_scatter_elements(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.input(2, 2);
  p.attrs.set("axis", n.i("axis", 0));
  p.attrs.set("reduction", n.s("reduction", "none"));
  p.add("ScatterElements");
}

void import_scatter_nd(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.input(2, 2);
  p.attrs.set("reduction", n.s("reduction", "none"));
  p.add("ScatterND");
}

void import_tensor_scatter(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  p.input(2, 2);
  p.attrs.set("axis", n.i("axis", -2));
  p.attrs.set("mode", n.s("mode", "linear"));
  p.add("TensorScatter");
}

void import_non_zero(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.add("NonZero");
}

void import_compress(OnnxNode& n) {
  NodeParts p = two_inputs(n);
  if (n.has_attr("axis")) p.attrs.set("axis", n.i("axis", 0));
  p.add("Compress");
}

void bind_all(OnnxNode& n, const std::vector<ir::ValueId>& out) {
  for (int i = 0; i < n.output_count(); ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

void import_unique(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  if (n.has_attr("axis")) p.attrs.set("axis", n.i("axis", 0));
  p.attrs.set("sorted", n.i("sorted", 1));
  bind_all(n, n.add("Unique", p.take_inputs(), std::move(p.attrs), 4));
}

void import_topk(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("k", 1, 1);
  p.attrs.set("axis", n.i("axis", -1));
  p.attrs.set("largest", n.i("largest", 1));
  p.attrs.set("sorted", n.i("sorted", 1));
  bind_all(n, n.add("TopK", p.take_inputs(), std::move(p.attrs), 2));
}

/// TopK 1 has k as an attribute.
void import_topk_1(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("k", std::vector<std::int64_t>{n.i("k", 0)});
  p.attrs.set("axis", n.i("axis", -1));
  bind_all(n, n.add("TopK", p.take_inputs(), std::move(p.attrs), 2));
}

void import_nms(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 5; ++i) p.input(i, i);
  p.attrs.set("center_point_box", n.i("center_point_box", 0));
  p.add("NonMaxSuppression");
}

}  // namespace

#define MONZA_IMPORTER(symbol, type, function, ...) \
  extern const OnnxImporter symbol;                 \
  const OnnxImporter symbol { .op_type = type, __VA_ARGS__.import = function }

MONZA_IMPORTER(gather_onnx, "Gather", import_gather);
MONZA_IMPORTER(gather_elements_onnx, "GatherElements", import_gather_elements);
MONZA_IMPORTER(gather_nd_onnx, "GatherND", import_gather_nd);
MONZA_IMPORTER(scatter_onnx, "Scatter", import_scatter_elements);
MONZA_IMPORTER(scatter_elements_onnx, "ScatterElements", import_scatter_elements);
MONZA_IMPORTER(scatter_nd_onnx, "ScatterND", import_scatter_nd);
MONZA_IMPORTER(tensor_scatter_onnx, "TensorScatter", import_tensor_scatter);
MONZA_IMPORTER(non_zero_onnx, "NonZero", import_non_zero);
MONZA_IMPORTER(compress_onnx, "Compress", import_compress);
MONZA_IMPORTER(unique_onnx, "Unique", import_unique);
MONZA_IMPORTER(topk_1_onnx, "TopK", import_topk_1, .until = 9, );
MONZA_IMPORTER(topk_onnx, "TopK", import_topk, .since = 10, );
MONZA_IMPORTER(nms_onnx, "NonMaxSuppression", import_nms);

}  // namespace monza::ops
