// SmolLM 3 (Hugging Face, 2025): llama, but heads of every fourth layer do not turn (arXiv 2501.18795).
#include "decoder/families.h"

namespace monza::decoder {

void build_smollm3(DecoderBuilder& b) {
  constexpr std::int64_t kInterval = 4;
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings();
  const Angles angles = b.angles(c.rope);
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const AttentionForm form{(layer + 1) % kInterval != 0 ? angles : Angles{},
                             c.has_window(layer, true) ? c.window : 0};
    x = b.add(x, b.attention(b.norm(x, b.layer_name(layer, "attn_norm")), layer, form));
    x = b.add(x, b.gated_mlp(b.norm(x, b.layer_name(layer, "ffn_norm")), layer, "Swish"));
  }
  b.finish(x);
}

}  // namespace monza::decoder
