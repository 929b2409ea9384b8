// Inputs of a language model's engine that runs as other models do: `monza run`, `monza profile`.
#pragma once

#include "tools/args/inputs.h"

namespace monza::tool {

/// What the file of a language model declares, before it is built.
std::vector<ModelInput> language_model_inputs();
/// True for an engine that was built from a language model's file.
bool is_language_model(const Engine& engine);

/// Tokens are given, or random; positions and rows follow from their number where nothing gives them: one sequence from
/// its first position on, and the logits of the last. Throws as prepare() does.
Prepared prepare_language_model(ModelArgs::Opened opened, const ModelArgs& model, const InputArgs& args);

}  // namespace monza::tool
