#include "decoder/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "decoder/families.h"

namespace monza::decoder {
namespace {

constexpr std::int64_t kMostLayers = 1024, kMostWidth = 1 << 20;

/// Reads `<family>.<name>`.
class Settings {
 public:
  Settings(const gguf::Contents& file, std::string family) : file_(file), family_(std::move(family)) {}

  std::int64_t size(const char* name, std::int64_t most) const {
    const auto value = file_.integer(key(name));
    if (!value) fail("metadata '{}' is missing", key(name));
    return checked(name, *value, most);
  }
  std::int64_t size_or(const char* name, std::int64_t absent, std::int64_t most) const {
    const auto value = file_.integer(key(name));
    return value ? checked(name, *value, most) : absent;
  }
  double number_or(const char* name, double absent) const { return file_.number(key(name)).value_or(absent); }
  bool flag_or(const char* name, bool absent) const { return file_.boolean(key(name)).value_or(absent); }
  const gguf::Array* array(const char* name) const { return file_.array(key(name)); }
  /// A number above 0, and finite.
  double positive_or(const char* name, double absent) const {
    const double value = number_or(name, absent);
    if (!(value > 0) || !(value < 1e30)) fail("metadata '{}' is {}, which is not positive", key(name), value);
    return value;
  }
  bool has(const char* name) const { return file_.metadata().contains(key(name)); }
  std::string text_or(const char* name, const char* absent) const {
    return std::string(file_.text(key(name)).value_or(absent));
  }

 private:
  std::string key(const char* name) const { return family_ + "." + name; }
  std::int64_t checked(const char* name, std::int64_t value, std::int64_t most) const {
    if (value < 1 || value > most) fail("metadata '{}' is {}, not 1 to {}", key(name), value, most);
    return value;
  }
  const gguf::Contents& file_;
  std::string family_;
};

void read_rope(const Settings& of, DecoderConfig& c) {
  RopeForm& rope = c.rope;
  rope.base = of.positive_or("rope.freq_base", 10000);
  rope.magnitude = of.positive_or("rope.scaling.attn_factor", 1);
  const std::string scaling = of.text_or("rope.scaling.type", "none");
  if (scaling == "linear" || scaling == "yarn") {
    rope.scaling = scaling == "yarn" ? RopeForm::Scaling::yarn : RopeForm::Scaling::linear;
    rope.factor = of.positive_or("rope.scaling.factor", 1);
  } else if (scaling != "none" && scaling != "longrope") {  // that one's factors are tensors
    fail("scaling of positions by '{}' is not supported; none, linear, yarn and longrope are", scaling);
  }
  const auto context = static_cast<double>(c.context);
  rope.original_context = of.positive_or("rope.scaling.original_context_length", context);
  rope.beta_fast = of.positive_or("rope.scaling.yarn_beta_fast", 32);
  rope.beta_slow = of.positive_or("rope.scaling.yarn_beta_slow", 1);
  c.windowed_rope.base = of.positive_or("rope.freq_base_swa", 10000);
}

void read_windows(const Settings& of, DecoderConfig& c) {
  c.window = of.size_or("attention.sliding_window", 0, INT32_MAX);
  if (!of.has("attention.sliding_window_pattern")) return;
  const gguf::Array* pattern = of.array("attention.sliding_window_pattern");
  if (pattern->integers.size() != static_cast<std::size_t>(c.layers))
    fail("it says of {} layers whether they have a window, and has {}", pattern->integers.size(), c.layers);
  for (const std::int64_t one : pattern->integers) c.windowed.push_back(one != 0);
}

void read_factors(const Settings& of, DecoderConfig& c) {
  // The largest Gemmas scale by another width than a head's, which older files do not tell.
  if ((c.family == "gemma2" && c.layers == 46) || (c.family == "gemma3" && c.layers == 62))
    c.attention_scale = std::sqrt(static_cast<double>(c.heads) / static_cast<double>(c.width));
  if (of.has("attention.scale")) c.attention_scale = of.positive_or("attention.scale", 1);
  if (of.has("attn_logit_softcapping")) c.attention_cap = of.positive_or("attn_logit_softcapping", 1);
  if (of.has("final_logit_softcapping")) c.logit_cap = of.positive_or("final_logit_softcapping", 1);
  c.embedding_scale = of.positive_or("embedding_scale", 1);
  c.residual_scale = of.positive_or("residual_scale", 1);
  c.logit_divisor = of.positive_or("logit_scale", 1);
}

void read_experts(const Settings& of, DecoderConfig& c) {
  constexpr std::int64_t kMostExperts = 4096;
  if (!of.has("expert_count") || of.number_or("expert_count", 0) == 0) return;
  c.experts = of.size("expert_count", kMostExperts);
  c.experts_used = of.size("expert_used_count", c.experts);
  c.experts_normalised = of.flag_or("expert_weights_norm", c.family != "qwen2moe");
}

}  // namespace

DecoderConfig decoder_config(const gguf::Contents& file) {
  DecoderConfig c;
  const auto family = file.text("general.architecture");
  if (!family) fail("metadata 'general.architecture' is missing");
  c.family = *family;
  c.pairs = file.boolean("monza.rope_halves").value_or(false) ? Pairs::halves : decoder::family(c.family).pairs;
  const Settings of(file, c.family);
  c.layers = of.size("block_count", kMostLayers);
  c.width = of.size("embedding_length", kMostWidth);
  c.heads = of.size("attention.head_count", kMostWidth);
  c.key_heads = of.size_or("attention.head_count_kv", c.heads, c.heads);
  if (c.heads % c.key_heads != 0) fail("{} heads cannot share {} heads of keys", c.heads, c.key_heads);
  if (c.width % c.heads != 0 && !file.integer(c.family + ".attention.key_length"))
    fail("a width of {} is not shared out among {} heads", c.width, c.heads);
  c.head_width = of.size_or("attention.key_length", std::max<std::int64_t>(c.width / c.heads, 1), kMostWidth);
  if (of.size_or("attention.value_length", c.head_width, kMostWidth) != c.head_width)
    fail("keys and values of different widths are not supported");
  c.rotated = of.size_or("rope.dimension_count", c.head_width, c.head_width);
  if (c.rotated % 2 != 0) fail("{} elements of a head cannot turn in pairs", c.rotated);
  c.context = of.size_or("context_length", 2048, std::int64_t{1} << 30);
  c.layer_norm = file.number(c.family + ".attention.layer_norm_epsilon").has_value();
  c.epsilon = static_cast<float>(
      of.number_or(c.layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 1e-5));
  if (!(c.epsilon >= 0)) fail("an epsilon of {} is none", c.epsilon);
  read_rope(of, c);
  read_windows(of, c);
  read_factors(of, c);
  read_experts(of, c);
  const gguf::TensorInfo* table = file.find_tensor("token_embd.weight");
  if (table == nullptr) fail("tensor 'token_embd.weight' is missing");
  if (table->shape.rank != 2 || table->shape[1] != c.width || table->shape[0] < 1)
    fail("tensor 'token_embd.weight' has shape {}, not tokens x {}", to_string(table->shape), c.width);
  c.vocabulary = table->shape[0];
  return c;
}

}  // namespace monza::decoder
