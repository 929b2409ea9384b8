// The endpoints of OpenAI's API, and rerank as Jina and Cohere have it: texts in JSON, vectors and scores in JSON.
#pragma once

#include <memory>
#include <vector>

#include "pipelines/text_model.h"
#include "serve/task.h"

namespace monza::pipelines {

/// The text models of a server, by name; the first is taken where a request names none. Filled before requests come.
using TextModels = std::vector<std::shared_ptr<const TextModel>>;

/// GET /v1/models: all models of the server; `language_models`: names of those that are not the service's.
std::shared_ptr<const serve::Task> models_task(serve::Service& service, std::vector<std::string> language_models = {});
/// POST /v1/embeddings: input as a text, a list of texts, tokens, or a list of those; encoding_format float or base64;
/// dimensions: the first so many, of length 1 again where the model's are.
std::shared_ptr<const serve::Task> embeddings_task(std::shared_ptr<const TextModels> models);
/// POST /v1/rerank: query, documents, top_n, return_documents. A model that scores pairs does so; of other models the
/// score is the cosine of the vectors.
std::shared_ptr<const serve::Task> rerank_task(std::shared_ptr<const TextModels> models);

}  // namespace monza::pipelines
