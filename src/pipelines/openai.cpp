#include "pipelines/openai.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/base64.h"
#include "pipelines/openai_request.h"
#include "serve/json_out.h"

namespace monza::pipelines {
namespace {

using serve::append_json_string;
using serve::append_number;
using serve::fail_with;

class ModelsTask final : public OpenAiTask {
 public:
  ModelsTask(serve::Service& service, std::vector<std::string> others)
      : service_(service), others_(std::move(others)) {}
  const char* method() const override { return "GET"; }
  serve::Answer answer(const serve::TaskRequest&) const override {
    std::string out = "{\"object\":\"list\",\"data\":[";
    std::string last;
    const auto add = [&](const std::string& name) {
      if (out.back() == '}') out += ',';
      out += "{\"id\":";
      append_json_string(out, name);
      out += ",\"object\":\"model\",\"created\":0,\"owned_by\":\"monza\"}";
    };
    for (const std::string& name : others_) add(name);
    for (const auto& queue : service_.models())
      if (const std::string& name = queue->model().name(); std::exchange(last, name) != name)
        add(name);  // of versions one
    return {200, out + "]}"};
  }

 private:
  serve::Service& service_;
  const std::vector<std::string> others_;
};

std::vector<text::Token> tokens_of(const Json& list) {
  std::vector<text::Token> tokens;
  for (const Json& token : list) {
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() >= text::Vocabulary::kMaxTokens)
      fail_with(400, "'input' holds what is no text and no token");
    tokens.push_back(token.get<text::Token>());
  }
  return tokens;
}

/// A text, tokens, or a list of either.
std::vector<text::Encoding> inputs_of(const Json& request, const TextModel& model) {
  const auto input = request.find("input");
  if (input == request.end()) fail_with(400, "'input' is missing");
  if (input->is_string()) return {model.encode(input->get_ref<const std::string&>())};
  if (!input->is_array() || input->empty()) fail_with(400, "'input' is no text and no list of texts or tokens");
  if (input->front().is_number()) return {model.take(tokens_of(*input))};
  if (input->size() > kMaxInputs)
    fail_with(400, "'input' has {} texts, and {} are the most", input->size(), kMaxInputs);
  std::vector<text::Encoding> encodings;
  for (const Json& one : *input)
    encodings.push_back(one.is_string()  ? model.encode(one.get_ref<const std::string&>())
                        : one.is_array() ? model.take(tokens_of(one))
                                         : model.take(tokens_of(Json::array({one}))));
  return encodings;
}

std::size_t count_tokens(const std::vector<text::Encoding>& encodings) {
  std::size_t tokens = 0;
  for (const text::Encoding& e : encodings) tokens += e.tokens.size();
  return tokens;
}

void append_usage(std::string& out, std::size_t tokens) {
  fmt::format_to(std::back_inserter(out), ",\"usage\":{{\"prompt_tokens\":{0},\"total_tokens\":{0}}}}}", tokens);
}

/// The first elements of a vector, which then has the length 1.
void shorten(std::vector<float>& vector, std::size_t size) {
  if (size == vector.size()) return;
  vector.resize(size);
  const double squares = std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0);
  const double scale = 1 / std::max(std::sqrt(squares), 1e-12);
  for (float& x : vector) x = static_cast<float>(static_cast<double>(x) * scale);
}

class EmbeddingsTask final : public OpenAiTask {
 public:
  explicit EmbeddingsTask(std::shared_ptr<const TextModels> models) : models_(std::move(models)) {}
  serve::Answer answer(const serve::TaskRequest& body) const override {
    const Json request = parse_request(body.body);
    const TextModel& model = model_of(request, *models_);
    if (model.scores_pairs()) fail_with(400, "model '{}' scores pairs of texts, and has no vectors", model.name());
    const std::string format = text_field(request, "encoding_format", "float");
    if (format != "float" && format != "base64")
      fail_with(400, "'encoding_format' is '{}', not float or base64", format);
    const auto all = static_cast<std::int64_t>(model.size());
    const auto size = static_cast<std::size_t>(count_field(request, "dimensions", all, all));
    const std::vector<text::Encoding> encodings = inputs_of(request, model);
    std::vector<std::vector<float>> vectors = model.run(encodings);
    std::string out = "{\"object\":\"list\",\"data\":[";
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      shorten(vectors[i], size);
      fmt::format_to(std::back_inserter(out),
                     "{}{{\"object\":\"embedding\",\"index\":{},\"embedding\":", i > 0 ? "," : "", i);
      append_vector(out, vectors[i], format == "base64");
      out += '}';
    }
    out += "],\"model\":";
    append_json_string(out, model.name());
    append_usage(out, count_tokens(encodings));
    return {200, std::move(out)};
  }

 private:
  static void append_vector(std::string& out, const std::vector<float>& vector, bool as_base64) {
    if (as_base64) {
      out += '"' + base64({reinterpret_cast<const std::uint8_t*>(vector.data()), vector.size() * sizeof(float)}) + '"';
      return;
    }
    for (const float x : vector)
      if (!std::isfinite(x)) fail_with(500, "the model's output is not finite");
    fmt::format_to(std::back_inserter(out), "[{}]", fmt::join(vector, ","));
  }
  const std::shared_ptr<const TextModels> models_;
};

