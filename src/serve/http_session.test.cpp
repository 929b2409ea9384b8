// Conversations over bytes: every route, both forms of tensors, broken and hostile requests.
#include "serve/http_session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>

#include "monza/error.h"
#include "serve/request_error.h"
#include "serve/served_model.h"
#include "serve/task.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {

using test::binary_infer, test::bytes_of, test::http_message, test::ServeClient;
using Json = nlohmann::json;

Engine engine_of(const std::string& text, std::int64_t most = 4) {
  plan::PlanScope scope;
  scope.profile["batch"] = {0, most, most};
  scope.profile["n"] = {0, most, most};
  return test::engine_from_text(text, scope).engine;
}
std::shared_ptr<const ServedModel> model_of(const std::string& name, const std::string& text, BatchRule rule = {}) {
  return std::make_shared<ServedModel>(name, engine_of(text), rule);
}
constexpr const char* kNegate = R"(graph "main" (%x: f32[batch,2]) {
  %y = Neg(%x)
  return (y: %y)
})";
/// The elements' dimension is open and is no batch.
constexpr const char* kSigns = R"(graph "main" (%a: f32[n], %b: i64[2]) {
  %s = Neg(%a)
  %t = Neg(%b)
  return (s: %s, t: %t)
})";

/// A service with `negate` (rows of 2 floats, batches of 4) and `signs` (no batches).
struct Fixture {
  explicit Fixture(const SchedulerOptions& options = {}, const ServiceLimits& limits = {}) : service(options, limits) {
    service.add(model_of("negate", kNegate), {});
    service.add(model_of("signs", kSigns), {});
  }
  Service service;
};

struct Parts {
  int status = 0;
  std::string head, body;
};
/// The first answer of a conversation, and what is behind it in `rest`.
Parts first_answer(std::string_view text, std::string* rest = nullptr) {
  Parts parts;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == text.npos || text.size() < 12) return parts;
  parts.head = text.substr(0, end + 2);
  parts.status = std::stoi(std::string(text.substr(9, 3)));
  const std::size_t at = parts.head.find("Content-Length: ", parts.head.find("\r\nContent-Length: "));
  const std::size_t bytes = at == std::string::npos ? 0 : std::stoul(parts.head.substr(at + 16));
  parts.body = text.substr(end + 4, bytes);
  if (rest != nullptr) *rest = text.substr(end + 4 + parts.body.size());
  return parts;
}
Parts get(Service& service, const std::string& path) {
  return first_answer(ServeClient(service).talk("GET " + path + " HTTP/1.1\r\n\r\n"));
}
/// "STATUS words" of what is said of a message.
std::string said_of(Service& service, const std::string& message) {
  const Parts parts = first_answer(ServeClient(service).talk(message));
  if (parts.status == 200) return "200";
  return std::to_string(parts.status) + " " + Json::parse(parts.body).at("error").get<std::string>();
}

constexpr const char* kOneRow =
    R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
    R"("parameters":{"binary_data_output":true}})";

TEST(HttpSession, TellsWhatItServes) {
  Fixture f;
  EXPECT_EQ(get(f.service, "/v2/health/live").status, 200);
  EXPECT_EQ(get(f.service, "/v2/health/ready").status, 200);
  EXPECT_EQ(Json::parse(get(f.service, "/v2").body).at("name"), "monza");
  EXPECT_EQ(get(f.service, "/v2/models/negate/ready").status, 200);
  EXPECT_EQ(get(f.service, "/v2/models/negate/versions/1/ready").status, 200);
  const Json m = Json::parse(get(f.service, "/v2/models/neg%61te?x=y").body);
  EXPECT_EQ(m.at("inputs"), Json::parse(R"([{"name":"x","datatype":"FP32","shape":[-1,2]}])"));
  EXPECT_EQ(m.at("outputs"), Json::parse(R"([{"name":"y","datatype":"FP32","shape":[-1,2]}])"));
  EXPECT_EQ(m.at("versions"), Json::parse(R"(["1"])"));
  const Json c = Json::parse(get(f.service, "/v2/models/negate/config").body);
  EXPECT_EQ(c.at("max_batch_size"), 4);
  EXPECT_EQ(c.at("input"), Json::parse(R"([{"name":"x","data_type":"TYPE_FP32","dims":[2]}])"));
  EXPECT_EQ(Json::parse(get(f.service, "/v2/models/signs/config").body).at("max_batch_size"), 0);
  const Json index =
      Json::parse(first_answer(ServeClient(f.service).talk(http_message("POST /v2/repository/index", "{}"))).body);
  EXPECT_EQ(index.size(), 2u);
}

