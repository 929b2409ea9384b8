// `monza serve`: models over HTTP and gRPC, as KServe v2 has it.
#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#ifdef MONZA_WITH_GRPC
#include "serve/grpc/grpc_server.h"
#endif
#include "serve/http_server.h"
#include "serve/repository.h"
#include "serve/served_model.h"
#include "serve/service.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/args/shape_text.h"
#include "tools/args/usage_error.h"
#include "tools/serve/pipelines.h"
#include "tools/serve/served_engine.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

#ifdef MONZA_WITH_GRPC
constexpr int kGrpcPort = 8001;
#else
constexpr int kGrpcPort = -1;
#endif

struct ServeArgs {
  std::vector<std::string> models, load_models;
  std::string repository, control_mode = "none";
  double poll_secs = 15;
  ModelArgs model;
  PipelineArgs pipelines;
  serve::HttpServerOptions http;
  int grpc_port = kGrpcPort;  ///< -1: none
  serve::SchedulerOptions scheduler;
  serve::ServiceLimits limits;
  std::int64_t max_batch = 0;
  double max_queue_delay_us = 0, drain_grace = 0.5, drain_time = 30;
  std::string max_body;
  std::vector<std::string> shared_memory;
  std::string token_file, admin_token_file, access_log, trace_file;
  std::int64_t trace_rate = serve::Observer::Tracing::kRate;
  bool json = false;
};

Json models_json(const serve::Service& service) {
  Json list = Json::array();
  for (const auto& model : service.models())
    list.push_back({{"name", model->model().name()},
                    {"version", std::to_string(model->model().version())},
                    {"max_batch", model->model().max_rows()}});
  return list;
}

/// The models that are named as files.
void add_files(const ServeArgs& args, const ContextOptions& context, serve::Service& service, Pipelines& pipelines) {
  for (const std::string& file : args.models) {
    const std::string stem = std::filesystem::path(file).stem().string();
    if (pipelines.add_language_model(file, stem)) continue;
    ModelArgs one = args.model;
    one.model = file;
    const Engine engine = open_served(one, args.max_batch, static_cast<std::int64_t>(pipelines.most_tokens(file)));
    service.add(std::make_shared<serve::ServedModel>(stem, engine, serve::BatchRule{args.max_batch}), context);
    pipelines.add(file, stem);
  }
}

void check_models(const ServeArgs& args) {
  if (args.repository.empty() && (args.control_mode != "none" || !args.load_models.empty()))
    throw UsageError("--model-control-mode and --load-model are of a repository: --model-repository DIR");
  if (args.repository.empty() && args.models.empty())
    throw UsageError("nothing to serve: name a model, or a folder of models with --model-repository");
  if (args.http.tls.certificate.empty() != args.http.tls.key.empty())
    throw UsageError("--tls-cert and --tls-key belong together");
  if (!args.load_models.empty() && args.control_mode != "explicit")
    throw UsageError("--load-model is for --model-control-mode explicit");
}

/// Null: none is asked for.
std::unique_ptr<serve::Repository> open_repository(const ServeArgs& args, const ContextOptions& context,
                                                   serve::Service& service) {
  using Mode = serve::RepositoryOptions::Mode;
  if (args.repository.empty()) return nullptr;
  serve::RepositoryOptions options{
      .folder = args.repository,
      .mode = args.control_mode == "poll"       ? Mode::poll
              : args.control_mode == "explicit" ? Mode::on_request
                                                : Mode::fixed,
      .poll_time = std::chrono::milliseconds(static_cast<std::int64_t>(args.poll_secs * 1e3)),
      .at_start = args.load_models};
  const auto build = [base = args.model, said = args.max_batch](const std::filesystem::path& file, std::int64_t rows) {
    ModelArgs one = base;
    one.model = file.string();
    return open_beside(one, rows == -1 ? said : std::max<std::int64_t>(1, rows));
  };
  auto repository = std::make_unique<serve::Repository>(service, context, std::move(options), build);
  service.control = repository.get();
  repository->start();
  return repository;
}

void print_models(const ServeArgs& args, const serve::HttpServer& server, const serve::Service& service,
                  const Pipelines& pipelines) {
  const bool v6 = args.http.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + args.http.host + "]" : args.http.host;
  const char* scheme = args.http.tls.given() ? "https" : "http";
  for (const auto& queue : service.models()) {
    const serve::ServedModel& model = queue->model();
    print("{}://{}:{}/v2/models/{}  {}\n", scheme, host, server.http_port(), model.name(),
          model.batches() ? fmt::format("batches of up to {}", model.max_rows())
                          : "one request a run: " + model.why_not_batched());
  }
  for (const std::string& endpoint : pipelines.endpoints())
    print("{}://{}:{}{}\n", scheme, host, server.http_port(), endpoint);
  for (const auto& entry : service.index())
    if (entry.state == "UNAVAILABLE") print("{} is not served: {}\n", entry.name, entry.reason);
  if (args.grpc_port >= 0) print("grpc://{}:{}\n", host, args.grpc_port);
  if (server.admin_port() >= 0) print("{}://{}:{}  for admins\n", scheme, args.http.admin_host, server.admin_port());
  if (server.metrics_port() >= 0) print("http://{}:{}/metrics\n", host, server.metrics_port());
}

