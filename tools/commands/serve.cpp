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
#include "serve/served_model.h"
#include "serve/service.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/args/shape_text.h"
#include "tools/serve/pipelines.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Rows of the largest batch of an ONNX file whose batch is open, where nothing is said.
constexpr std::int64_t kDefaultBatch = 8;

#ifdef MONZA_WITH_GRPC
constexpr int kGrpcPort = 8001;
#else
constexpr int kGrpcPort = -1;
#endif

/// Tokens of a text that plans are made for, where there may be many more.
constexpr std::int64_t kUsualTokens = 64;

struct ServeArgs {
  std::vector<std::string> models;
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
  bool json = false;
};

/// Of an ONNX file: one plan for single rows and one for 1 to `rows`, where the first dimension counts rows and the
/// command line says nothing else of it. `tokens`, not 0: the second dimension counts at most so many.
void open_batches(const ModelArgs& args, std::int64_t rows, std::int64_t tokens, BuildOptions& options) {
  if (!options.profiles.empty() || rows == 1) return;
  std::map<std::string, ShapeProfile> one = options.shapes, many = options.shapes;
  bool any = false;
  for (const ModelInput& input : args.declared_inputs()) {
    if (!input.has_shape || input.shape.empty() || input.shape[0] >= 0) continue;
    if (rows == 0 && !serve::names_a_batch(input.symbols[0])) return;
    const auto given = options.shapes.find(input.name);
    ShapeProfile base =
        given != options.shapes.end() ? given->second : ShapeProfile{input.shape, input.shape, input.shape};
    if (base.max[0] >= 0) return;
    if (tokens > 0 && base.max.size() == 2 && base.max[1] < 0) {
      base.min[1] = 1;
      base.opt[1] = std::min(tokens, kUsualTokens);
      base.max[1] = tokens;
    }
    one[input.name] = many[input.name] = base;
    one[input.name].min[0] = one[input.name].opt[0] = one[input.name].max[0] = many[input.name].min[0] = 1;
    many[input.name].opt[0] = many[input.name].max[0] = rows > 0 ? rows : kDefaultBatch;
    any = true;
  }
  if (!any) return;
  options.shapes.clear();
  options.profiles = {one, many};
}

Json models_json(const std::vector<std::shared_ptr<const serve::ServedModel>>& models) {
  Json list = Json::array();
  for (const auto& model : models) list.push_back({{"name", model->name()}, {"max_batch", model->max_rows()}});
  return list;
}

/// The server of gRPC, where one is asked for; null: none.
std::unique_ptr<serve::OtherServer> start_grpc(serve::Service& service, ServeArgs& args) {
  if (args.grpc_port < 0) return nullptr;
#ifdef MONZA_WITH_GRPC
  auto server = std::make_unique<serve::GrpcServer>(
      service, serve::GrpcServerOptions{.host = args.http.host, .port = args.grpc_port});
  args.grpc_port = server->port();
  return server;
#else
  (void)service;
  fail_hint("leave --grpc-port out, or build Monza where gRPC is (on Debian: apt-get install libgrpc++-dev)",
            "this build of Monza has no gRPC");
#endif
}

int run(ServeArgs& args) {
  if (!args.max_body.empty()) {
    const std::int64_t bytes = parse_bytes(args.max_body, "--max-body");
    args.limits.max_body = static_cast<std::uint64_t>(bytes);
  }
  const auto ms = [](double seconds) { return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3)); };
  args.scheduler.max_delay = std::chrono::microseconds(static_cast<std::int64_t>(args.max_queue_delay_us));
  args.http.drain_grace = ms(args.drain_grace);
  args.http.drain_time = ms(args.drain_time);

  serve::Service service(args.scheduler, args.limits, args.shared_memory);
  serve::HttpServer server(service, args.http);  // before models are built: a port that is taken is soon told
  ContextOptions context = args.model.context_options();
  context.workers.emplace(WorkersOptions{.threads = args.model.threads, .pin = context.pin});
  std::vector<std::shared_ptr<const serve::ServedModel>> models;
  Pipelines pipelines(service, args.pipelines, context);
  for (const std::string& file : args.models) {
    ModelArgs one = args.model;
    one.model = file;
    const auto tokens = static_cast<std::int64_t>(pipelines.most_tokens(file));
    const auto profiles = [&](BuildOptions& options) { open_batches(one, args.max_batch, tokens, options); };
    const Engine engine = one.open(profiles).engine;
    const std::string name = std::filesystem::path(file).stem().string();
    models.push_back(std::make_shared<serve::ServedModel>(name, engine, serve::BatchRule{args.max_batch}));
    service.add(models.back(), context);
    pipelines.add(file, name);
  }
  pipelines.finish();
  const std::unique_ptr<serve::OtherServer> grpc = start_grpc(service, args);
  if (args.json) {
    print("{}\n", Lines{json_text({{"http_port", server.http_port()},
                                   {"grpc_port", args.grpc_port},
                                   {"metrics_port", server.metrics_port()},
                                   {"models", models_json(models)}},
                                  -1)});
  } else {
    const bool v6 = args.http.host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + args.http.host + "]" : args.http.host;
    for (const auto& model : models)
      print("http://{}:{}/v2/models/{}  {}\n", host, server.http_port(), model->name(),
            model->batches() ? fmt::format("batches of up to {}", model->max_rows())
                             : "one request a run: " + model->why_not_batched());
    for (const std::string& endpoint : pipelines.endpoints())
      print("http://{}:{}{}\n", host, server.http_port(), endpoint);
    if (args.grpc_port >= 0) print("grpc://{}:{}\n", host, args.grpc_port);
    if (server.metrics_port() >= 0) print("http://{}:{}/metrics\n", host, server.metrics_port());
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
      "  monza serve bert.onnx --shape sequence=128 --max-batch 16\n"
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
  app.add_option("MODEL", args->models, "ONNX files or engine files")
      .required()
      .type_name("FILE")
      .file(FileRole::reads_model);
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