TEST(HttpSession, ComputesJson) {
  Fixture f;
  const Parts parts = first_answer(ServeClient(f.service).talk(http_message(
      "POST /v2/models/negate/infer",
      R"({"id":"q\"1","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[0.1,-4]]}]})")));
  ASSERT_EQ(parts.status, 200) << parts.body;
  const Json r = Json::parse(parts.body);
  EXPECT_EQ(r.at("id"), "q\"1");
  EXPECT_EQ(r.at("model_name"), "negate");
  EXPECT_EQ(r.at("outputs"),
            Json::parse(R"([{"name":"y","datatype":"FP32","shape":[2,2],"data":[-1.0,-2.5,-0.1,4.0]}])"));
}

TEST(HttpSession, ComputesBinaryTensorsInAnyPieces) {
  Fixture f;
  const std::string json =
      R"({"inputs":[{"name":"b","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}},)"
      R"({"name":"a","shape":[3],"datatype":"FP32","parameters":{"binary_data_size":12}}],)"
      R"("outputs":[{"name":"t","parameters":{"binary_data":true}},{"name":"s"}]})";
  const std::string message = binary_infer("signs", json, bytes_of<std::int64_t>({5, -6}) + bytes_of<float>({1, 2, 3}));
  for (std::size_t piece = 1; piece < message.size() + 10; piece += piece < 8 ? 1 : 13) {
    std::string rest;
    const Parts parts = first_answer(ServeClient(f.service).talk(message, piece), &rest);
    ASSERT_EQ(parts.status, 200) << piece << parts.body;
    EXPECT_EQ(rest, "");
    const std::size_t at = parts.head.find("Inference-Header-Content-Length: ");
    ASSERT_NE(at, std::string::npos);
    const std::size_t length = std::stoul(parts.head.substr(at + 33));
    const Json r = Json::parse(parts.body.substr(0, length));
    EXPECT_EQ(r.at("outputs")[0].at("parameters").at("binary_data_size"), 16);
    EXPECT_EQ(parts.body.substr(length), bytes_of<std::int64_t>({-5, 6}));
    EXPECT_EQ(r.at("outputs")[1].at("data"), Json::parse("[-1.0,-2.0,-3.0]"));
  }
}

TEST(HttpSession, TakesWhatIsEmpty) {
  Fixture f;
  const std::string json =
      R"({"inputs":[{"name":"a","shape":[0],"datatype":"FP32","parameters":{"binary_data_size":0}},)"
      R"({"name":"b","shape":[2],"datatype":"INT64","data":[1,2]}],"parameters":{"binary_data_output":true}})";
  const Parts parts = first_answer(ServeClient(f.service).talk(binary_infer("signs", json, "")));
  ASSERT_EQ(parts.status, 200) << parts.body;
  EXPECT_EQ(parts.body.substr(parts.body.size() - 16), bytes_of<std::int64_t>({-1, -2}));
}

TEST(HttpSession, AnswersInOrderWhatIsSentAhead) {
  Fixture f;
  std::string sent;
  for (int i = 0; i < 20; ++i)
    sent += i % 3 == 0 ? "GET /v2/models/negate/ready HTTP/1.1\r\n\r\n"
                       : binary_infer("negate", kOneRow, bytes_of<float>({static_cast<float>(i), 0}));
  for (const std::size_t piece : {std::size_t{7}, std::size_t{1000}, SIZE_MAX}) {
    std::string rest = ServeClient(f.service).talk(sent, piece);
    for (int i = 0; i < 20; ++i) {
      const Parts parts = first_answer(std::string(rest), &rest);
      ASSERT_EQ(parts.status, 200) << i;
      if (i % 3 == 0) continue;
      EXPECT_EQ(parts.body.substr(parts.body.size() - 8), bytes_of<float>({static_cast<float>(-i), -0.0f}));
    }
    EXPECT_EQ(rest, "");
  }
}

TEST(HttpSession, ReadsBodiesInChunks) {
  Fixture f;
  const std::string json(kOneRow), tensors = bytes_of<float>({3, 4});
  const auto chunk = [](std::string_view text) { return fmt::format("{:x};note=1\r\n{}\r\n", text.size(), text); };
  const std::string message =
      "POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
      "Inference-Header-Content-Length: " +
      std::to_string(json.size()) + "\r\n\r\n" + chunk(json.substr(0, 10)) + chunk(json.substr(10)) + chunk(tensors) +
      "0\r\n\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{64}, SIZE_MAX}) {
    const Parts parts = first_answer(ServeClient(f.service).talk(message, piece));
    ASSERT_EQ(parts.status, 200) << parts.body;
    EXPECT_EQ(parts.body.substr(parts.body.size() - 8), bytes_of<float>({-3, -4}));
  }
}

