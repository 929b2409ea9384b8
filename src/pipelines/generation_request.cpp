#include "pipelines/generation_request.h"

#include <algorithm>
#include <random>

#include "grammar/json_schema.h"
#include "jinja/json.h"

namespace monza::pipelines {
namespace {

using serve::fail_with;

constexpr std::size_t kMaxStops = 16, kMaxPrompts = 128;
constexpr int kMaxChoices = 128, kMaxLikeliest = 20;

/// Null where it is missing or null.
const Json* given(const Json& request, const char* key) {
  const auto found = request.find(key);
  return found == request.end() || found->is_null() ? nullptr : &*found;
}
double number_field(const Json& request, const char* key, double otherwise, double least, double most) {
  const Json* found = given(request, key);
  if (found == nullptr) return otherwise;
  if (!found->is_number()) fail_with(400, "'{}' is no number", key);
  const double value = found->get<double>();
  if (!(value >= least && value <= most)) fail_with(400, "'{}' is {}, not {} to {}", key, value, least, most);
  return value;
}
bool flag_field(const Json& request, const char* key) {
  const Json* found = given(request, key);
  if (found != nullptr && !found->is_boolean()) fail_with(400, "'{}' is neither true nor false", key);
  return found != nullptr && found->get<bool>();
}
/// What would change the answer and is not there is refused.
void refuse_others(const Json& request, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const Json* found = given(request, key); found != nullptr && *found != false && *found != "")
      fail_with(400, "'{}' is not supported", key);
}

std::vector<std::string> stops_of(const Json& request) {
  const Json* found = given(request, "stop");
  std::vector<std::string> stops;
  if (found == nullptr) return stops;
  const Json list = found->is_string() ? Json::array({*found}) : *found;
  if (!list.is_array() || list.size() > kMaxStops)
    fail_with(400, "'stop' is no text and no list of at most {} texts", kMaxStops);
  for (const Json& stop : list) {
    if (!stop.is_string()) fail_with(400, "'stop' holds what is no text");
    stops.push_back(stop.get<std::string>());
  }
  return stops;
}

std::map<llm::Token, double> bias_of(const Json& request, const LanguageModel& model) {
  std::map<llm::Token, double> bias;
  const Json* found = given(request, "logit_bias");
  if (found == nullptr) return bias;
  if (!found->is_object() || found->size() > 1024) fail_with(400, "'logit_bias' is no object of at most 1024 tokens");
  for (const auto& [key, value] : found->items()) {
    const bool digits = !key.empty() && key.size() < 9 && key.find_first_not_of("0123456789") == key.npos;
    const llm::Token token = digits ? std::stoi(key) : -1;
    if (token < 0 || token >= model.tokenizer().size())
      fail_with(400, "'logit_bias' names '{}', which is no token", key);
    if (!value.is_number() || std::abs(value.get<double>()) > 100)
      fail_with(400, "'logit_bias' of token {} is no number from -100 to 100", token);
    bias[token] = value.get<double>();
  }
  return bias;
}

/// What both endpoints have.
llm::GenerationRequest common(const Json& request, const LanguageModel& model, std::int64_t max_tokens) {
  llm::GenerationRequest made;
  llm::GenerateOptions& o = made.options;
  o.max_tokens = static_cast<int>(std::min(max_tokens, model.positions()));
  o.stop = stops_of(request);
  o.sampling.temperature = number_field(request, "temperature", 1, 0, 2);
  o.sampling.top_p = number_field(request, "top_p", 1, 1e-6, 1);
  o.sampling.min_p = number_field(request, "min_p", 0, 0, 1);
  o.sampling.top_k = static_cast<int>(number_field(request, "top_k", 0, 0, 1 << 24));
  o.sampling.presence_penalty = number_field(request, "presence_penalty", 0, -2, 2);
  o.sampling.frequency_penalty = number_field(request, "frequency_penalty", 0, -2, 2);
  o.sampling.repetition_penalty = number_field(request, "repetition_penalty", 1, 0.01, 100);
  o.sampling.bias = bias_of(request, model);
  o.sampling.seed = given(request, "seed") == nullptr
                        ? std::random_device()()
                        : static_cast<std::uint64_t>(number_field(request, "seed", 0, -0x1p53, 0x1p53));
  made.choices = static_cast<int>(count_field(request, "n", 1, kMaxChoices));
  return made;
}

void take_stream(const Json& request, GenerationAsked& asked) {
  asked.stream = flag_field(request, "stream");
  const Json* options = given(request, "stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) fail_with(400, "'stream_options' is no object");
  asked.usage_in_stream = flag_field(*options, "include_usage");
}

/// A message's text in parts as one, and its tools' arguments as objects: what templates are written for.
jinja::Value plain_message(const jinja::Value& given) {
  if (given.dict() == nullptr) fail_with(400, "'messages' holds what is no object");
  jinja::Dict message;
  for (const auto& [key, value] : given.dict()->items) {
    jinja::Value plain = value;
    if (key.text() != nullptr && *key.text() == "content" && value.list() != nullptr) {
      std::string text;
      for (const jinja::Value& part : value.list()->items) {
        const jinja::Value* words = part.dict() == nullptr ? nullptr : part.dict()->find("text");
        if (words == nullptr || words->text() == nullptr)
          fail_with(400, "a message's content has a part that is no text, which is not supported");
        text += *words->text();
      }
      plain = text;
    }
    if (value.is<jinja::None>() && key.text() != nullptr && *key.text() == "content") plain = "";
    message.set(key, std::move(plain));
  }
  const jinja::Value* role = message.find("role");
  if (role == nullptr || role->text() == nullptr) fail_with(400, "a message has no 'role'");
  if (message.find("content") == nullptr) message.set("content", "");
  return jinja::make_dict(std::move(message));
}

/// What the template is given: the keys' order is the client's.
jinja::Dict chat_variables(const std::string& body) {
  const jinja::Value request = jinja::read_json(body);
  jinja::Dict variables;
  const auto field = [&](const char* key) { return request.dict()->find(key); };
  const jinja::Value* messages = field("messages");
  if (messages == nullptr || messages->list() == nullptr || messages->list()->items.empty())
    fail_with(400, "'messages' is no list of messages");
  std::vector<jinja::Value> plain;
  for (const jinja::Value& message : messages->list()->items) plain.push_back(plain_message(message));
  const jinja::Value *tools = field("tools"), *choice = field("tool_choice"), *more = field("chat_template_kwargs");
  const bool none = choice != nullptr && choice->text() != nullptr && *choice->text() == "none";
  if (tools != nullptr && tools->list() != nullptr && !tools->list()->items.empty() && !none)
    variables.set("tools", *tools);
  variables.set("add_generation_prompt", true);
  if (more != nullptr && more->dict() != nullptr)
    for (const auto& [key, value] : more->dict()->items) variables.set(key, value);
  variables.set("messages", jinja::make_list(std::move(plain)));
  return variables;
}

std::vector<llm::Token> tokens_in(const Json& list) {
  std::vector<llm::Token> tokens;
  for (const Json& token : list) {
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() > INT32_MAX)
      fail_with(400, "'prompt' holds what is no text and no token");
    tokens.push_back(token.get<llm::Token>());
  }
  return tokens;
}

/// The schema that `response_format` asks for, as text; "" where any text will do.
std::string schema_of(const Json& format) {
  const Json* type = format.is_object() ? given(format, "type") : nullptr;
  if (type == nullptr || !type->is_string()) fail_with(400, "'response_format' has no 'type'");
  if (*type == "text") return "";
  if (*type == "json_object") return R"({"type":"object"})";
  if (*type != "json_schema")
    fail_with(400, "'response_format' has the type '{}': text, json_object and json_schema are supported",
              type->get<std::string>());
  const Json* named = given(format, "json_schema");
  const Json* schema = named != nullptr && named->is_object() ? given(*named, "schema") : nullptr;
  if (schema == nullptr) fail_with(400, "'response_format' of json_schema has no 'schema' in its 'json_schema'");
  return schema->dump();
}
void hold_to_format(const Json& request, LanguageModel& model, llm::GenerateOptions& options) {
  const Json* format = given(request, "response_format");
  const std::string schema = format == nullptr ? std::string() : schema_of(*format);
  if (schema.empty()) return;
  try {
    options.mask = model.grammar_vocabulary().masks(grammar::compile_schema(schema));
  } catch (const Error& e) {
    fail_with(400, "'response_format': {}", e.fact());
  }
}

/// A text, tokens, or a list of either.
std::vector<std::vector<llm::Token>> prompts_of(const Json& request, const LanguageModel& model) {
  const Json* prompt = given(request, "prompt");
  if (prompt == nullptr) fail_with(400, "'prompt' is missing");
  const auto encoded = [&](const Json& text) {
    return model.tokenizer().encode(text.get_ref<const std::string&>()).tokens;
  };
  if (prompt->is_string()) return {encoded(*prompt)};
  if (!prompt->is_array() || prompt->empty()) fail_with(400, "'prompt' is no text and no list of texts or tokens");
  if (prompt->front().is_number()) return {tokens_in(*prompt)};
  if (prompt->size() > kMaxPrompts)
    fail_with(400, "'prompt' has {} texts, and {} are the most", prompt->size(), kMaxPrompts);
  std::vector<std::vector<llm::Token>> all;
  for (const Json& one : *prompt) all.push_back(one.is_string() ? encoded(one) : tokens_in(one));
  return all;
}

}  // namespace

