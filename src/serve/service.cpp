#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "serve/settings.h"
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

/// The number that a version is; -1 for a text that is none.
std::int64_t version_number(std::string_view text) {
  std::int64_t number = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : -1;
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
    const std::string part = next_part(rest);
    if (part == "index") return leaf(Route::What::index, "POST");
    std::string model = part == "models" ? next_part(rest) : "";
    const std::string change = next_part(rest);
    if (model.empty() || (change != "load" && change != "unload")) fail_unknown(path);
    return leaf(change == "load" ? Route::What::load : Route::What::unload, "POST", std::move(model));
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
  // Read with GET, changed with POST: whoever may read may not change.
  const auto setting = [&](Route::What read, Route::What change) {
    return method == "POST" ? leaf(change, "POST") : leaf(read, "GET");
  };
  if (area == "logging") return setting(Route::What::log_settings, Route::What::change_log_settings);
  if (area == "trace") {
    if (next_part(rest) != "setting") fail_unknown(path);
    return setting(Route::What::trace_setting, Route::What::change_trace_setting);
  }
  if (area == "cudasharedmemory") fail_with(501, "the extension '{}' is not supported", area);
  if (area != "models") fail_unknown(path);
  std::string model = next_part(rest);
  if (model == "stats" && rest.empty()) return leaf(Route::What::all_statistics, "GET");
  if (model.empty()) fail_unknown(path);
  std::string action = next_part(rest), version;
  if (action == "versions") {
    version = next_part(rest);
    if (version.empty()) fail_unknown(path);
    action = next_part(rest);
  }
  const auto of_model = [&](Route::What what, std::string_view wanted) {
    Route route = leaf(what, wanted, std::move(model));
    route.version = std::move(version);
    return route;
  };
  if (action.empty()) return of_model(Route::What::model, "GET");
  if (action == "ready") return of_model(Route::What::model_ready, "GET");
  if (action == "config") return of_model(Route::What::config, "GET");
  if (action == "stats") return of_model(Route::What::statistics, "GET");
  if (action == "infer") return of_model(Route::What::infer, "POST");
  if (action == "trace" || action == "generate" || action == "generate_stream")
    fail_with(501, "the extension '{}' is not supported", action);
  fail_unknown(path);
}

void Service::add(std::shared_ptr<const ServedModel> model, const ContextOptions& context) {
  const std::string& name = model->name();
  if (name.empty()) fail("a model has no name");
  if (has(name, "")) fail_hint("rename one of the files", "two models are called '{}'", name);
  publish(prepare(std::move(model), context));
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

void Service::publish(const Model& model) {
  Model old;
  {
    const std::lock_guard lock(mutex_);
    Model& place = models_[model->model().name()][model->model().version()];
    old = std::exchange(place, model);
  }
  if (old != nullptr) scheduler.retire(*old);
}

void Service::remove(std::string_view name, std::int64_t version) {
  Model old;
  {
    const std::lock_guard lock(mutex_);
    const auto named = models_.find(name);
    if (named == models_.end()) return;
    const auto found = named->second.find(version);
    if (found == named->second.end()) return;
    old = found->second;
    named->second.erase(found);
    if (named->second.empty()) models_.erase(named);
  }
  scheduler.retire(*old);
}

/// Under the mutex. Null: there is none.
Service::Model Service::find(std::string_view name, std::string_view version) const {
  const auto named = models_.find(name);
  if (named == models_.end()) return nullptr;
  if (version.empty()) return named->second.rbegin()->second;
  const auto found = named->second.find(version_number(version));
  return found == named->second.end() ? nullptr : found->second;
}

Service::Model Service::model(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  Model found = find(name, version);
  if (found != nullptr) return found;
  if (!models_.contains(name)) fail_with(404, "there is no model '{}'", name);
  fail_with(404, "model '{}' has no version '{}': its latest is {}", name, version,
            models_.find(name)->second.rbegin()->first);
}

bool Service::has(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  return find(name, version) != nullptr;
}

std::vector<Service::Model> Service::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<Model> all;
  for (const auto& [name, versions] : models_)
    for (const auto& [version, model] : versions) all.push_back(model);
  return all;
}

std::vector<std::int64_t> Service::versions(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> numbers;
  if (const auto named = models_.find(name); named != models_.end())
    for (const auto& [version, model] : named->second) numbers.push_back(version);
  return numbers;
}

std::vector<ModelControl::IndexEntry> Service::index() const {
  if (control != nullptr) return control->index();
  std::vector<ModelControl::IndexEntry> entries;
  for (const Model& model : models())
    entries.push_back({model->model().name(), std::to_string(model->model().version()), "READY", ""});
  return entries;
}

