// Llama (Touvron et al., arXiv 2302.13971) and mistral, and qwen2 and qwen3, which differ by how heads turn.
#include "decoder/families.h"

namespace monza::decoder {
namespace {

/// Attention and a gated MLP, each over the normalised residual stream and added to it.
void build_pre_norm(DecoderBuilder& b, Pairs pairs) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings();
  AttentionForm form;
  form.pairs = pairs;
  form.angles = b.angles(c.rope_base, c.rope_factor);
  form.window = c.window;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    x = b.add(x, b.attention(b.rms_norm(x, b.layer_name(layer, "attn_norm")), layer, form));
    x = b.add(x, b.gated_mlp(b.rms_norm(x, b.layer_name(layer, "ffn_norm")), layer, "Swish"));
  }
  b.finish(x);
}

}  // namespace

void build_llama(DecoderBuilder& b) { build_pre_norm(b, Pairs::neighbours); }
void build_qwen2(DecoderBuilder& b) { build_pre_norm(b, Pairs::halves); }
void build_qwen3(DecoderBuilder& b) { build_pre_norm(b, Pairs::halves); }

}  // namespace monza::decoder
