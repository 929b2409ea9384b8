#include "pipelines/openai_request.h"

#include "serve/json_out.h"

namespace monza::pipelines {

using serve::fail_with;

std::string OpenAiTask::error(int status, std::string_view text) const {
  std::string out = "{\"error\":{\"message\":";
  serve::append_json_string(out, text);
  out += ",\"type\":\"";
  out += status == 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
  return out + "\",\"param\":null,\"code\":null}}";
}

Json parse_request(const std::string& body, int most_depth) {
  const auto shallow = [most_depth](int depth, Json::parse_event_t, Json&) {
    if (depth > most_depth) fail_with(400, "the JSON is nested deeper than {} levels", most_depth);
    return true;
  };
  const Json request = Json::parse(body, shallow, false);
  if (!request.is_object()) fail_with(400, "the body is no JSON object");
  return request;
}

std::string text_field(const Json& request, const char* key, const char* otherwise) {
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) {
    if (otherwise == nullptr) fail_with(400, "'{}' is missing", key);
    return otherwise;
  }
  if (!found->is_string()) fail_with(400, "'{}' is no text", key);
  return found->get<std::string>();
}

std::int64_t count_field(const Json& request, const char* key, std::int64_t otherwise, std::int64_t most) {
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) return otherwise;
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() < 1 ||
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(most))
    fail_with(400, "'{}' is no number from 1 to {}", key, most);
  return found->get<std::int64_t>();
}

const TextModel& model_of(const Json& request, const TextModels& models) {
  if (models.empty()) fail_with(404, "no model of this server has a tokenizer beside it");
  const std::string name = text_field(request, "model", models.front()->name().c_str());
  for (const auto& model : models)
    if (model->name() == name) return *model;
  fail_with(404, "there is no model '{}' that takes texts", name);
}

}  // namespace monza::pipelines