/// The server of gRPC, where one is asked for; null: none.
std::unique_ptr<serve::OtherServer> start_grpc(serve::Service& service, ServeArgs& args) {
  if (args.grpc_port < 0) return nullptr;
#ifdef MONZA_WITH_GRPC
  auto server = std::make_unique<serve::GrpcServer>(
      service, serve::GrpcServerOptions{.host = args.http.host, .port = args.grpc_port, .tls = args.http.tls});
  args.grpc_port = server->port();
  return server;
#else
  (void)service;
  fail_hint("leave --grpc-port out, or build Monza where gRPC is (on Debian: apt-get install libgrpc++-dev)",
            "this build of Monza has no gRPC");
#endif
}

int run(ServeArgs& args) {
  check_models(args);
  if (!args.max_body.empty()) {
    const std::int64_t bytes = parse_bytes(args.max_body, "--max-body");
    args.limits.max_body = static_cast<std::uint64_t>(bytes);
  }
  const auto ms = [](double seconds) { return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3)); };
  args.scheduler.max_delay = std::chrono::microseconds(static_cast<std::int64_t>(args.max_queue_delay_us));
  args.http.drain_grace = ms(args.drain_grace);
  args.http.drain_time = ms(args.drain_time);

  serve::Service service(args.scheduler, args.limits, args.shared_memory);
  if (!args.token_file.empty()) service.access.user_tokens = serve::read_tokens(args.token_file);
  if (!args.admin_token_file.empty()) service.access.admin_tokens = serve::read_tokens(args.admin_token_file);
  if (!args.access_log.empty()) service.observer.access.open(args.access_log);
  if (!args.trace_file.empty()) {
    service.observer.traces.open(args.trace_file);
    service.observer.tracing.rate = args.trace_rate;
    service.observer.tracing.on = true;
  }
  serve::HttpServer server(service, args.http);  // before models are built: a port that is taken is soon told
  ContextOptions context = args.model.context_options();
  context.workers.emplace(WorkersOptions{.threads = args.model.threads, .pin = context.pin});
  args.pipelines.threads = args.model.threads;
  Pipelines pipelines(service, args.pipelines, context);
  add_files(args, context, service, pipelines);
  pipelines.finish();
  const std::unique_ptr<serve::Repository> repository = open_repository(args, context, service);
  const std::unique_ptr<serve::OtherServer> grpc = start_grpc(service, args);
  if (args.json) {
    print("{}\n", Lines{json_text({{"http_port", server.http_port()},
                                   {"grpc_port", args.grpc_port},
                                   {"metrics_port", server.metrics_port()},
                                   {"admin_port", server.admin_port()},
                                   {"models", models_json(service)}},
                                  -1)});
  } else {
    print_models(args, server, service, pipelines);
  }
  flush_output();
  const int cut = server.run(grpc.get()) + (grpc != nullptr ? grpc->finish() : 0);
  if (cut > 0)
    throw RunError(fmt::format("{} had not finished when the time to drain was over", count_text(cut, "connection")));
  return kExitOk;
}

}  // namespace

