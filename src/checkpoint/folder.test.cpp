// What is said of model folders that lack something or have what is not supported.
#include "checkpoint/folder.h"

#include <gtest/gtest.h>

#include <functional>

#include "checkpoint/generation.h"
#include "support/error_text.h"
#include "support/model_folder.h"
#include "support/temporary.h"

namespace monza::checkpoint {
namespace {

using test::FamilyModel;

/// What is said of a model with a change.
std::string refusal(const std::string& name, const std::function<void(FamilyModel&)>& change) {
  FamilyModel model = test::family_model(name);
  change(model);
  const test::TemporaryFolder folder;
  test::write_model_folder(folder.path(), model);
  std::string said = test::error_of([&] { (void)open_folder(folder.path()); });
  const std::string before = "model folder '" + folder.path() + "': ";
  return said.starts_with(before) ? said.substr(before.size()) : said;
}
std::string refusal(const char* field, nlohmann::json value, const std::string& name = "llama") {
  return refusal(name, [&](FamilyModel& m) { m.config[field] = std::move(value); });
}
std::string without(const char* field) {
  return refusal("llama", [&](FamilyModel& m) { m.config.erase(field); });
}
std::string with_tensor(const char* tensor, const std::string& name = "llama") {
  return refusal(name, [&](FamilyModel& m) { m.tensors[tensor] = {2}; });
}
std::string with_rope(nlohmann::json rope, const std::string& name = "llama") {
  return refusal("rope_parameters", std::move(rope), name);
}

TEST(ModelFolder, SaysWhatItsConfigLacks) {
  EXPECT_EQ(refusal("llama", [](FamilyModel&) {}), "");
  EXPECT_EQ(without("architectures"), "'architectures' does not name one architecture");
  EXPECT_TRUE(refusal("architectures", {"MambaForCausalLM"})
                  .starts_with("models of the architecture 'MambaForCausalLM' are not supported\n  try: a model of one "
                               "of these: GPT2LMHeadModel, Gemma2ForCausalLM"));
  EXPECT_EQ(without("hidden_size"), "'hidden_size' is missing");
  EXPECT_EQ(refusal("hidden_size", "wide"), "'hidden_size' is of another type than it should be");
  EXPECT_EQ(refusal("hidden_size", 18446744073709551615u), "'hidden_size' is of another type than it should be");
  EXPECT_EQ(refusal("num_attention_heads", 0), "4 layers, 0 heads and a width of 32 make no model");
  EXPECT_EQ(refusal("head_dim", std::int64_t{1} << 40), "heads of 1099511627776 elements are not supported");
  EXPECT_EQ(refusal("hidden_act", "relu"), "the activation 'relu' is not supported here: 'silu' is");
  EXPECT_EQ(refusal("quantization_config", {{"quant_method", "bitsandbytes"}}),
            "its weights are quantised by 'bitsandbytes', which is not supported");
  EXPECT_EQ(refusal("layer_types", {"linear_attention"}, "mistral"),
            "'layer_types' holds 'linear_attention', which is not supported");
  EXPECT_EQ(refusal("layer_types", {"full_attention"}, "mistral"), "'layer_types' has 1 layers, and the model 4");
  EXPECT_EQ(refusal("layer_types", 3, "mistral"), "'layer_types' is no list");
  EXPECT_EQ(refusal("no_rope_layers", {1, 1, 0, 1}, "smollm3"),
            "'no_rope_layers' names others than every fourth layer");
}

TEST(ModelFolder, SaysHowPositionsCannotBeScaled) {
  EXPECT_EQ(with_rope({{"rope_type", "dynamic"}}),
            "scaling of positions by 'dynamic' is not supported; linear, llama3, yarn and longrope are");
  EXPECT_EQ(with_rope({{"rope_type", "linear"}}), "'factor' is missing");
  EXPECT_EQ(with_rope({{"partial_rotary_factor", 0.1}}), "0 elements of a head of 8 cannot turn in pairs");
  EXPECT_EQ(with_rope({{"rope_type", "yarn"}, {"factor", 2.0}, {"mscale", 1.0}}),
            "'mscale' of positions is not supported");
  EXPECT_EQ(with_rope({{"rope_type", "yarn"}, {"factor", 2.0}, {"truncate", false}}),
            "'truncate' of positions as false is not supported");
  EXPECT_EQ(with_rope({{"rope_type", "longrope"}, {"long_factor", {1.0}}, {"short_factor", {1.0}}}),
            "'long_factor' has 1 factors, and 4 pairs turn");
  EXPECT_EQ(with_rope({{"rope_type", "longrope"}, {"long_factor", {"a"}}}), "'long_factor' holds what is no number");
  EXPECT_EQ(with_rope({{"rope_type", "longrope"}, {"long_factor", 7}}), "'long_factor' is no list");
  EXPECT_EQ(with_rope({{"rope_type", "longrope"}, {"original_max_position_embeddings", 1}}),
            "contexts of 1 and 64 positions scale nothing");
  EXPECT_EQ(with_rope({{"sliding_attention", {{"rope_type", "linear"}}}}, "gemma3"),
            "positions of layers with a window are scaled, which is not supported");
}

TEST(ModelFolder, SaysWhichTensorsItDoesNotKnow) {
  EXPECT_EQ(with_tensor("model.rotary_emb.inv_freq"), "");
  EXPECT_EQ(with_tensor("transformer.h.0.attn.bias", "gpt2"), "");
  EXPECT_EQ(with_tensor("model.vision.weight"),
            "tensor 'model.vision.weight' is nothing that a model of the architecture 'LlamaForCausalLM' has");
  EXPECT_EQ(with_tensor("model.layers.0.mlp.gate_proj.scales"),
            "tensor 'model.layers.0.mlp.gate_proj.scales' is nothing that a model of the architecture "
            "'LlamaForCausalLM' has");
  EXPECT_EQ(with_tensor("model.layers.x.mlp"), "tensor 'model.layers.x.mlp' is of no layer");
  EXPECT_EQ(with_tensor("model.layers.-1.mlp"), "tensor 'model.layers.-1.mlp' is of no layer");
}

TEST(ModelFolder, PutsExpertsTogether) {
  const auto said = [](const nlohmann::json& experts) {
    return refusal("llama", [&](FamilyModel& m) {
      m.config["architectures"] = {"MixtralForCausalLM"};
      m.config["num_local_experts"] = m.config["num_experts_per_tok"] = 2;
      for (const auto& [expert, shape] : experts.items())
        m.tensors["model.layers.0.block_sparse_moe.experts." + expert + ".w1.weight"] = shape;
    });
  };
  EXPECT_EQ(said({{"0", {2, 3}}, {"1", {2, 3}}}), "");
  EXPECT_EQ(said({{"1", {2, 3}}}), "tensor 'blk.0.ffn_gate_exps.weight' of expert 0 is missing");
  EXPECT_EQ(said({{"0", {6}}}), "tensor 'blk.0.ffn_gate_exps.weight' of an expert has shape 6");
  EXPECT_EQ(said({{"0", {2, 3}}, {"1", {3, 2}}}),
            "tensor 'blk.0.ffn_gate_exps.weight' of expert 1 is f32 3x2, that of expert 0 f32 2x3");
}

TEST(ModelFolder, SaysWhichTokensEnd) {
  const test::TemporaryFolder folder;
  const auto ends = [&](const char* file, const std::string& content) {
    std::ofstream(folder / file) << content;
    return end_tokens(folder.path());
  };
  using Tokens = std::vector<std::int64_t>;
  EXPECT_EQ(end_tokens(folder.path()), Tokens());
  EXPECT_EQ(ends("config.json", R"({"eos_token_id":2})"), Tokens{2});
  EXPECT_EQ(ends("generation_config.json", "{}"), Tokens{2});
  EXPECT_EQ(ends("generation_config.json", R"({"eos_token_id":[5,6]})"), (Tokens{5, 6}));
  EXPECT_EQ(test::error_of([&] { (void)ends("generation_config.json", R"({"eos_token_id":["a"]})"); }),
            "'" + (folder / "generation_config.json") + "': 'eos_token_id' is no token, nor a list of at most 256");
}

/// What is said of a folder with these files beside its config.json.
std::string refusal_of_files(const std::map<std::string, std::string>& files) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "config.json") << test::family_model("llama").config.dump();
  for (const auto& [name, content] : files) std::ofstream(folder / name) << content;
  test::write_safetensors(folder / "a.safetensors", {{"model.norm.weight", {32}}});
  std::string said = test::error_of([&] { (void)open_folder(folder.path()); });
  for (std::size_t at; (at = said.find(folder.path())) != said.npos;) said.replace(at, folder.path().size(), "F");
  return said;
}

