// Gemma 2 (arXiv 2408.00118) and 3 (arXiv 2503.19786): norms before and behind attention and MLP, most layers with a
// window.
#include <cmath>

#include "decoder/families.h"

namespace monza::decoder {
namespace {

/// The last of each `period` layers sees everything, unless the file says otherwise. `windowed` are the angles of those
/// that do not.
void build_layers(DecoderBuilder& b, std::int64_t period, const Angles& whole, const Angles& windowed) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings(std::sqrt(static_cast<double>(c.width)));
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const auto norm = [&](ir::ValueId v, const char* part) { return b.norm(v, b.layer_name(layer, part)); };
    const bool window = c.has_window(layer, (layer + 1) % period != 0);
    const AttentionForm form{window ? windowed : whole, window ? c.window : 0};
    x = b.add(x, norm(b.attention(norm(x, "attn_norm"), layer, form), "post_attention_norm"));
    x = b.add(x, norm(b.gated_mlp(norm(x, "ffn_norm"), layer, "Gelu"), "post_ffw_norm"));
  }
  b.finish(x);
}

}  // namespace

void build_gemma2(DecoderBuilder& b) {
  const Angles angles = b.angles(b.config().rope);
  build_layers(b, 2, angles, angles);
}

void build_gemma3(DecoderBuilder& b) {
  build_layers(b, 6, b.angles(b.config().rope), b.angles(b.config().windowed_rope));
}

}  // namespace monza::decoder
