// Gemma 3 (arXiv 2503.19786): norms before and behind attention and MLP, five layers with a window for each one
// without.
#include <cmath>

#include "decoder/families.h"

namespace monza::decoder {
namespace {

constexpr std::int64_t kPattern = 6;         ///< the last of so many layers sees everything
constexpr double kWindowRopeBase = 10000.0;  ///< of layers with a window, which positions are not scaled for

}  // namespace

void build_gemma3(DecoderBuilder& b) {
  const DecoderConfig& c = b.config();
  ir::ValueId x = b.embeddings(std::sqrt(static_cast<double>(c.width)));
  AttentionForm whole, windowed;
  whole.angles = b.angles(c.rope_base, c.rope_factor);
  windowed.angles = b.angles(kWindowRopeBase, 1);
  windowed.window = c.window;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const auto norm = [&](ir::ValueId v, const char* part) { return b.rms_norm(v, b.layer_name(layer, part)); };
    const AttentionForm& form = (layer + 1) % kPattern == 0 || c.window == 0 ? whole : windowed;
    x = b.add(x, norm(b.attention(norm(x, "attn_norm"), layer, form), "post_attention_norm"));
    x = b.add(x, norm(b.gated_mlp(norm(x, "ffn_norm"), layer, "Gelu"), "post_ffw_norm"));
  }
  b.finish(x);
}

}  // namespace monza::decoder
