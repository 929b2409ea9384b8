// Llama (Touvron et al., arXiv 2302.13971) and what is like it but for its weights and numbers: mistral (a window),
// qwen2 (biases), qwen3 (normalised heads), phi3 (fused weights), granite (multipliers), and those
// with experts.
#include "decoder/families.h"

namespace monza::decoder {

void build_pre_norm(DecoderBuilder& b) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings(c.embedding_scale);
  const Angles angles = b.angles(c.rope);
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const auto norm = [&](const char* part) { return b.norm(x, b.layer_name(layer, part)); };
    const AttentionForm form{angles, c.has_window(layer, true) ? c.window : 0};
    x = b.add(x, b.scaled(b.attention(norm("attn_norm"), layer, form), c.residual_scale));
    x = b.add(x, b.scaled(b.gated_mlp(norm("ffn_norm"), layer, "Swish"), c.residual_scale));
  }
  b.finish(x);
}

}  // namespace monza::decoder
