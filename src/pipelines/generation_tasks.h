// POST /v1/chat/completions and /v1/completions, as OpenAI's API has them.
#pragma once

#include <memory>

#include "pipelines/language_model.h"
#include "serve/task.h"

namespace monza::pipelines {

/// Answers are streams: no thread waits for one. A client that leaves ends its generations.
std::shared_ptr<const serve::Task> chat_task(std::shared_ptr<const LanguageModels> models);
std::shared_ptr<const serve::Task> completions_task(std::shared_ptr<const LanguageModels> models);

}  // namespace monza::pipelines
