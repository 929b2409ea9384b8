#include "decoder/config.h"

#include <algorithm>

#include "base/error.h"

namespace monza::decoder {
namespace {

constexpr std::int64_t kMostLayers = 1024, kMostWidth = 1 << 20;

/// Reads `<family>.<name>`.
class Settings {
 public:
  Settings(const gguf::File& file, std::string family) : file_(file), family_(std::move(family)) {}

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
  std::string text_or(const char* name, const char* absent) const {
    return std::string(file_.text(key(name)).value_or(absent));
  }

 private:
  std::string key(const char* name) const { return family_ + "." + name; }
  std::int64_t checked(const char* name, std::int64_t value, std::int64_t most) const {
    if (value < 1 || value > most) fail("metadata '{}' is {}, not 1 to {}", key(name), value, most);
    return value;
  }
  const gguf::File& file_;
  std::string family_;
};

}  // namespace

DecoderConfig decoder_config(const gguf::File& file) {
  DecoderConfig c;
  const auto family = file.text("general.architecture");
  if (!family) fail("metadata 'general.architecture' is missing");
  c.family = *family;
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
  c.epsilon = static_cast<float>(of.number_or("attention.layer_norm_rms_epsilon", 1e-5));
  c.rope_base = of.number_or("rope.freq_base", 10000);
  const std::string scaling = of.text_or("rope.scaling.type", "none");
  if (scaling == "linear") c.rope_factor = of.number_or("rope.scaling.factor", 1);
  else if (scaling != "none") fail("scaling of positions by '{}' is not supported; none and linear are", scaling);
  if (!(c.epsilon >= 0) || !(c.rope_base > 0) || !(c.rope_factor > 0))
    fail("an epsilon of {}, a base of {} and a factor of {} for positions: these must be positive", c.epsilon,
         c.rope_base, c.rope_factor);
  c.window = of.size_or("attention.sliding_window", 0, INT32_MAX);
  const gguf::TensorInfo* table = file.find_tensor("token_embd.weight");
  if (table == nullptr) fail("tensor 'token_embd.weight' is missing");
  if (table->shape.rank != 2 || table->shape[1] != c.width || table->shape[0] < 1)
    fail("tensor 'token_embd.weight' has shape {}, not tokens x {}", to_string(table->shape), c.width);
  c.vocabulary = table->shape[0];
  return c;
}

}  // namespace monza::decoder
