// GPT-2 (Radford et al., 2019): learned positions, layer normalisation, biases, an MLP without a gate.
#include "decoder/families.h"

namespace monza::decoder {

void build_gpt2(DecoderBuilder& b) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.add(b.embeddings(), b.position_embeddings("position_embd"));
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    x = b.add(x, b.attention(b.norm(x, b.layer_name(layer, "attn_norm")), layer, {}));
    x = b.add(x, b.plain_mlp(b.norm(x, b.layer_name(layer, "ffn_norm")), layer));
  }
  b.finish(x);
}

}  // namespace monza::decoder
