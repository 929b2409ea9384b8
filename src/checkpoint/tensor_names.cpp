#include "checkpoint/tensor_names.h"

#include <charconv>

namespace monza::checkpoint {
namespace {

constexpr PartName kOutside[] = {{"embed_tokens", "token_embd"}, {"wte", "token_embd"},   {"wpe", "position_embd"},
                                 {"norm", "output_norm"},        {"ln_f", "output_norm"}, {"lm_head", "output"}};
constexpr PartName kLayer[] = {{"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
                               {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
                               {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
                               {"self_attn.k_norm", "attn_k_norm"}, {"post_attention_layernorm", "ffn_norm"},
                               {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
                               {"mlp.down_proj", "ffn_down"}};
/// Tables of angles and masks.
constexpr std::string_view kMade[] = {"self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq", "attn.bias",
                                      "attn.masked_bias"};

/// Takes the number that `text` begins with; nullopt where there is none below 2^31.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || text.starts_with('-')) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// Whether `text` is `pattern`, in which a star stands for a number.
bool matches(std::string_view pattern, std::string_view text, std::int64_t& number) {
  const std::size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  const auto found = take_number(text);
  if (!found || text != pattern.substr(star + 1)) return false;
  number = *found;
  return true;
}

std::optional<OurName> find_part(std::span<const PartName> names, std::string_view part) {
  for (const PartName& name : names)
    if (OurName found; matches(name.theirs, part, found.expert)) {
      found.name = name.ours;
      return found;
    }
  return std::nullopt;
}

}  // namespace

std::optional<OurName> our_name(const Architecture& architecture, std::string_view theirs) {
  std::string_view rest = theirs;
  for (const std::string_view prefix : {"model.", "transformer."})
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  std::optional<std::int64_t> layer;
  for (const std::string_view prefix : {"layers.", "h."})
    if (!layer && rest.starts_with(prefix)) {
      rest.remove_prefix(prefix.size());
      layer = take_number(rest);
      if (!layer || !rest.starts_with('.')) fail("tensor '{}' is of no layer", theirs);
      rest.remove_prefix(1);
    }
  for (const std::string_view made : kMade)
    if (rest == made) return std::nullopt;
  const std::size_t dot = rest.rfind('.');
  const std::string_view kind = dot == rest.npos ? "" : rest.substr(dot), part = rest.substr(0, dot);
  std::optional<OurName> found;
  if (kind == ".weight" || kind == ".bias") {
    if (!layer) found = find_part(kOutside, part);
    else found = find_part(architecture.parts, part);
    if (layer && !found) found = find_part(kLayer, part);
  }
  if (!found) fail("tensor '{}' is nothing that a model of the architecture '{}' has", theirs, architecture.name);
  found->name = (layer ? "blk." + std::to_string(*layer) + "." : "") + found->name + std::string(kind);
  return found;
}

}  // namespace monza::checkpoint
