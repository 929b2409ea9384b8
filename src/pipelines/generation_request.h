// What the chat and completions endpoints of OpenAI's API are asked for.
#pragma once

#include <string>
#include <vector>

#include "pipelines/language_model.h"
#include "pipelines/openai_request.h"

namespace monza::pipelines {

struct GenerationAsked {
  bool chat = false;
  bool stream = false, usage_in_stream = false;
  int likeliest = -1;                            ///< of logprobs; below 0: none are wanted
  std::vector<llm::GenerationRequest> requests;  ///< one for each prompt
};

/// The model that the request names. Throws RequestError: 404.
LanguageModel& language_model_of(const Json& request, const LanguageModels& models);
/// POST /v1/chat/completions: `body` is what `request` was parsed from. Throws RequestError, or Error of the template.
GenerationAsked parse_chat(const Json& request, const std::string& body, LanguageModel& model);
/// POST /v1/completions.
GenerationAsked parse_completion(const Json& request, const LanguageModel& model);

}  // namespace monza::pipelines