LanguageModel& language_model_of(const Json& request, const LanguageModels& models) {
  const std::string name = text_field(request, "model", models.front()->name().c_str());
  for (const auto& model : models)
    if (model->name() == name) return *model;
  fail_with(404, "there is no language model '{}'", name);
}

GenerationAsked parse_chat(const Json& request, const std::string& body, LanguageModel& model) {
  if (model.chat() == nullptr) fail_with(400, "model '{}' has no chat template that is supported", model.name());
  refuse_others(request, {"functions", "function_call", "audio", "logits_processors"});
  GenerationAsked asked;
  asked.chat = true;
  take_stream(request, asked);
  if (flag_field(request, "logprobs"))
    asked.likeliest = static_cast<int>(number_field(request, "top_logprobs", 0, 0, kMaxLikeliest));
  const std::int64_t most = count_field(request, "max_tokens", model.positions(), INT32_MAX);
  llm::GenerationRequest made = common(request, model, count_field(request, "max_completion_tokens", most, INT32_MAX));
  made.prompt = model.tokenizer().encode(model.chat()->render(chat_variables(body)), false).tokens;
  made.likeliest = asked.likeliest;
  hold_to_format(request, model, made.options);
  asked.requests.push_back(std::move(made));
  return asked;
}

GenerationAsked parse_completion(const Json& request, const LanguageModel& model) {
  refuse_others(request, {"echo", "suffix"});
  if (const Json* best = given(request, "best_of"); best != nullptr && *best != request.value("n", Json(1)))
    fail_with(400, "'best_of' other than 'n' is not supported");
  GenerationAsked asked;
  take_stream(request, asked);
  if (given(request, "logprobs") != nullptr)
    asked.likeliest = static_cast<int>(number_field(request, "logprobs", 0, 0, kMaxLikeliest));
  llm::GenerationRequest made = common(request, model, count_field(request, "max_tokens", 16, INT32_MAX));
  made.likeliest = asked.likeliest;
  for (std::vector<llm::Token>& prompt : prompts_of(request, model)) {
    made.prompt = std::move(prompt);
    asked.requests.push_back(made);
  }
  return asked;
}

}  // namespace monza::pipelines
