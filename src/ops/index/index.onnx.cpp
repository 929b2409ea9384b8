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

void import_unique(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  if (n.has_attr("axis")) p.attrs.set("axis", n.i("axis", 0));
  p.attrs.set("sorted", n.i("sorted", 1));
  n.bind_all(n.add("Unique", p.take_inputs(), std::move(p.attrs), 4));
}

void import_topk(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("k", 1, 1);
  p.attrs.set("axis", n.i("axis", -1));
  p.attrs.set("largest", n.i("largest", 1));
  p.attrs.set("sorted", n.i("sorted", 1));
  n.bind_all(n.add("TopK", p.take_inputs(), std::move(p.attrs), 2));
}

/// TopK 1 has k as an attribute.
void import_topk_1(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("k", std::vector<std::int64_t>{n.i("k", 0)});
  p.attrs.set("axis", n.i("axis", -1));
  n.bind_all(n.add("TopK", p.take_inputs(), std::move(p.attrs), 2));
}

void import_nms(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 5; ++i) p.input(i, i);
  p.attrs.set("center_point_box", n.i("center_point_box", 0));
  p.add("NonMaxSuppression");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Gather", .import = import_gather},
    {.op_type = "GatherElements", .import = import_gather_elements},
    {.op_type = "GatherND", .import = import_gather_nd},
    {.op_type = "Scatter", .import = import_scatter_elements},
    {.op_type = "ScatterElements", .import = import_scatter_elements},
    {.op_type = "ScatterND", .import = import_scatter_nd},
    {.op_type = "TensorScatter", .import = import_tensor_scatter},
    {.op_type = "NonZero", .import = import_non_zero},
    {.op_type = "Compress", .import = import_compress},
    {.op_type = "Unique", .import = import_unique},
    {.op_type = "TopK", .until = 9, .import = import_topk_1},
    {.op_type = "TopK", .since = 10, .import = import_topk},
    {.op_type = "NonMaxSuppression", .import = import_nms},
};

}  // namespace

extern const OnnxImporters index_onnx{kImporters};

}  // namespace monza::ops
