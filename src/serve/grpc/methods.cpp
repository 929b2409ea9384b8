#include "serve/grpc/methods.h"

#include "inference.pb.h"
#include "serve/datatype.h"
#include "serve/request_error.h"
#include "serve/settings.h"

namespace monza::serve {
namespace {

/// Requests of these methods are names: longer ones are nobody's.
constexpr std::size_t kMostRequest = 1 << 20;

template <typename Message>
Message parse(std::string_view bytes) {
  Message message;
  if (bytes.size() > kMostRequest || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    fail_with(400, "the request is not what the method takes");
  return message;
}

Service::Model model_of(Service& service, std::string_view request) {
  const auto named = parse<rpc::ModelRequest>(request);
  return service.model(named.name(), named.version());
}

std::string server_live(Service&, std::string_view) {
  rpc::LiveResponse answer;
  answer.set_live(true);
  return answer.SerializeAsString();
}

std::string server_ready(Service& service, std::string_view) {
  rpc::ReadyResponse answer;
  answer.set_ready(!service.draining);
  return answer.SerializeAsString();
}

std::string model_ready(Service& service, std::string_view request) {
  const auto named = parse<rpc::ModelRequest>(request);
  rpc::ReadyResponse answer;
  answer.set_ready(!service.draining && service.has(named.name(), named.version()));
  return answer.SerializeAsString();
}

std::string server_metadata(Service&, std::string_view) {
  rpc::ServerMetadataResponse answer;
  answer.set_name("monza");
  answer.set_version(MONZA_VERSION);
  for (const std::string_view extension : kExtensions)
    if (extension != "binary_tensor_data") answer.add_extensions(std::string(extension));
  return answer.SerializeAsString();
}

std::string model_metadata(Service& service, std::string_view request) {
  const Service::Model kept = model_of(service, request);
  const ServedModel& model = kept->model();
  rpc::ModelMetadataResponse answer;
  answer.set_name(model.name());
  for (const std::int64_t version : service.versions(model.name())) answer.add_versions(std::to_string(version));
  answer.set_platform("monza");
  const auto add = [](const std::vector<Port>& ports, auto& list) {
    for (const Port& port : ports) {
      rpc::TensorMetadata& tensor = *list.Add();
      tensor.set_name(port.name);
      tensor.set_datatype(std::string(datatype_name(port.dtype)));
      for (const std::int64_t extent : declared_shape(port, false)) tensor.add_shape(extent);
    }
  };
  add(model.inputs(), *answer.mutable_inputs());
  add(model.outputs(), *answer.mutable_outputs());
  return answer.SerializeAsString();
}

std::string model_config(Service& service, std::string_view request) {
  const Service::Model kept = model_of(service, request);
  const ServedModel& model = kept->model();
  rpc::ModelConfigResponse answer;
  rpc::Config& config = *answer.mutable_config();
  config.set_name(model.name());
  config.set_platform("monza");
  config.set_backend("monza");
  config.set_max_batch_size(model.batches() ? static_cast<int>(model.max_rows()) : 0);
  if (model.batches()) config.mutable_dynamic_batching();
  const auto add = [&](const std::vector<Port>& ports, auto& list) {
    for (const Port& port : ports) {
      auto& tensor = *list.Add();
      tensor.set_name(port.name);
      rpc::ConfigType type = rpc::TYPE_INVALID;
      (void)rpc::ConfigType_Parse(std::string(config_type_name(port.dtype)), &type);
      tensor.set_data_type(type);
      for (const std::int64_t extent : declared_shape(port, model.batches())) tensor.add_dims(extent);
    }
  };
  add(model.inputs(), *config.mutable_input());
  add(model.outputs(), *config.mutable_output());
  return answer.SerializeAsString();
}

void set(rpc::Duration* to, std::int64_t count, std::int64_t ns) {
  to->set_count(static_cast<std::uint64_t>(count));
  to->set_ns(static_cast<std::uint64_t>(ns));
}

void add_statistics(const ServedModel& model, const ModelMetrics& metrics, rpc::ModelStatisticsResponse& answer) {
  rpc::ModelStatistics& stats = *answer.add_model_stats();
  const Statistics s = statistics_of(metrics);
  stats.set_name(model.name());
  stats.set_version(std::to_string(model.version()));
  stats.set_last_inference(static_cast<std::uint64_t>(s.last_unix_ms));
  stats.set_inference_count(static_cast<std::uint64_t>(s.rows));
  stats.set_execution_count(static_cast<std::uint64_t>(s.runs));
  rpc::InferStatistics& times = *stats.mutable_inference_stats();
  const auto phase = [&](rpc::Duration* to, Phase p) { set(to, metrics.phase(p).count(), metrics.phase(p).sum_ns()); };
  phase(times.mutable_success(), Phase::total);
  set(times.mutable_fail(), s.refused, s.refused_ns);
  phase(times.mutable_queue(), Phase::queue);
  phase(times.mutable_compute_input(), Phase::input);
  phase(times.mutable_compute_infer(), Phase::compute);
  phase(times.mutable_compute_output(), Phase::output);
  times.mutable_cache_hit();
  times.mutable_cache_miss();
  for (const Statistics::Batch& batch : s.batches) {
    rpc::BatchStatistics& one = *stats.add_batch_stats();
    one.set_batch_size(static_cast<std::uint64_t>(batch.rows));
    set(one.mutable_compute_input(), batch.runs, 0);
    set(one.mutable_compute_infer(), batch.runs, batch.compute_ns);
    set(one.mutable_compute_output(), batch.runs, 0);
  }
}

std::string model_statistics(Service& service, std::string_view request) {
  const auto named = parse<rpc::ModelRequest>(request);
  rpc::ModelStatisticsResponse answer;
  if (named.name().empty()) {
    for (const Service::Model& one : service.models()) add_statistics(one->model(), one->metrics(), answer);
  } else {
    const Service::Model one = service.model(named.name(), named.version());
    add_statistics(one->model(), one->metrics(), answer);
  }
  return answer.SerializeAsString();
}

std::string repository_index(Service& service, std::string_view) {
  rpc::IndexResponse answer;
  for (const ModelControl::IndexEntry& entry : service.index()) {
    rpc::IndexResponse::Model& model = *answer.add_models();
    model.set_name(entry.name);
    model.set_version(entry.version);
    model.set_state(entry.state);
    model.set_reason(entry.reason);
  }
  return answer.SerializeAsString();
}

/// What Kubernetes' probes ask: the service as a whole, and a name that is none of a server's is a model's.
std::string health(Service& service, std::string_view request) {
  const auto asked = parse<rpc::HealthRequest>(request);
  if (!asked.service().empty() && asked.service() != "inference.GRPCInferenceService")
    (void)service.model(asked.service());
  rpc::HealthResponse answer;
  answer.set_status(service.draining ? rpc::HealthResponse::NOT_SERVING : rpc::HealthResponse::SERVING);
  return answer.SerializeAsString();
}

std::string shared_status(Service& service, std::string_view request) {
  const std::string name = parse<rpc::ModelRequest>(request).name();
  if (!name.empty()) (void)service.shared_memory.find(name);
  rpc::SharedMemoryStatusResponse answer;
  for (const auto& [region, place] : service.shared_memory.regions()) {
    if (!name.empty() && region != name) continue;
    rpc::SharedMemoryRegisterRequest& one = (*answer.mutable_regions())[region];
    one.set_name(region);
    one.set_key(place.key);
    one.set_offset(place.offset);
    one.set_byte_size(place.bytes);
  }
  return answer.SerializeAsString();
}

std::string shared_register(Service& service, std::string_view request) {
  const auto region = parse<rpc::SharedMemoryRegisterRequest>(request);
  service.shared_memory.add(region.name(), {region.key(), region.offset(), region.byte_size()});
  return {};
}

std::string shared_unregister(Service& service, std::string_view request) {
  const std::string name = parse<rpc::ModelRequest>(request).name();
  if (name.empty()) service.shared_memory.remove_all();
  else service.shared_memory.remove(name);
  return {};
}

std::string trace_setting(Service& service, std::string_view request) {
  const auto said = parse<rpc::TraceSettingMessage>(request);
  if (!said.model_name().empty()) fail_with(501, "traces have no settings for each model");
  TraceSettings changes;
  for (const auto& [key, value] : said.settings()) changes[key].assign(value.value().begin(), value.value().end());
  if (!changes.empty()) change_trace(service.observer, changes);
  rpc::TraceSettingMessage answer;
  for (const auto& [key, values] : trace_settings(service.observer))
    (*answer.mutable_settings())[key].mutable_value()->Add(values.begin(), values.end());
  return answer.SerializeAsString();
}

std::string settings_of_log(Service&, std::string_view request) {
  LogSettings changes;
  const auto said = parse<rpc::LogSettingsMessage>(request);
  for (const auto& [key, value] : said.settings()) {
    if (value.has_bool_param()) changes[key] = value.bool_param();
    else if (value.has_uint32_param()) changes[key] = value.uint32_param();
    else changes[key] = value.string_param();
  }
  if (!changes.empty()) change_log(changes);
  rpc::LogSettingsMessage answer;
  for (const auto& [key, value] : log_settings()) {
    auto& to = (*answer.mutable_settings())[key];
    if (const bool* b = std::get_if<bool>(&value)) to.set_bool_param(*b);
    else if (const std::uint32_t* n = std::get_if<std::uint32_t>(&value)) to.set_uint32_param(*n);
    else to.set_string_param(std::get<std::string>(value));
  }
  return answer.SerializeAsString();
}

std::string no_extension(Service&, std::string_view) { fail_with(501, "this extension is not supported"); }

struct Method {
  std::string_view name;
  std::string (*answer)(Service&, std::string_view request);
};
constexpr Method kMethods[] = {{"ServerLive", server_live},
                               {"ServerReady", server_ready},
                               {"ModelReady", model_ready},
                               {"ServerMetadata", server_metadata},
                               {"ModelMetadata", model_metadata},
                               {"ModelConfig", model_config},
                               {"ModelStatistics", model_statistics},
                               {"RepositoryIndex", repository_index},
                               {"SystemSharedMemoryStatus", shared_status},
                               {"SystemSharedMemoryRegister", shared_register},
                               {"SystemSharedMemoryUnregister", shared_unregister},
                               {"CudaSharedMemoryStatus", no_extension},
                               {"CudaSharedMemoryRegister", no_extension},
                               {"CudaSharedMemoryUnregister", no_extension},
                               {"TraceSetting", trace_setting},
                               {"LogSettings", settings_of_log}};

}  // namespace

bool change_models_rpc(Service& service, std::string_view method, std::string_view request, ModelControl::Done done) {
  const bool load = method == "/inference.GRPCInferenceService/RepositoryModelLoad";
  if (!load && method != "/inference.GRPCInferenceService/RepositoryModelUnload") return false;
  const auto named = parse<rpc::ChangeRequest>(request);
  const Route route{load ? Route::What::load : Route::What::unload, named.model_name(), {}, {}};
  std::string parameters;  // in words that change_models() knows
  for (const auto& [key, value] : named.parameters()) parameters += "\"" + key + "\"";
  service.change_models(route, parameters, std::move(done));
  return true;
}

std::string answer_rpc(Service& service, std::string_view method, std::string_view request) {
  if (method == "/grpc.health.v1.Health/Check") return health(service, request);
  constexpr std::string_view kPrefix = "/inference.GRPCInferenceService/";
  if (method.starts_with(kPrefix))
    for (const Method& known : kMethods)
      if (known.name == method.substr(kPrefix.size())) return known.answer(service, request);
  fail_with(501, "there is no method '{}'", method.substr(0, 200));
}

Access::Need need_of_rpc(std::string_view method) {
  const std::string_view name = method.substr(method.rfind('/') + 1);
  for (const std::string_view probe : {"ServerLive", "ServerReady", "ModelReady", "Check"})
    if (name == probe) return Access::Need::none;
  // Settings are read and changed by one method.
  const bool changes = name == "TraceSetting" || name == "LogSettings" || name.starts_with("RepositoryModel") ||
                       name.starts_with("SystemSharedMemoryRegister") ||
                       name.starts_with("SystemSharedMemoryUnregister");
  return changes ? Access::Need::admin : Access::Need::user;
}

int rpc_code(int status) {
  switch (status) {
    case 200: return 0;
    case 499: return 1;  // cancelled
    case 504: return 4;  // deadline exceeded
    case 404: return 5;  // not found
    case 403: return 7;  // permission denied
    case 413:
    case 429: return 8;                     // resource exhausted
    case 409: return 9;                     // failed precondition
    case 501: return 12;                    // unimplemented
    case 503: return 14;                    // unavailable
    case 401: return 16;                    // unauthenticated
    default: return status < 500 ? 3 : 13;  // invalid argument, internal
  }
}

}  // namespace monza::serve
