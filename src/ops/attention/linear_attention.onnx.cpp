// ONNX LinearAttention.
#include "import/api.h"

namespace monza::ops {
namespace {

void import_linear_attention(OnnxNode& n) {
  const std::string rule = n.s("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") fail("update_rule \"{}\" is not linear, gated, delta or gated_delta", rule);
  const auto present = [&](int i) { return n.input_count() > i && n.input(i) != ir::kNone; };
  if (gated != present(4)) fail("update_rule \"{}\" {} decay", rule, gated ? "needs a" : "takes no");
  if (delta != present(5)) fail("update_rule \"{}\" {} beta", rule, delta ? "needs a" : "takes no");
  n.ignore("chunk_size");  // a hint
  ir::Attrs attrs{{"q_num_heads", n.i("q_num_heads", 0)}, {"kv_num_heads", n.i("kv_num_heads", 0)}};
  if (const float scale = n.f("scale", 0); scale != 0) attrs.set("scale", static_cast<double>(scale));
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  const auto out = n.add("LinearAttention", std::move(inputs), std::move(attrs), 2);
  for (int i = 0; i < 2; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

constexpr OnnxImporter kLinearAttentionImporters[] = {
    {.op_type = "LinearAttention", .import = import_linear_attention},
};

}  // namespace

extern const OnnxImporters linear_attention_onnx{kLinearAttentionImporters};

}  // namespace monza::ops