TEST(HttpSession, ReadsABodyOfNoChunksInAnyPieces) {
  Fixture f;
  for (std::size_t piece = 1; piece < 8; ++piece)
    for (const char* trailers : {"", "A: b\r\n", "A: b\r\nC: d\r\n"}) {
      const std::string message =
          fmt::format("POST /v2/repository/index HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n", trailers);
      EXPECT_EQ(first_answer(ServeClient(f.service).talk(message, piece)).status, 200) << piece << trailers;
    }
}

TEST(HttpSession, EndsWithItsConnectionWhatNobodyForesaw) {
  struct Broken final : ModelControl {
    void load(std::string /*name*/, Done /*done*/) override { throw std::length_error("/a/path"); }
    void unload(std::string /*name*/, Done /*done*/) override {}
    std::vector<IndexEntry> index() override { return {}; }
  } broken;
  Fixture f;
  f.service.control = &broken;
  const std::string answer = ServeClient(f.service).talk(http_message("POST /v2/repository/models/a/load", "{}"));
  EXPECT_EQ(first_answer(answer).body, R"({"error":"the request could not be answered"})");
  EXPECT_EQ(first_answer(answer).status, 500);
  EXPECT_TRUE(answer.ends_with("<closed>"));
}

TEST(HttpSession, GoesOnWhenAskedAndClosesWhenTold) {
  Fixture f;
  const std::string body = R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})";
  const std::string head =
      "POST /v2/models/negate/infer HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n";
  ServeClient client(f.service);
  EXPECT_EQ(client.talk(head), "HTTP/1.1 100 Continue\r\n\r\n");
  const std::string answer = client.talk(body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("<closed>"));
  // Who waits to be told to go on is told no, and the body does not come.
  const std::string no = ServeClient(f.service).talk(
      "POST /v2/models/none/infer HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_TRUE(no.starts_with("HTTP/1.1 404 ") && no.ends_with("<closed>")) << no;
}

