// Reading the JSON of OpenAI's endpoints.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "pipelines/openai.h"
#include "serve/request_error.h"

namespace monza::pipelines {

using Json = nlohmann::json;

/// Most texts, or lists of tokens, of a request.
constexpr std::size_t kMaxInputs = 2048;
/// Bytes of a request.
constexpr std::uint64_t kMaxRequest = std::uint64_t{16} << 20;

/// What these endpoints have in common: how they refuse, and how much they take.
class OpenAiTask : public serve::Task {
 public:
  std::uint64_t max_body() const override { return kMaxRequest; }
  std::string error(int status, std::string_view text) const override;
};

/// An object, or RequestError 400. Lists of lists of numbers are the deepest that most endpoints ask for.
Json parse_request(const std::string& body, int most_depth = 8);
std::string text_field(const Json& request, const char* key, const char* otherwise);
std::int64_t count_field(const Json& request, const char* key, std::int64_t otherwise, std::int64_t most);
/// The model that the request names. Throws RequestError: 404.
const TextModel& model_of(const Json& request, const TextModels& models);

}  // namespace monza::pipelines
