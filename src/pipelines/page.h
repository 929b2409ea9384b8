// The page at a server's root, for people: each model, a form that tries it, its latencies and its queue.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "serve/task.h"

namespace monza::pipelines {

/// Of each model: what it does beside inference: "detect", "classify", "embeddings", "rerank".
using ModelTasks = std::map<std::string, std::vector<std::string>, std::less<>>;

/// GET /: one HTML file (page.html) that asks nothing of any other server.
std::shared_ptr<const serve::Task> page_task();
/// GET /status: what the page shows, as JSON.
std::shared_ptr<const serve::Task> status_task(serve::Service& service, ModelTasks tasks);

}  // namespace monza::pipelines