TEST(HttpSession, SaysWhatIsWrongAndGoesOn) {
  Fixture f;
  const auto infer = [](const std::string& json) { return http_message("POST /v2/models/negate/infer", json); };
  const auto input = [&](const std::string& fields) { return infer("{\"inputs\":[{" + fields + "}]}"); };
  const auto get_of = [](const std::string& path) { return "GET " + path + " HTTP/1.1\r\n\r\n"; };
  const std::string x = "\"name\":\"x\",\"datatype\":\"FP32\",";
  const std::string good = R"("inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}])";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {get_of("/"), "404 there is nothing at '/'"},
      {get_of("/v2/models"), "404 there is nothing at '/v2/models'"},
      {get_of("/v2/models/negate/nothing"), "404 there is nothing at '/v2/models/negate/nothing'"},
      {get_of("/v2/health/dead"), "404 there is nothing at '/v2/health/dead'"},
      {get_of("/metrics"), "404 there is nothing at '/metrics'"},
      {get_of("/v2/models/..%2f..%2fetc%2fpasswd"), "404 there is no model '../../etc/passwd'"},
      {get_of("/v2/models/%1b%0a"), "404 there is no model '\\x1b\\n'"},
      {get_of("/v2/models/a%2"), "400 the path has a '%' that is followed by no two digits"},
      {get_of("/v2/models/negate/versions/2"), "404 model 'negate' has no version '2': its latest is 1"},
      {get_of("/v2/models/negate/infer"), "405 this takes POST alone"},
      {http_message("POST /v2", ""), "405 this takes GET alone"},
      {http_message("POST /v2/repository/models/negate/load", ""),
       "501 models cannot be loaded and unloaded: the server was started without --model-repository"},
      {http_message("POST /v2/systemsharedmemory/region/r/register", R"({"key":"k","byte_size":8})"),
       "501 shared memory is off: the server was not told which names it may open (--shared-memory)"},
      {http_message("POST /v2/systemsharedmemory/region/r/register", R"({"key":"k","byte_size":-8})"),
       "400 'byte_size' is no count of bytes"},
      {http_message("POST /v2/systemsharedmemory/region/r/register", R"({"key":1,"byte_size":8})"),
       "400 'key' is no string"},
      {http_message("POST /v2/systemsharedmemory/region/r/register", "[]"), "400 the body is no JSON object"},
      {get_of("/v2/systemsharedmemory/region/r/status"), "404 no shared memory is registered as 'r'"},
      {get_of("/v2/systemsharedmemory/region//status"),
       "404 there is nothing at '/v2/systemsharedmemory/region//status'"},
      {get_of("/v2/models/negate/trace/setting"), "501 the extension 'trace' is not supported"},
      {get_of("/v2/cudasharedmemory/status"), "501 the extension 'cudasharedmemory' is not supported"},
      {http_message("POST /v2/models/none/infer", "{}"), "404 there is no model 'none'"},
      {"POST /v2/models/negate/infer HTTP/1.1\r\n\r\n", "411 the request has no Content-Length"},
      {http_message("POST /v2/models/negate/infer", "{}", "Content-Encoding: gzip\r\n"),
       "415 a body with a Content-Encoding is not supported: send it as it is"},
      {http_message("POST /v2/models/negate/infer", "{}", "Inference-Header-Content-Length: 3\r\n"),
       "400 Inference-Header-Content-Length is larger than Content-Length"},
      {http_message("POST /v2/models/negate/infer", "{}", "Inference-Header-Content-Length: 9999999\r\n"),
       "413 the JSON before the tensors is longer than 1048576 bytes"},
      {"POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\nInference-Header-Content-Length: "
       "9\r\n\r\n"
       "1\r\n{\r\n0\r\n\r\n",
       "400 Inference-Header-Content-Length is larger than the body"},
      {infer("{}"), "400 input 'x' is missing"},
      {infer("nonsense"), "400 the request is no JSON: an error at byte 2"},
      {input("\"name\":\"q\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]"), "400 the model has no input 'q'"},
      {infer("{\"inputs\":[{" + x + "\"data\":[]},{" + x + "\"data\":[]}]}"), "400 input 'x' comes twice"},
      {input("\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":[1,2],\"data\":[1,2]"),
       "400 input 'x' is FP32, and the request has INT8"},
      {input(x + "\"shape\":[2],\"data\":[1,2]"), "400 input 'x' has the shape [2], and the model takes [0..4,2]"},
      {input(x + "\"shape\":[5,2],\"data\":[]"), "400 input 'x' has the shape [5,2], and the model takes [0..4,2]"},
      {input(x + "\"shape\":[1,2],\"data\":[1]"), "400 input 'x' of shape [1,2] takes 8 bytes, and the request has 4"},
      {binary_infer("negate", kOneRow, "1234567"),
       "400 the binary tensors are 8 bytes by their sizes, and 7 by the lengths of the request"},
      {infer("{" + good + ",\"outputs\":[{\"name\":\"q\"}]}"), "400 the model has no output 'q'"},
      {infer("{" + good + ",\"outputs\":[{\"name\":\"y\"},{\"name\":\"y\"}]}"), "400 output 'y' is named twice"},
  };
  // One after the other on one connection: none breaks it.
  ServeClient client(f.service);
  for (const auto& [message, words] : cases) {
    EXPECT_EQ(said_of(f.service, message), words) << message;
    const std::string answer = client.talk(message + get_of("/v2/health/live"), 50);
    std::string rest;
    (void)first_answer(answer, &rest);
    EXPECT_TRUE(rest.starts_with("HTTP/1.1 200 OK\r\n")) << message << "\n" << answer;
  }
}

TEST(HttpSession, LimitsBodiesOfJson) {
  Fixture f;
  const std::string path = "POST /v2/systemsharedmemory/region/r/register", body((1 << 20) + 1, ' ');
  const std::string words = "413 the body is longer than 1048576 bytes";
  EXPECT_EQ(said_of(f.service, http_message(path, body)), words);
  const std::string chunked =
      fmt::format("{} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", path, body.size(), body);
  EXPECT_EQ(said_of(f.service, chunked), words);
}

TEST(HttpSession, PicksClasses) {
  Fixture f;
  const Parts parts = first_answer(ServeClient(f.service).talk(
      http_message("POST /v2/models/negate/infer",
                   R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2.5,-3,-4]}],)"
                   R"("outputs":[{"name":"y","parameters":{"classification":9}}]})")));
  ASSERT_EQ(parts.status, 200) << parts.body;
  EXPECT_EQ(Json::parse(parts.body).at("outputs"),
            Json::parse(R"([{"name":"y","datatype":"BYTES","shape":[2,2],)"
                        R"("data":["-1.000000:0","-2.500000:1","4.000000:1","3.000000:0"]}])"));
}

