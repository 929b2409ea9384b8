#include "checkpoint/architecture.h"

#include <cmath>

#include "checkpoint/settings.h"

namespace monza::checkpoint {
namespace {

constexpr PartName kFourNorms[] = {{"post_attention_layernorm", "post_attention_norm"},
                                   {"pre_feedforward_layernorm", "ffn_norm"},
                                   {"post_feedforward_layernorm", "post_ffw_norm"}};
constexpr PartName kFused[] = {{"self_attn.qkv_proj", "attn_qkv"}, {"mlp.gate_up_proj", "ffn_up"}};
constexpr PartName kMixtral[] = {{"block_sparse_moe.gate", "ffn_gate_inp"},
                                 {"block_sparse_moe.experts.*.w1", "ffn_gate_exps"},
                                 {"block_sparse_moe.experts.*.w2", "ffn_down_exps"},
                                 {"block_sparse_moe.experts.*.w3", "ffn_up_exps"}};
constexpr PartName kExperts[] = {{"mlp.gate", "ffn_gate_inp"},
                                 {"mlp.experts.*.gate_proj", "ffn_gate_exps"},
                                 {"mlp.experts.*.down_proj", "ffn_down_exps"},
                                 {"mlp.experts.*.up_proj", "ffn_up_exps"},
                                 {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
                                 {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
                                 {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
                                 {"mlp.shared_expert.up_proj", "ffn_up_shexp"}};
constexpr PartName kGpt2[] = {{"ln_1", "attn_norm"}, {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"},
                              {"ln_2", "ffn_norm"},  {"mlp.c_fc", "ffn_up"},      {"mlp.c_proj", "ffn_down"}};

void gemma(const Json& config, const Architecture& a, gguf::Draft& to) {
  to.set(a.key("attention.scale"), 1 / std::sqrt(value_or(config, "query_pre_attn_scalar", 256.0)));
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (const auto most = value<double>(config, cap)) to.set(a.key(cap), *most);
}

void granite(const Json& config, const Architecture& a, gguf::Draft& to) {
  to.set(a.key("embedding_scale"), value_or(config, "embedding_multiplier", 1.0));
  to.set(a.key("residual_scale"), value_or(config, "residual_multiplier", 1.0));
  to.set(a.key("logit_scale"), value_or(config, "logits_scaling", 1.0));
  to.set(a.key("attention.scale"), value_or(config, "attention_multiplier", 1.0));
}

/// Layers that turn nothing are every fourth one, in GGUF as in the models there are.
void smollm3(const Json& config, const Architecture&, gguf::Draft&) {
  constexpr std::size_t kInterval = 4;
  const std::vector<double> turns = numbers(config, "no_rope_layers");
  for (std::size_t i = 0; i < turns.size(); ++i)
    if ((turns[i] != 0) != ((i + 1) % kInterval != 0)) fail("'no_rope_layers' names others than every fourth layer");
}

void experts(const Json& config, const Architecture& a, gguf::Draft& to, bool normalised) {
  const auto count = value<std::int64_t>(config, "num_experts");
  to.set(a.key("expert_count"), count ? *count : need<std::int64_t>(config, "num_local_experts"));
  to.set(a.key("expert_used_count"), need<std::int64_t>(config, "num_experts_per_tok"));
  to.set(a.key("expert_weights_norm"), value_or(config, "norm_topk_prob", normalised));
}
void mixtral(const Json& config, const Architecture& a, gguf::Draft& to) { experts(config, a, to, true); }
void qwen_moe(const Json& config, const Architecture& a, gguf::Draft& to) { experts(config, a, to, false); }

constexpr Architecture kArchitectures[] = {
    {.name = "GPT2LMHeadModel", .family = "gpt2", .activation = "gelu_new", .parts = kGpt2, .transposed = true},
    {.name = "Gemma2ForCausalLM",
     .family = "gemma2",
     .activation = "gelu_pytorch_tanh",
     .parts = kFourNorms,
     .norm_offset = 1,
     .settings = gemma},
    {.name = "Gemma3ForCausalLM",
     .family = "gemma3",
     .activation = "gelu_pytorch_tanh",
     .parts = kFourNorms,
     .norm_offset = 1,
     .settings = gemma},
    {.name = "GraniteForCausalLM", .family = "granite", .settings = granite},
    {.name = "LlamaForCausalLM", .family = "llama"},
    {.name = "MistralForCausalLM", .family = "llama"},
    {.name = "MixtralForCausalLM", .family = "llama", .parts = kMixtral, .settings = mixtral},
    {.name = "Olmo2ForCausalLM", .family = "olmo2", .parts = kFourNorms},
    {.name = "Phi3ForCausalLM", .family = "phi3", .parts = kFused},
    {.name = "Qwen2ForCausalLM", .family = "qwen2"},
    {.name = "Qwen2MoeForCausalLM", .family = "qwen2moe", .parts = kExperts, .settings = qwen_moe},
    {.name = "Qwen3ForCausalLM", .family = "qwen3"},
    {.name = "Qwen3MoeForCausalLM", .family = "qwen3moe", .parts = kExperts, .settings = qwen_moe},
    {.name = "SmolLM3ForCausalLM", .family = "smollm3", .settings = smollm3},
};

}  // namespace

const Architecture& architecture_of(const Json& config) {
  const Json* list = field(config, "architectures");
  if (list == nullptr || !list->is_array() || list->size() != 1 || !list->front().is_string())
    fail("'architectures' does not name one architecture");
  const auto name = list->front().get<std::string>();
  std::string known;
  for (const Architecture& a : kArchitectures) {
    if (a.name == name) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  fail_hint("a model of one of these: " + known, "models of the architecture '{}' are not supported", name);
}

}  // namespace monza::checkpoint