void add_serve(Commands& commands) {
  const auto args = std::make_shared<ServeArgs>();
  CommandOptions app = commands.add(
      "serve", "Serves models over HTTP and gRPC, in the protocol of KServe v2 and Triton's clients.",
      "  monza serve yolov8n.engine                         at http://127.0.0.1:8000/v2/models/yolov8n\n"
      "  monza serve resnet50.onnx minilm.engine --threads 8    several models share the threads\n"
      "  monza serve qwen2.5-0.5b-instruct.gguf             OpenAI's /v1/chat/completions and /v1/completions\n"
      "  monza serve bert.onnx --shape sequence=128 --max-batch 16\n"
      "  monza serve --model-repository models --model-control-mode poll    Triton's layout; reloads what changes\n"
      "  monza serve model.engine --host 0.0.0.0 --http-port 9000 --grpc-port 9001 --metrics-port -1\n"
      "  curl localhost:8000/v2/models/yolov8n              its inputs and outputs\n"
      "  curl localhost:8000/v2/models/m/infer -d '{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],"
      "\"data\":[1,2]}]}'\n"
      "  curl localhost:8002/metrics                        for Prometheus\n"
      "  monza load http://localhost:8000/v2/models/yolov8n --concurrency 4    how much it takes\n"
      "A model is served under its file's name without the ending. Requests that wait are run together when the engine "
      "is\nfree, where the first dimension of the model is open and called a batch (--max-batch N: whatever it is "
      "called). An\nONNX file is built first: `monza build` once makes the start quick. SIGTERM and Ctrl-C end it when "
      "all that was\naccepted is answered.",
      [args] { return run(*args); });
  app.add_option("MODEL", args->models, "ONNX files or engine files").type_name("FILE").file(FileRole::reads_model);
  const char* repository = "Model repository";
  app.add_option(
         "--model-repository", args->repository,
         "a folder of models: DIR/NAME/VERSION/model.onnx or model.engine, and DIR/NAME/config.pbtxt if there is need")
      .group(repository)
      .type_name("DIR");
  app.add_option(
         "--model-control-mode", args->control_mode,
         "none: all models of the repository; poll: and what changes in it; explicit: those of --load-model, and "
         "what clients load and unload")
      .capture_default_str()
      .one_of({"none", "poll", "explicit"})
      .group(repository);
  app.add_option("--repository-poll-secs", args->poll_secs, "seconds between two looks at the repository")
      .capture_default_str()
      .positive()
      .group(repository)
      .type_name("S");
  app.add_option("--load-model", args->load_models,
                 "a model of the repository that is loaded at the start; may be given again")
      .group(repository)
      .type_name("NAME");
  const char* network = "Network";
  app.add_option("--host", args->http.host, "the address to listen on; 0.0.0.0: all of this machine's")
      .capture_default_str()
      .group(network)
      .type_name("ADDRESS");
  app.add_option("--http-port", args->http.http_port, "0: any that is free")
      .capture_default_str()
      .range(0, 65535)
      .group(network)
      .type_name("PORT");
  app.add_option("--grpc-port", args->grpc_port, "0: any that is free; -1: none")
      .capture_default_str()
      .range(-1, 65535)
      .group(network)
      .type_name("PORT");
  app.add_option("--metrics-port", args->http.metrics_port, "of /metrics; -1: none")
      .capture_default_str()
      .range(-1, 65535)
      .group(network)
      .type_name("PORT");
  app.add_option("--admin-port", args->http.admin_port,
                 "of loading, unloading and registering shared memory, which no other port does then; -1: none")
      .capture_default_str()
      .range(-1, 65535)
      .group(network)
      .type_name("PORT");
  app.add_option("--admin-host", args->http.admin_host, "the address to listen on for admins")
      .capture_default_str()
      .group(network)
      .type_name("ADDRESS");
  app.add_option("--tls-cert", args->http.tls.certificate,
                 "serve over TLS with this certificate (PEM, with its chain); a renewed file is taken in ten seconds")
      .group(network)
      .type_name("FILE");
  app.add_option("--tls-key", args->http.tls.key, "its private key (PEM)").group(network).type_name("FILE");
  const char* batches = "Batches and queues";
  app.add_option("--max-batch", args->max_batch,
                 "rows of one run: 1 for no batches; default what the engine takes, 8 for an ONNX file")
      .range(1, 65536)
      .group(batches)
      .type_name("N");
  app.add_option("--max-queue", args->scheduler.max_queue,
                 "requests of a model that may wait; further ones are answered with 429")
      .capture_default_str()
      .range(1, 1'000'000)
      .group(batches)
      .type_name("N");
  app.add_option("--max-queue-delay", args->max_queue_delay_us,
                 "microseconds that a free engine waits for its batch to fill (default 0)")
      .non_negative()
      .group(batches)
      .type_name("US");
  args->pipelines.add_to(app);
  const char* limits = "Limits of clients";
  app.add_option("--max-body", args->max_body, "longest body of a request (default 256M)")
      .group(limits)
      .type_name("BYTES");
  app.add_option("--max-connections", args->limits.max_connections, "open at a time; further ones are closed with 503")
      .capture_default_str()
      .range(1, 1'000'000)
      .group(limits)
      .type_name("N");
  app.add_option("--shared-memory", args->shared_memory,
                 "let clients register POSIX shared memory whose name begins so; may be given again")
      .group(limits)
      .type_name("PREFIX");
  app.add_option("--token-file", args->token_file,
                 "tokens, a line each: requests but probes need one (Authorization: Bearer TOKEN)")
      .group(limits)
      .type_name("FILE");
  app.add_option("--admin-token-file", args->admin_token_file,
                 "tokens without which nobody loads or unloads models or registers shared memory")
      .group(limits)
      .type_name("FILE");
  const char* records = "Records";
  app.add_option("--access-log", args->access_log, "add a line of JSON for each request to this file")
      .group(records)
      .type_name("FILE");
  app.add_option("--trace-file", args->trace_file, "add traces to this file: lines of OpenTelemetry's OTLP/JSON")
      .group(records)
      .type_name("FILE");
  app.add_option("--trace-rate", args->trace_rate,
                 "trace one in so many requests, beside those whose traceparent asks for it")
      .capture_default_str()
      .range(1, 1'000'000'000)
      .group(records)
      .type_name("N");
  const char* end = "Ending";
  app.add_option("--drain-grace", args->drain_grace,
                 "seconds after SIGTERM for which connections are still accepted, and told to close")
      .capture_default_str()
      .non_negative()
      .group(end)
      .type_name("S");
  app.add_option("--drain-time", args->drain_time, "seconds to finish what was accepted until then")
      .capture_default_str()
      .non_negative()
      .group(end)
      .type_name("S");
  args->model.add_to(app, ModelArgs::Use::serve);
  app.add_flag("--json", args->json, "the ports and models as one line of JSON, when requests are taken");
}

}  // namespace monza::tool