/// Tensors of both directions in an object of shared memory, which this process made.
TEST(HttpSession, UsesSharedMemory) {
  Service service({}, {}, {"monza_session_"});
  service.add(model_of("negate", kNegate), {});
  const std::string key = fmt::format("/monza_session_{}", ::getpid());
  const int file = ::shm_open(key.c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_EQ(::ftruncate(file, 64), 0);
  const std::string floats = bytes_of<float>({1, 2});
  ASSERT_EQ(::pwrite(file, floats.data(), 8, 16), 8);
  const auto post = [&](const std::string& path, const std::string& body) {
    return first_answer(ServeClient(service).talk(http_message("POST " + path, body)));
  };
  ASSERT_EQ(
      post("/v2/systemsharedmemory/region/r/register", R"({"key":")" + key + R"(","offset":8,"byte_size":56})").status,
      200);
  EXPECT_EQ(Json::parse(get(service, "/v2/systemsharedmemory/region/r/status").body).at(0).at("offset"), 8);
  const std::string place =
      R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":8,"shared_memory_offset":)";
  const auto infer = [&](int in, int out) {
    return post("/v2/models/negate/infer",
                fmt::format(R"({{"inputs":[{{"name":"x","shape":[1,2],"datatype":"FP32",{}{}}}}}],)"
                            R"("outputs":[{{"name":"y",{}{}}}}}]}})",
                            place, in, place, out));
  };
  const Parts parts = infer(8, 24);
  EXPECT_EQ(Json::parse(parts.body).at("outputs"),
            Json::parse(R"([{"name":"y","datatype":"FP32","shape":[1,2],)"
                        R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}])"));
  char out[8];
  ASSERT_EQ(::pread(file, out, 8, 32), 8);
  EXPECT_EQ(std::string(out, 8), bytes_of<float>({-1, -2}));
  EXPECT_EQ(infer(49, 0).status, 400);  // half of it is outside
  const Parts small =
      post("/v2/models/negate/infer",
           R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"outputs":[{"name":"y",)"
           R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}}]})");
  EXPECT_EQ(small.body, R"({"error":"output 'y' has 8 bytes, and its place in shared memory 4"})");
  EXPECT_EQ(infer(0, 49).status, 400);
  ASSERT_EQ(::ftruncate(file, 12), 0);
  EXPECT_EQ(infer(8, 24).status, 400);  // its owner took the memory away
  EXPECT_EQ(post("/v2/systemsharedmemory/unregister", "").status, 200);
  EXPECT_EQ(infer(8, 24).status, 404);
  ::close(file);
  ::shm_unlink(key.c_str());
}

TEST(HttpSession, RowsAreCountedOnce) {
  Fixture f;
  f.service.add(model_of("pair", R"(graph "main" (%a: f32[batch], %b: f32[batch]) {
  %s = Neg(%a)
  %t = Neg(%b)
  return (s: %s, t: %t)
})",
                         {2}),
                {});
  const auto of = [&](int a, int b) {
    const auto input = [](const char* name, int n) {
      std::string data;
      for (int i = 0; i < n; ++i) data += i > 0 ? ",1" : "1";
      return fmt::format(R"({{"name":"{}","shape":[{}],"datatype":"FP32","data":[{}]}})", name, n, data);
    };
    return said_of(f.service, http_message("POST /v2/models/pair/infer",
                                           "{\"inputs\":[" + input("a", a) + "," + input("b", b) + "]}"));
  };
  EXPECT_EQ(of(2, 2), "200");
  EXPECT_EQ(of(2, 1), "400 the inputs 'a' and 'b' differ in the first dimension: 2 and 1");
  EXPECT_EQ(of(3, 3), "400 the request has 3 rows, and 2 are the most of one");
  EXPECT_EQ(of(0, 0), "400 input 'a' has no rows");
}

TEST(HttpSession, ClosesWhereTheNextRequestCannotBeFound) {
  Fixture f;
  const std::string name(20'000, 'a');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nonsense\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"GET / HTTP/2.0\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"GET / HTTP/1.1\r\n" + name, "431 the head of the request is too long"},
      {"GET / HTTP/1.1\r\nA: " + name + "\r\n\r\n", "431 the head of the request is too long"},
      {"GET /" + name, "431 the head of the request is too long"},
      // request smuggling: two lengths, a length beside chunks, signs, spaces before the colon
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400 this is no HTTP/1.1: "},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\na", "400 this is no HTTP/1.1: "},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "413 the body of the request is too long"},
      {"POST / HTTP/1.1\r\nInference-Header-Content-Length: -1\r\n\r\n", "400 this is no HTTP/1.1: "},
      {"POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
       "400 this is no HTTP/1.1: "},
      {"POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
       "413 the body of the request is too long"},
      {"POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + name,
       "400 a chunk's line is too long"},
      {http_message("POST /v2", std::string(2 << 20, 'x')), "405 this takes GET alone"},
      {http_message("GET /v2", std::string(2 << 20, 'x')), "413 the body of the request is too long"},
  };
  for (const auto& [message, words] : cases) {
    const std::string answer = ServeClient(f.service).talk(message, 4096);
    const Parts parts = first_answer(answer);
    ASSERT_NE(parts.status, 0) << message.substr(0, 100) << "\n" << answer;
    const std::string said =
        std::to_string(parts.status) + " " + Json::parse(parts.body).at("error").get<std::string>();
    EXPECT_TRUE(said.starts_with(words)) << said << "\n" << message.substr(0, 100);
    EXPECT_NE(parts.head.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("<closed>")) << message.substr(0, 100);
  }
  // Lines without end: no more memory than a head may take.
  std::string lines = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 10'000; ++i) lines += "A: b\r\n";
  EXPECT_EQ(first_answer(ServeClient(f.service).talk(lines, 1000)).status, 431);
}