TEST(ModelFolder, TakesFilesOfTheFolderAlone) {
  const std::string index = "model.safetensors.index.json";
  const auto mapped = [&](const std::string& file) {
    return refusal_of_files({{index, R"({"weight_map":{"model.norm.weight":")" + file + "\"}}"}});
  };
  EXPECT_EQ(mapped("a.safetensors"), "");
  for (const char* name : {"../a.safetensors", "/etc/passwd", ".a.safetensors", "a.bin", "x/../a.safetensors", ""})
    EXPECT_EQ(mapped(name), "model folder 'F': its index names '" + std::string(name) +
                                "', which is no safetensors file of the folder");
  EXPECT_TRUE(mapped("b.safetensors").starts_with("model folder 'F': cannot open 'F/b.safetensors'"))
      << mapped("b.safetensors");
  EXPECT_EQ(refusal_of_files({{index, R"({"weight_map":{"lm_head.weight":"a.safetensors"}})"}}),
            "model folder 'F': tensor 'lm_head.weight' is not in 'a.safetensors', where the index says");
  EXPECT_EQ(refusal_of_files({{index, R"({"weight_map":{"lm_head.weight":7}})"}}),
            "model folder 'F': its index has no file for tensor 'lm_head.weight'");
  nlohmann::json many;
  for (int i = 0; i < 4097; ++i) many["weight_map"][std::to_string(i)] = std::to_string(i) + ".safetensors";
  EXPECT_EQ(refusal_of_files({{index, many.dump()}}),
            "model folder 'F': its index names 4097 files; the limit is 4096");
  EXPECT_EQ(refusal_of_files({{index, "{}"}}), "model folder 'F': its index has no 'weight_map'");
  EXPECT_EQ(refusal_of_files({{index, "["}}), "model folder 'F': 'F/model.safetensors.index.json' is no JSON object");
  EXPECT_EQ(refusal_of_files({}),
            "model folder 'F': it holds no model.safetensors and no index of such\n  try: safetensors files: other "
            "formats are not read");
}

}  // namespace
}  // namespace monza::checkpoint
