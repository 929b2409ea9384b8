// ONNX Attention and RotaryEmbedding.
#include "import/api.h"

namespace monza::ops {
namespace {

void import_attention(OnnxNode& n) {
  ir::Attrs attrs;
  if (n.type(n.input(0)).rank() == 3) {
    attrs.set("q_num_heads", n.i("q_num_heads", 0));
    attrs.set("kv_num_heads", n.i("kv_num_heads", 0));
  } else {
    n.ignore("q_num_heads");
    n.ignore("kv_num_heads");
  }
  if (n.has_attr("scale")) {
    const double scale = n.f("scale", 0);
    if (scale == 0) fail("a scale of 0 is not supported");
    attrs.set("scale", scale);
  }
  if (const float cap = n.f("softcap", 0); cap > 0) attrs.set("softcap", static_cast<double>(cap));
  if (n.i("is_causal", 0) != 0) attrs.set("is_causal", std::int64_t{1});
  for (const char* window : {"left_window_size", "right_window_size"})
    if (const std::int64_t size = n.i(window, -1); size >= 0) attrs.set(window, size);
  if (const std::int64_t mode = n.i("qk_matmul_output_mode", 0); mode != 0) attrs.set("qk_matmul_output_mode", mode);
  n.ignore("softmax_precision");  // the softmax is never computed in less than f32
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  const auto out = n.add("Attention", std::move(inputs), std::move(attrs), n.output_count());
  n.bind_all(out);
}

void import_rotary(OnnxNode& n) {
  ir::Attrs attrs;
  const std::int64_t heads = n.i("num_heads", 0);
  if (n.type(n.input(0)).rank() == 3) attrs.set("num_heads", heads);
  if (const std::int64_t dim = n.i("rotary_embedding_dim", 0); dim != 0) attrs.set("rotary_embedding_dim", dim);
  if (n.i("interleaved", 0) != 0) attrs.set("interleaved", std::int64_t{1});
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  n.bind(0, n.add1("RotaryEmbedding", std::move(inputs), std::move(attrs)));
}

constexpr OnnxImporter kAttentionImporters[] = {
    {.op_type = "Attention", .import = import_attention},
    {.op_type = "RotaryEmbedding", .import = import_rotary},
};

}  // namespace

extern const OnnxImporters attention_onnx{kAttentionImporters};

}  // namespace monza::ops