TEST(HttpSession, FullQueuesAndSpentTimeoutsAreSaid) {
  Fixture f(SchedulerOptions{.max_queue = 2});
  const std::string message = binary_infer("negate", kOneRow, bytes_of<float>({1, 2}));
  {
    ServeClient a(f.service), b(f.service), c(f.service);
    EXPECT_EQ(a.talk(message, SIZE_MAX, false), "");
    EXPECT_EQ(b.talk(message.substr(0, message.size() - 1), SIZE_MAX, false), "");  // its place is taken
    const std::string refused = c.talk(message);
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 429 Too Many Requests\r\n")) << refused;
    EXPECT_NE(refused.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(refused.find("the model's queue is full: try again"), std::string::npos);
    EXPECT_EQ(first_answer(a.talk("")).status, 200);
    EXPECT_EQ(first_answer(c.talk(message)).status, 200);
  }  // b's place is free again
  ServeClient d(f.service), e(f.service);
  EXPECT_EQ(d.talk(message, SIZE_MAX, false) + e.talk(message, SIZE_MAX, false), "");
  EXPECT_EQ(first_answer(d.talk("")).status, 200);

  std::string late(kOneRow), at_once(kOneRow);
  at_once.insert(at_once.rfind("}}"), ",\"timeout\":1");
  EXPECT_EQ(said_of(f.service, binary_infer("negate", at_once, bytes_of<float>({1, 2}))),
            "504 the request would wait longer than its timeout");
  late.insert(late.rfind("}}"), ",\"timeout\":10000");
  Fixture waits({.max_delay = std::chrono::milliseconds(200)});
  ServeClient slow(waits.service);
  EXPECT_EQ(slow.talk(binary_infer("negate", late, bytes_of<float>({1, 2})), SIZE_MAX, false), "");
  const Parts parts = first_answer(slow.talk(""));
  EXPECT_EQ(parts.status, 504);
  EXPECT_EQ(Json::parse(parts.body).at("error"), "the request waited longer than its timeout");
}

TEST(HttpSession, RequestsThatWaitShareARun) {
  Fixture f;
  std::vector<std::unique_ptr<ServeClient>> clients;
  const auto rows = [](int n, float first) {
    std::string json = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(n) +
                       R"(,2],"datatype":"FP32","parameters":{"binary_data_size":)" + std::to_string(n * 8) +
                       R"(}}],"parameters":{"binary_data_output":true,"monza_times":true}})";
    std::string tensors;
    for (int i = 0; i < n; ++i) tensors += bytes_of<float>({first + static_cast<float>(i), 0});
    return binary_infer("negate", json, tensors);
  };
  // 1 + 2 rows fit beside each other; 2 more do not, and run later
  for (const auto& [n, first] : {std::pair(1, 10.f), std::pair(2, 20.f), std::pair(2, 30.f)}) {
    clients.push_back(std::make_unique<ServeClient>(f.service));
    EXPECT_EQ(clients.back()->talk(rows(n, first), SIZE_MAX, false), "");
  }
  const auto check = [&](ServeClient& client, int batch_rows, const std::string& tensors) {
    const Parts parts = first_answer(client.talk(""));
    ASSERT_EQ(parts.status, 200) << parts.body;
    const Json r = Json::parse(parts.body.substr(0, parts.body.size() - tensors.size()));
    EXPECT_EQ(r.at("parameters").at("batch_rows"), batch_rows);
    for (const char* phase : {"input_us", "queue_us", "compute_us"})
      EXPECT_GE(r.at("parameters").at(phase).get<double>(), 0) << phase;
    EXPECT_EQ(parts.body.substr(parts.body.size() - tensors.size()), tensors);
  };
  check(*clients[0], 3, bytes_of<float>({-10, -0.f}));
  check(*clients[1], 3, bytes_of<float>({-20, -0.f, -21, -0.f}));
  check(*clients[2], 2, bytes_of<float>({-30, -0.f, -31, -0.f}));
  const Json stats = Json::parse(get(f.service, "/v2/models/negate/stats").body).at("model_stats")[0];
  EXPECT_EQ(stats.at("inference_count"), 5);
  EXPECT_EQ(stats.at("execution_count"), 2);
  EXPECT_EQ(stats.at("inference_stats").at("success").at("count"), 3);
  EXPECT_EQ(stats.at("batch_stats")[0].at("batch_size"), 2);
  EXPECT_EQ(stats.at("batch_stats")[1].at("compute_infer").at("count"), 1);
}

TEST(HttpSession, WhoLeavesOrIsSlowHoldsNobodyUp) {
  Fixture f;
  const auto message = [](float v) { return binary_infer("negate", kOneRow, bytes_of<float>({v, 0})); };
  ServeClient first(f.service), last(f.service);
  auto slow = std::make_unique<ServeClient>(f.service), leaves = std::make_unique<ServeClient>(f.service);
  EXPECT_EQ(first.talk(message(1), SIZE_MAX, false), "");
  const std::string late = message(2);
  EXPECT_EQ(slow->talk(late.substr(0, late.size() - 4), SIZE_MAX, false), "");
  EXPECT_EQ(leaves->talk(message(3), SIZE_MAX, false), "");
  EXPECT_EQ(last.talk(message(4), SIZE_MAX, false), "");
  leaves.reset();
  for (auto [client, value] : {std::pair(&first, -1.f), std::pair(&last, -4.f)}) {
    const Parts parts = first_answer(client->talk(""));
    ASSERT_EQ(parts.status, 200);
    EXPECT_EQ(parts.body.substr(parts.body.size() - 8), bytes_of<float>({value, -0.f}));
  }
  const Parts parts = first_answer(slow->talk(late.substr(late.size() - 4)));
  EXPECT_EQ(parts.body.substr(parts.body.size() - 8), bytes_of<float>({-2, -0.f}));
  EXPECT_NE(get(f.service, "/v2/models/negate/stats").body.find("\"fail\":{\"count\":1"), std::string::npos);
}

TEST(HttpSession, OneBadRequestFailsAlone) {
  Fixture f;
  // Of each row the element that its index names: one outside of the row stops a run.
  f.service.add(model_of("pick", R"(graph "main" (%x: f32[batch,3], %i: i64[batch,1]) {
  %y = GatherElements(%x, %i) {axis=1}
  return (y: %y)
})"),
                {});
  std::vector<std::unique_ptr<ServeClient>> clients;
  for (const std::int64_t index : {0, 7, 2}) {
    clients.push_back(std::make_unique<ServeClient>(f.service));
    (void)clients.back()->talk(
        http_message("POST /v2/models/pick/infer",
                     fmt::format(R"({{"inputs":[{{"name":"x","shape":[1,3],"datatype":"FP32","data":[10,11,12]}},)"
                                 R"({{"name":"i","shape":[1,1],"datatype":"INT64","data":[{}]}}]}})",
                                 index)),
        SIZE_MAX, false);
  }
  const Parts a = first_answer(clients[0]->talk("")), b = first_answer(clients[1]->talk("")),
              c = first_answer(clients[2]->talk(""));
  EXPECT_EQ(Json::parse(a.body).at("outputs")[0].at("data"), Json::parse("[10.0]"));
  EXPECT_EQ(b.status, 400);
  EXPECT_NE(b.body.find("the model cannot be run on this: "), std::string::npos) << b.body;
  EXPECT_EQ(Json::parse(c.body).at("outputs")[0].at("data"), Json::parse("[12.0]"));
}

