#include "checkpoint/settings.h"

#include <algorithm>

namespace monza::checkpoint {
namespace {

constexpr std::int64_t kMost = 1 << 20;

/// The first of the names that is there: GPT-2's differ.
std::int64_t need_either(const Json& config, std::string_view name, std::string_view other) {
  const auto found = value<std::int64_t>(config, name);
  return found                                          ? *found
         : value_or<std::int64_t>(config, other, 0) > 0 ? need<std::int64_t>(config, other)
                                                        : need<std::int64_t>(config, name);
}

/// Which layers have a window: as `layer_types` says, or else older fields.
std::vector<std::int64_t> windowed_layers(const Json& config, const Architecture& a, std::int64_t layers) {
  std::vector<std::int64_t> windowed;
  const Json* types = field(config, "layer_types");
  if (types != nullptr) {
    if (!types->is_array()) fail("'layer_types' is no list");
    for (const Json& type : *types) {
      if (type != "sliding_attention" && type != "full_attention")
        fail("'layer_types' holds '{}', which is not supported", type.is_string() ? type.get<std::string>() : "");
      windowed.push_back(type == "sliding_attention");
    }
    if (windowed.size() != static_cast<std::size_t>(layers))
      fail("'layer_types' has {} layers, and the model {}", windowed.size(), layers);
    return windowed;
  }
  if (a.family == "gemma2" || a.family == "gemma3") return {};  // GGUF's readers know their order
  windowed.assign(static_cast<std::size_t>(layers), 1);
  if (const auto used = value<bool>(config, "use_sliding_window")) {
    const std::int64_t from = *used ? value_or(config, "max_window_layers", layers) : layers;
    for (std::int64_t i = 0; i < std::min(std::max<std::int64_t>(from, 0), layers); ++i)
      windowed[static_cast<std::size_t>(i)] = 0;
  }
  return windowed;
}

void add_windows(const Json& config, const Architecture& a, std::int64_t layers, gguf::Draft& to) {
  const auto window = value<std::int64_t>(config, "sliding_window");
  if (!window) return;
  std::vector<std::int64_t> windowed = windowed_layers(config, a, layers);
  const auto is = [](std::int64_t one) { return one != 0; };
  if (!windowed.empty() && std::none_of(windowed.begin(), windowed.end(), is)) return;
  to.set(a.key("attention.sliding_window"), *window);
  if (!windowed.empty() && !std::all_of(windowed.begin(), windowed.end(), is))
    to.set(a.key("attention.sliding_window_pattern"), std::move(windowed));
}

}  // namespace

void add_settings(const Json& config, const Architecture& a, gguf::Draft& to) {
  to.set("general.architecture", a.family);
  const auto activation = value<std::string>(config, "hidden_activation");
  const auto said =
      activation ? activation : value<std::string>(config, a.transposed ? "activation_function" : "hidden_act");
  if (said && *said != a.activation) fail("the activation '{}' is not supported here: '{}' is", *said, a.activation);
  const std::int64_t layers = need_either(config, "num_hidden_layers", "n_layer"),
                     width = need_either(config, "hidden_size", "n_embd"),
                     heads = need_either(config, "num_attention_heads", "n_head");
  if (layers < 1 || layers > kMost || heads < 1 || heads > kMost || width < 1)
    fail("{} layers, {} heads and a width of {} make no model", layers, heads, width);
  const std::int64_t head_width = value_or(config, "head_dim", width / heads);
  if (head_width < 1 || head_width > kMost) fail("heads of {} elements are not supported", head_width);
  to.set(a.key("block_count"), layers);
  to.set(a.key("embedding_length"), width);
  to.set(a.key("attention.head_count"), heads);
  to.set(a.key("attention.head_count_kv"), value_or(config, "num_key_value_heads", heads));
  to.set(a.key("attention.key_length"), head_width);
  to.set(a.key("attention.value_length"), head_width);
  to.set(a.key("context_length"), need_either(config, "max_position_embeddings", "n_positions"));
  if (const auto inner = value<std::int64_t>(config, "intermediate_size")) to.set(a.key("feed_forward_length"), *inner);
  if (const auto inner = value<std::int64_t>(config, "moe_intermediate_size"))
    to.set(a.key("expert_feed_forward_length"), *inner);
  if (const auto epsilon = value<double>(config, "rms_norm_eps"))
    to.set(a.key("attention.layer_norm_rms_epsilon"), *epsilon);
  if (const auto epsilon = value<double>(config, "layer_norm_epsilon"))
    to.set(a.key("attention.layer_norm_epsilon"), *epsilon);
  add_windows(config, a, layers, to);
  if (!a.transposed) add_rope(config, a, head_width, to);
  if (a.settings != nullptr) a.settings(config, a, to);
}

}  // namespace monza::checkpoint