void Service::change_models(const Route& route, std::string_view body, ModelControl::Done done) {
  if (control == nullptr)
    fail_with(501, "models cannot be loaded and unloaded: the server was started without --model-repository");
  // A configuration or files in the request: Triton's way to serve what is not in the repository.
  if (body.find("\"config\"") != body.npos || body.find("\"file:") != body.npos)
    fail_with(501, "models are loaded as they are in the repository, not with parameters");
  if (route.what == Route::What::load) control->load(route.model, std::move(done));
  else control->unload(route.model, std::move(done));
}

Access::Need need_of(Route::What what) {
  switch (what) {
    case Route::What::live:
    case Route::What::ready:
    case Route::What::model_ready:
    case Route::What::metrics: return Access::Need::none;  // which have a port of their own
    case Route::What::load:
    case Route::What::unload:
    case Route::What::change_trace_setting:
    case Route::What::change_log_settings:
    case Route::What::shared_register:
    case Route::What::shared_unregister: return Access::Need::admin;
    default: return Access::Need::user;
  }
}

bool takes_body(Route::What what) {
  switch (what) {
    case Route::What::infer:
    case Route::What::index:
    case Route::What::load:
    case Route::What::unload:
    case Route::What::shared_register:
    case Route::What::task:
    case Route::What::change_trace_setting:
    case Route::What::change_log_settings:
    case Route::What::shared_unregister: return true;
    default: return false;
  }
}

namespace {

NamedMetrics metrics_of(const ModelQueue& queue) {
  return {queue.model().name(), queue.model().version(), &queue.metrics()};
}

std::string statistics_list(const std::vector<Service::Model>& models) {
  std::string text = "{\"model_stats\":[";
  for (const Service::Model& model : models) {
    if (text.back() == '}') text += ',';
    text += statistics_json(metrics_of(*model));
  }
  return text + "]}";
}

std::string index_list(const std::vector<ModelControl::IndexEntry>& entries) {
  std::string text = "[";
  for (const ModelControl::IndexEntry& entry : entries) {
    const std::pair<const char*, const std::string*> fields[] = {
        {"name", &entry.name}, {"version", &entry.version}, {"state", &entry.state}, {"reason", &entry.reason}};
    text += text.size() > 1 ? ",{" : "{";
    for (const auto& [key, value] : fields) {
      if (key != fields[0].first) text += ',';
      text += fmt::format("\"{}\":", key);
      append_json_string(text, *value);
    }
    text += '}';
  }
  return text + "]";
}

}  // namespace

Answer Service::answer(const Route& route, std::string_view body) {
  switch (route.what) {
    case Route::What::live: return {200, "", "text/plain"};
    case Route::What::ready:
      if (draining) fail_with(503, "the server is ending");
      return {200, "", "text/plain"};
    case Route::What::server:
      return {200, fmt::format("{{\"name\":\"monza\",\"version\":\"" MONZA_VERSION "\",\"extensions\":[\"{}\"]}}",
                               fmt::join(kExtensions, "\",\""))};
    case Route::What::model:
      return {200, model(route.model, route.version)->model().metadata_json(versions(route.model))};
    case Route::What::model_ready:
      (void)model(route.model, route.version);
      if (draining) fail_with(503, "the server is ending");
      return {200, "", "text/plain"};
    case Route::What::config: return {200, model(route.model, route.version)->model().config_json()};
    case Route::What::statistics: return {200, statistics_list({model(route.model, route.version)})};
    case Route::What::all_statistics: return {200, statistics_list(models())};
    case Route::What::index: return {200, index_list(index())};
    case Route::What::shared_status:
    case Route::What::shared_register:
    case Route::What::shared_unregister: return answer_shared_memory(shared_memory, route, body);
    case Route::What::trace_setting:
    case Route::What::change_trace_setting: return {200, answer_trace_setting(observer, body)};
    case Route::What::log_settings:
    case Route::What::change_log_settings: return {200, answer_log_settings(body)};
    case Route::What::metrics: {
      const std::vector<Model> kept = models();
      std::vector<NamedMetrics> all;
      for (const Model& one : kept) all.push_back(metrics_of(*one));
      return {200, prometheus_text(metrics, all) + (more_metrics ? more_metrics() : ""), "text/plain; version=0.0.4"};
    }
    case Route::What::task:
    case Route::What::load:
    case Route::What::unload:
    case Route::What::infer: break;  // HttpSession's own
  }
  return {500, error_json("no answer")};
}

}  // namespace monza::serve