TEST(HttpSession, NumbersThatJsonLacksAreAskedForInBytes) {
  Fixture f;
  f.service.add(model_of("log", R"(graph "main" (%x: f32[batch]) {
  %y = Log(%x)
  return (y: %y)
})"),
                {});
  EXPECT_EQ(said_of(f.service, http_message("POST /v2/models/log/infer",
                                            R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[0]}]})")),
            "422 output 'y' holds NaN or an infinity, which JSON has no form for: ask for binary_data");
}

TEST(HttpSession, AnEndingServerIsNotReadyAndStillAnswers) {
  Fixture f;
  f.service.draining = true;
  EXPECT_EQ(said_of(f.service, "GET /v2/health/ready HTTP/1.1\r\n\r\n"), "503 the server is ending");
  EXPECT_EQ(get(f.service, "/v2/health/live").status, 200);
  const std::string answer = ServeClient(f.service).talk(binary_infer("negate", kOneRow, bytes_of<float>({1, 2})));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
}

TEST(HttpSession, MetricsHaveAPortOfTheirOwn) {
  Fixture f;
  (void)ServeClient(f.service).talk(binary_infer("negate", kOneRow, bytes_of<float>({1, 2})));
  (void)said_of(f.service, http_message("POST /v2/models/negate/infer", "{}"));
  const auto ask = [&](const std::string& path) {
    return first_answer(
        ServeClient(f.service, HttpSession::Purpose::metrics).talk("GET " + path + " HTTP/1.1\r\n\r\n"));
  };
  const std::string text = ask("/metrics").body;
  for (const char* line :
       {"monza_request_seconds_count{model=\"negate\",version=\"1\",phase=\"compute\"} 1\n",
        "monza_request_seconds_bucket{model=\"negate\",version=\"1\",phase=\"total\",le=\"+Inf\"} 1\n",
        "monza_requests_refused_total{model=\"negate\",version=\"1\",reason=\"invalid\"} 1\n",
        "monza_rows_total{model=\"negate\",version=\"1\"} 1\n",
        "monza_batch_rows_bucket{model=\"negate\",version=\"1\",le=\"4\"} 1\n",
        "monza_http_answers_total{class=\"4xx\"} 1\n", "# TYPE monza_request_seconds histogram\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_EQ(ask("/v2").status, 404);
}

/// Valid conversations with bytes changed, in random pieces: each is answered or ended, and the service is whole after.
TEST(HttpSession, TakesAnyBytes) {
  Fixture f;
  const std::string seeds[] = {
      binary_infer("negate", kOneRow, bytes_of<float>({1, 2})) + "GET /v2/models/negate HTTP/1.1\r\n\r\n",
      http_message("POST /v2/models/signs/infer",
                   R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[1,2]},)"
                   R"({"name":"b","shape":[2],"datatype":"INT64","data":[1,2]}]})"),
      "POST /v2/models/negate/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: "
      "100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\n"};
  std::mt19937 random(3);
  for (int i = 0; i < 3'000; ++i) {
    std::string text = seeds[random() % 3];
    for (int changes = static_cast<int>(random() % 4); changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0) text[at] = static_cast<char>(random());
      else text.insert(at, text.substr(random() % text.size(), random() % 16));
    }
    ServeClient client(f.service);
    (void)client.talk(text, 1 + random() % 100);
  }
  EXPECT_EQ(first_answer(ServeClient(f.service).talk(seeds[0])).status, 200);
}