class RerankTask final : public OpenAiTask {
 public:
  explicit RerankTask(std::shared_ptr<const TextModels> models) : models_(std::move(models)) {}
  serve::Answer answer(const serve::TaskRequest& body) const override {
    const Json request = parse_request(body.body);
    const TextModel& model = model_of(request, *models_);
    const std::string query = text_field(request, "query", nullptr);
    const std::vector<std::string> documents = documents_of(request);
    const auto count = static_cast<std::int64_t>(documents.size());
    const auto top = static_cast<std::size_t>(count_field(request, "top_n", count, INT64_C(1) << 32));
    const auto with_documents = request.find("return_documents");
    const bool show = with_documents != request.end() && with_documents->is_boolean() && with_documents->get<bool>();
    std::size_t tokens = 0;
    const std::vector<double> scores =
        model.scores_pairs() ? pair_scores(model, query, documents, tokens) : cosines(model, query, documents, tokens);
    std::vector<std::size_t> order(documents.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    order.resize(std::min(order.size(), top));
    std::string out = "{\"model\":";
    append_json_string(out, model.name());
    out += ",\"results\":[";
    for (const std::size_t i : order) {
      if (i != order.front()) out += ',';
      fmt::format_to(std::back_inserter(out), "{{\"index\":{},\"relevance_score\":{}", i, scores[i]);
      if (show) {
        out += ",\"document\":{\"text\":";
        append_json_string(out, documents[i]);
        out += '}';
      }
      out += '}';
    }
    out += ']';
    append_usage(out, tokens);
    return {200, std::move(out)};
  }

 private:
  /// Texts, or objects with a text.
  static std::vector<std::string> documents_of(const Json& request) {
    const auto list = request.find("documents");
    if (list == request.end() || !list->is_array() || list->empty()) fail_with(400, "'documents' is no list of texts");
    if (list->size() > kMaxInputs)
      fail_with(400, "'documents' has {} texts, and {} are the most", list->size(), kMaxInputs);
    std::vector<std::string> documents;
    for (const Json& document : *list) {
      const Json* text = document.is_object() && document.contains("text") ? &document["text"] : &document;
      if (!text->is_string()) fail_with(400, "'documents' is no list of texts");
      documents.push_back(text->get<std::string>());
    }
    return documents;
  }

  static std::vector<double> pair_scores(const TextModel& model, const std::string& query,
                                         const std::vector<std::string>& documents, std::size_t& tokens) {
    std::vector<text::Encoding> pairs;
    for (const std::string& document : documents) pairs.push_back(model.encode_pair(query, document));
    tokens = count_tokens(pairs);
    std::vector<double> scores;
    for (const std::vector<float>& logit : model.run(pairs))
      scores.push_back(1 / (1 + std::exp(-static_cast<double>(logit[0]))));
    return scores;
  }

  static std::vector<double> cosines(const TextModel& model, const std::string& query,
                                     const std::vector<std::string>& documents, std::size_t& tokens) {
    std::vector<text::Encoding> texts = {model.encode(query)};
    for (const std::string& document : documents) texts.push_back(model.encode(document));
    tokens = count_tokens(texts);
    const auto vectors = model.run(texts);
    const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
      return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    };
    std::vector<double> scores;
    for (std::size_t i = 1; i < vectors.size(); ++i) {
      const double length = std::sqrt(dot(vectors[0], vectors[0]) * dot(vectors[i], vectors[i]));
      scores.push_back(dot(vectors[0], vectors[i]) / std::max(length, 1e-12));
    }
    return scores;
  }
  const std::shared_ptr<const TextModels> models_;
};

}  // namespace

std::shared_ptr<const serve::Task> models_task(serve::Service& service, std::vector<std::string> language_models) {
  return std::make_shared<ModelsTask>(service, std::move(language_models));
}
std::shared_ptr<const serve::Task> embeddings_task(std::shared_ptr<const TextModels> models) {
  return std::make_shared<EmbeddingsTask>(std::move(models));
}
std::shared_ptr<const serve::Task> rerank_task(std::shared_ptr<const TextModels> models) {
  return std::make_shared<RerankTask>(std::move(models));
}

}  // namespace monza::pipelines
