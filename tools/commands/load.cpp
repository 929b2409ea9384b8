// `monza load`: what a server of KServe v2 takes.
#include <fmt/core.h>

#include <memory>
#include <utility>

#include "base/error.h"
#include "base/json_integer.h"
#include "eval/tensors.h"
#include "serve/bytes_tensor.h"
#include "serve/datatype.h"
#include "tools/args/command.h"
#include "tools/args/shape_text.h"
#include "tools/load/load.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct LoadArgs {
  LoadOptions load;
  std::vector<std::string> shapes;
  std::int64_t batch = 1;
  bool json = false;
};

/// A random tensor as the protocol carries it; strings are words of eight letters.
std::string random_bytes(DType dtype, std::vector<std::int64_t> shape, std::uint64_t seed) {
  if (dtype != DType::string) {
    const Tensor tensor = eval::random_tensor(dtype, shape, seed);
    return {tensor.as<char>(), tensor.bytes()};
  }
  constexpr std::size_t kLetters = 8;
  shape.push_back(kLetters);
  const Tensor draws = eval::random_tensor(DType::u8, shape, seed);
  std::string word, bytes;
  for (std::size_t i = 0; i < draws.bytes(); ++i) {
    word += static_cast<char>('a' + draws.as<std::uint8_t>()[i] % 26);
    if (word.size() == kLetters) serve::append_bytes_element(bytes, std::exchange(word, {}));
  }
  return bytes;
}

/// A whole message with random tensors of the shapes that the model's metadata and the command line say.
std::string make_request(const LoadArgs& args, const HttpUrl& url, const Json& metadata) {
  std::map<std::string, std::vector<std::int64_t>> given;
  for (const std::string& text : args.shapes) {
    const auto [name, value] = split_assignment(text, "--shape");
    given[name] = parse_extents(value);
  }
  Json inputs = Json::array();
  std::string tensors;
  for (const Json& input : metadata.at("inputs")) {
    const std::string name = input.at("name");
    std::vector<std::int64_t> shape;
    for (const Json& extent : input.at("shape")) shape.push_back(whole_number<std::int64_t>(extent).value_or(-1));
    if (!shape.empty() && shape[0] < 0) shape[0] = args.batch;
    if (const auto said = given.find(name); said != given.end()) {
      shape = said->second;
      given.erase(said);
    }
    for (const std::int64_t extent : shape)
      if (extent < 0) throw UsageError(message("input '{}' has an open extent\n  try: --shape {}=1x..", name, name));
    const DType dtype = serve::parse_datatype(input.at("datatype").get<std::string>());
    const std::string bytes = random_bytes(dtype, shape, args.load.seed + inputs.size());
    inputs.push_back({{"name", name},
                      {"datatype", input.at("datatype")},
                      {"shape", shape},
                      {"parameters", {{"binary_data_size", bytes.size()}}}});
    tensors += bytes;
  }
  if (!given.empty()) throw UsageError(message("the model has no input '{}'", given.begin()->first));
  const std::string json = Json{{"inputs", inputs}, {"parameters", {{"binary_data_output", true}}}}.dump();
  return fmt::format(
             "POST {}/infer HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\n"
             "Inference-Header-Content-Length: {}\r\nContent-Length: {}\r\n\r\n{}",
             url.path, url.host, json.size(), json.size() + tensors.size(), json) +
         tensors;
}