/// Answers when it is let go, with what it was asked.
class HeldTask final : public Task {
 public:
  Answer answer(const TaskRequest& request) const override {
    go_.wait(false);
    if (request.body == "fail") fail_with(400, "so it is");
    if (request.body == "break") throw std::runtime_error("/secret/file");
    return {200, request.query + "|" + request.body, "text/plain"};
  }
  void go() const {
    go_ = true;
    go_.notify_all();
  }

 private:
  mutable std::atomic<bool> go_{false};
};

TEST(HttpSession, GivesTasksToTheirThreads) {
  Fixture f;
  const auto task = std::make_shared<const HeldTask>();
  f.service.add_task("/task", task);
  task->go();
  const Parts parts = first_answer(ServeClient(f.service).talk(http_message("POST /task?a=b", "body")));
  EXPECT_EQ(parts.status, 200);
  EXPECT_EQ(parts.body, "a=b|body");
  EXPECT_NE(parts.head.find("Content-Type: text/plain"), std::string::npos);
  EXPECT_EQ(said_of(f.service, http_message("POST /task", "fail")), "400 so it is");
  EXPECT_EQ(said_of(f.service, http_message("POST /task", "break")), "500 the request could not be answered");
  EXPECT_EQ(said_of(f.service, http_message("GET /task", "")), "405 this takes POST alone");
  EXPECT_EQ(said_of(f.service, http_message("POST /task", std::string((1 << 20) + 1, 'x'))),
            "413 the body is longer than 1048576 bytes");
  const std::string chunked = "POST /task HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
  EXPECT_EQ(first_answer(ServeClient(f.service).talk(chunked)).body, "|abc");
}

TEST(HttpSession, RefusesTasksWhenTooManyWait) {
  Fixture f;
  const auto task = std::make_shared<const HeldTask>();
  f.service.add_task("/task", task);
  std::list<ServeClient> clients;
  int refused = 0;
  for (int i = 0; i < 300; ++i)
    if (const std::string answer =
            clients.emplace_back(f.service).talk(http_message("POST /task", ""), SIZE_MAX, false);
        !answer.empty()) {
      EXPECT_EQ(first_answer(answer).status, 429);
      EXPECT_EQ(Json::parse(first_answer(answer).body).at("error"), "too much waits: try again");
      ++refused;
    }
  EXPECT_GE(refused, 300 - 256 - 4);
  EXPECT_LE(refused, 300 - 256);
  task->go();  // those who wait are answered, though their clients go
}

}  // namespace
}  // namespace monza::serve
