// OLMo 2 (arXiv 2501.00656): norms behind attention and MLP alone; queries and keys are normalised before they are
// heads.
#include "decoder/families.h"

namespace monza::decoder {

void build_olmo2(DecoderBuilder& b) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings();
  const AttentionForm form{b.angles(c.rope), 0};
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    x = b.add(x, b.norm(b.attention(x, layer, form), b.layer_name(layer, "post_attention_norm")));
    x = b.add(x, b.norm(b.gated_mlp(x, layer, "Swish"), b.layer_name(layer, "post_ffw_norm")));
  }
  b.finish(x);
}

}  // namespace monza::decoder