int run(LoadArgs& args) {
  const HttpUrl url(args.load.url);
  Json metadata;
  try {
    metadata = Json::parse(fetch(url, url.path));
    (void)metadata.at("inputs");
  } catch (const Json::exception&) {
    throw RunError(message("what is at '{}' is no model of KServe v2", args.load.url));
  }
  const std::string request = make_request(args, url, metadata);
  const LoadResult r = measure_load(args.load, url, request);
  const Summary& t = r.latency_ms;
  std::int64_t others = 0;
  for (const auto& [status, count] : r.statuses) others += status == 200 ? 0 : count;
  const double rate = static_cast<double>(r.answered) / r.seconds;
  const double rows = rate * static_cast<double>(args.batch);
  if (args.json) {
    Json statuses = Json::object();
    for (const auto& [status, count] : r.statuses) statuses[std::to_string(status)] = count;
    print_json({{"answered", r.answered},
                {"seconds", r.seconds},
                {"requests_per_s", rate},
                {"rows_per_s", rows},
                {"latency_ms",
                 {{"min", t.min},
                  {"mean", t.mean},
                  {"median", t.median},
                  {"p90", t.p90},
                  {"p95", t.p95},
                  {"p99", t.p99},
                  {"max", t.max}}},
                {"statuses", statuses},
                {"lost", r.lost},
                {"refused_connections", r.refused},
                {"concurrency", args.load.concurrency},
                {"rate", args.load.rate}});
  } else {
    print("{} requests in {:.2f} s: {:.1f} requests/s, {:.1f} rows/s\n", r.answered, r.seconds, rate, rows);
    print("latency     min {}  mean {}  median {}  p90 {}  p95 {}  p99 {}  max {}\n", time_text(t.min),
          time_text(t.mean), time_text(t.median), time_text(t.p90), time_text(t.p95), time_text(t.p99),
          time_text(t.max));
    for (const auto& [status, count] : r.statuses)
      if (status != 200) print("status {}  {} requests\n", status, count);
    if (r.lost > 0) print("lost        {} requests\n", r.lost);
    if (r.refused > 0) print("refused     {}\n", count_text(r.refused, "connection"));
  }
  return r.answered > 0 && r.lost == 0 ? kExitOk : kExitRuntime;
}

}  // namespace

void add_load(Commands& commands) {
  const auto args = std::make_shared<LoadArgs>();
  CommandOptions app = commands.add(
      "load", "Sends requests to a server of KServe v2 and measures how it answers.",
      "  monza load http://localhost:8000/v2/models/yolov8n                    one request after the other\n"
      "  monza load http://localhost:8000/v2/models/yolov8n --concurrency 16 --duration 30\n"
      "  monza load http://localhost:8000/v2/models/bert --rate 200 --concurrency 64    arrivals at random times\n"
      "  monza load http://localhost:8000/v2/models/bert --shape input_ids=1x128 --shape attention_mask=1x128 --json\n"
      "Tensors are random and binary. Without --rate each connection sends its next request when it has an answer "
      "(a closed\nloop); with it requests are due at random times whatever the server does, and latency counts from "
      "then (an open loop).\nThe exit code is 4 when a request was lost, or none was answered.",
      [args] { return run(*args); });
  app.add_option("URL", args->load.url, "of a model: http://HOST:PORT/v2/models/NAME").required().type_name("URL");
  app.add_option("--concurrency", args->load.concurrency, "connections, each with one request at a time")
      .capture_default_str()
      .range(1, 100'000)
      .type_name("N");
  app.add_option("--duration", args->load.duration, "measure for this many seconds")
      .capture_default_str()
      .positive()
      .type_name("S");
  app.add_option("--warmup", args->load.warmup, "seconds before that do not count")
      .capture_default_str()
      .non_negative()
      .type_name("S");
  app.add_option("--rate", args->load.rate, "requests a second, in an open loop").positive().type_name("R");
  app.add_option("--batch", args->batch, "rows of each request, where the first dimension is open")
      .capture_default_str()
      .positive()
      .type_name("N");
  app.add_option("--shape", args->shapes, "extents of an input that the model leaves open (repeat)")
      .allow_extra_args(false)
      .type_name("NAME=1x3x..");
  app.add_option("--seed", args->load.seed, "of the tensors, and of the times with --rate").type_name("N");
  app.add_flag("--json", args->json, "for a program to read");
}

}  // namespace monza::tool
