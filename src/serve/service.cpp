#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "serve/shared_memory_routes.h"
#include "serve/task.h"

namespace monza::serve {
namespace {

/// The next part of a path, with %XX undone.
std::string next_part(std::string_view& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  std::string part;
  for (std::size_t i = 0; i < end; ++i) {
    if (path[i] != '%') {
      part += path[i];
      continue;
    }
    const auto digit = [&](std::size_t at) {
      const char c = at < end ? path[at] : ' ';
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (digit(i + 1) < 0 || digit(i + 2) < 0) fail_with(400, "the path has a '%' that is followed by no two digits");
    part += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
    i += 2;
  }
  path.remove_prefix(std::min(end + 1, path.size()));
  return part;
}

[[noreturn]] void fail_unknown(std::string_view path) {
  fail_with(404, "there is nothing at '{}'", path.substr(0, 200));
}

void require_method(std::string_view method, std::string_view wanted) {
  if (method != wanted) fail_with(405, "this takes {} alone", wanted);
}

void require_version(std::string_view model, std::string_view version) {
  if (!version.empty() && version != "1")
    fail_with(404, "model '{}' has no version '{}': it has version 1", model, version);
}

}  // namespace

Route parse_route(std::string_view method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  std::string_view rest = path;
  if (!rest.starts_with('/')) fail_unknown(path);
  rest.remove_prefix(1);
  const auto leaf = [&](Route::What what, std::string_view wanted, std::string model = {}) {
    if (!rest.empty()) fail_unknown(path);
    require_method(method, wanted);
    return Route{what, std::move(model)};
  };
  const std::string root = next_part(rest);
  if (root == "metrics") return leaf(Route::What::metrics, "GET");
  if (root != "v2") fail_unknown(path);
  const std::string area = next_part(rest);
  if (area.empty()) return leaf(Route::What::server, "GET");
  if (area == "health") {
    const std::string which = next_part(rest);
    if (which == "live") return leaf(Route::What::live, "GET");
    if (which == "ready") return leaf(Route::What::ready, "GET");
    fail_unknown(path);
  }
  if (area == "repository") {
    if (next_part(rest) == "index") return leaf(Route::What::index, "POST");
    fail_with(501, "models cannot be loaded and unloaded while this server runs");
  }
  if (area == "systemsharedmemory") {
    std::string part = next_part(rest), region;
    if (part == "region") {
      region = next_part(rest);
      if (region.empty()) fail_unknown(path);
      part = next_part(rest);
    }
    const bool registers = part == "register" && !region.empty();
    if (!registers && part != "status" && part != "unregister") fail_unknown(path);
    Route route = leaf(registers          ? Route::What::shared_register
                       : part == "status" ? Route::What::shared_status
                                          : Route::What::shared_unregister,
                       part == "status" ? "GET" : "POST");
    route.region = std::move(region);
    return route;
  }
  for (const char* unsupported : {"cudasharedmemory", "logging", "trace"})
    if (area == unsupported) fail_with(501, "the extension '{}' is not supported", area);
  if (area != "models") fail_unknown(path);
  std::string model = next_part(rest);
  if (model == "stats" && rest.empty()) return leaf(Route::What::all_statistics, "GET");
  if (model.empty()) fail_unknown(path);
  std::string action = next_part(rest);
  if (action == "versions") {
    const std::string version = next_part(rest);
    if (version.empty()) fail_unknown(path);
    require_version(model, version);
    action = next_part(rest);
  }
  if (action.empty()) return leaf(Route::What::model, "GET", model);
  if (action == "ready") return leaf(Route::What::model_ready, "GET", model);
  if (action == "config") return leaf(Route::What::config, "GET", model);
  if (action == "stats") return leaf(Route::What::statistics, "GET", model);
  if (action == "infer") return leaf(Route::What::infer, "POST", model);
  if (action == "trace" || action == "generate" || action == "generate_stream")
    fail_with(501, "the extension '{}' is not supported", action);
  fail_unknown(path);
}

void Service::add(std::shared_ptr<const ServedModel> model, const ContextOptions& context) {
  const std::string name = model->name();
  if (name.empty()) fail("a model has no name");
  if (models_.contains(name)) fail_hint("rename one of the files", "two models are called '{}'", name);
  models_.emplace(name, &scheduler.add(std::move(model), context));
}

void Service::add_task(std::string path, std::shared_ptr<const Task> task) {
  tasks_.emplace(std::move(path), std::move(task));
}

Route Service::route(std::string_view method, std::string_view target) const {
  const auto found = tasks_.find(target.substr(0, target.find('?')));
  if (found == tasks_.end()) return parse_route(method, target);
  require_method(method, found->second->method());
  Route route;
  route.what = Route::What::task;
  route.task = found->second.get();
  return route;
}

ModelQueue& Service::model(std::string_view name, std::string_view version) {
  const auto found = models_.find(name);
  if (found == models_.end()) fail_with(404, "there is no model '{}'", name);
  require_version(name, version);
  return *found->second;
}

bool Service::has(std::string_view name, std::string_view version) const {
  return models_.contains(name) && (version.empty() || version == "1");
}

bool takes_body(Route::What what) {
  switch (what) {
    case Route::What::infer:
    case Route::What::index:
    case Route::What::shared_register:
    case Route::What::task:
    case Route::What::shared_unregister: return true;
    default: return false;
  }
}

Answer Service::answer(const Route& route, std::string_view body) {
  switch (route.what) {
    case Route::What::live: return {200, "", "text/plain"};
    case Route::What::ready:
      if (draining) fail_with(503, "the server is ending");
      return {200, "", "text/plain"};
    case Route::What::server:
      return {200, fmt::format("{{\"name\":\"monza\",\"version\":\"" MONZA_VERSION "\",\"extensions\":[\"{}\"]}}",
                               fmt::join(kExtensions, "\",\""))};
    case Route::What::model: return {200, model(route.model).model().metadata_json()};
    case Route::What::model_ready:
      (void)model(route.model);
      if (draining) fail_with(503, "the server is ending");
      return {200, "", "text/plain"};
    case Route::What::config: return {200, model(route.model).model().config_json()};
    case Route::What::statistics:
      return {200, "{\"model_stats\":[" + statistics_json(route.model, model(route.model).metrics()) + "]}"};
    case Route::What::all_statistics: {
      std::string text = "{\"model_stats\":[";
      for (const auto& [name, queue] : models_) {
        if (text.back() == '}') text += ',';
        text += statistics_json(name, queue->metrics());
      }
      return {200, text + "]}"};
    }
    case Route::What::index: {
      std::string text = "[";
      for (const auto& [name, queue] : models_) {
        if (text.size() > 1) text += ',';
        text += "{\"name\":";
        append_json_string(text, name);
        text += ",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"}";
      }
      return {200, text + "]"};
    }
    case Route::What::shared_status:
    case Route::What::shared_register:
    case Route::What::shared_unregister: return answer_shared_memory(shared_memory, route, body);
    case Route::What::metrics: {
      std::vector<NamedMetrics> all;
      for (const auto& [name, queue] : models_) all.push_back({name, &queue->metrics()});
      return {200, prometheus_text(metrics, all), "text/plain; version=0.0.4"};
    }
    case Route::What::task:
    case Route::What::infer: break;  // HttpSession's own
  }
  return {500, error_json("no answer")};
}

}  // namespace monza::serve
