// Models of strings: elements in JSON and as BYTES, in every piece, in batches; and what is broken.
#include "serve/bytes_tensor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "serve/served_model.h"
#include "serve/service.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {

using test::binary_infer, test::http_message, test::ServeClient;
using Json = nlohmann::json;

/// `twice`: each string before itself, in rows of two and batches of four.
struct Strings {
  explicit Strings(const SchedulerOptions& options = {}) : service(options) {
    plan::PlanScope scope;
    scope.profile["batch"] = {1, 4, 4};
    const Engine engine = test::engine_from_text(R"(graph "main" (%x: string[batch,2]) {
  %y = StringConcat(%x, %x)
  return (y: %y)
})",
                                                 scope)
                              .engine;
    service.add(std::make_shared<ServedModel>("twice", engine, BatchRule{}), {});
  }
  /// The answer's body.
  std::string ask(const std::string& message, std::size_t piece = SIZE_MAX) {
    const std::string text = ServeClient(service).talk(message, piece);
    return text.substr(text.find("\r\n\r\n") + 4, text.rfind("<closed>") - text.find("\r\n\r\n") - 4);
  }
  std::string error(const std::string& message) { return Json::parse(ask(message)).at("error").get<std::string>(); }
  Service service;
};

std::string tensor_of(std::initializer_list<std::string_view> elements) {
  std::string tensor;
  for (const std::string_view element : elements) append_bytes_element(tensor, element);
  return tensor;
}

std::string in_json(const std::string& shape, const std::string& data) {
  return http_message("POST /v2/models/twice/infer",
                      R"({"inputs":[{"name":"x","datatype":"BYTES","shape":)" + shape + ",\"data\":" + data + "}]}");
}
std::string in_binary(const std::string& shape, const std::string& tensor) {
  return binary_infer("twice",
                      R"({"inputs":[{"name":"x","datatype":"BYTES","shape":)" + shape +
                          ",\"parameters\":{\"binary_data_size\":" + std::to_string(tensor.size()) +
                          "}}],\"parameters\":{\"binary_data_output\":true}}",
                      tensor);
}

TEST(BytesTensor, IsToldOfAsTheProtocolDoes) {
  Strings f;
  EXPECT_EQ(Json::parse(f.ask("GET /v2/models/twice HTTP/1.1\r\n\r\n")).at("inputs"),
            Json::parse(R"([{"name":"x","datatype":"BYTES","shape":[-1,2]}])"));
  EXPECT_EQ(Json::parse(f.ask("GET /v2/models/twice/config HTTP/1.1\r\n\r\n")).at("output"),
            Json::parse(R"([{"name":"y","data_type":"TYPE_STRING","dims":[2]}])"));
}

TEST(BytesTensor, ComesAndGoesAsJson) {
  Strings f;
  const Json answer = Json::parse(f.ask(in_json("[2,2]", R"([["a","ü\n"],["",  "\"\u0000"]])")));
  EXPECT_EQ(
      answer.at("outputs"),
      Json::parse(R"([{"name":"y","datatype":"BYTES","shape":[2,2],"data":["aa","ü\nü\n","","\"\u0000\"\u0000"]}])"));
}

TEST(BytesTensor, ComesAndGoesAsBytesInAnyPieces) {
  Strings f;
  const std::string message = in_binary("[1,2]", tensor_of({"abc", std::string("\xFF\x00", 2)}));
  const std::string wanted = tensor_of({"abcabc", std::string("\xFF\x00\xFF\x00", 4)});
  for (std::size_t piece = 1; piece < message.size() + 7; piece += piece < 8 ? 1 : 7)
    EXPECT_TRUE(f.ask(message, piece).ends_with(wanted)) << piece;
  std::string chunks = message;
  const std::size_t length = chunks.find("Content-Length: ", chunks.find("Inference-Header") + 30);
  const std::size_t body = chunks.find("\r\n\r\n") + 4;
  chunks.replace(length, body - 4 - length, "Transfer-Encoding: chunked");
  chunks = chunks.substr(0, chunks.find("\r\n\r\n") + 4);
  const std::string content = message.substr(body);
  chunks += "5\r\n" + content.substr(0, 5) + "\r\n" + fmt::format("{:x}\r\n", content.size() - 5) + content.substr(5) +
            "\r\n0\r\n\r\n";
  EXPECT_TRUE(f.ask(chunks).ends_with(wanted));
}

TEST(BytesTensor, OfSeveralRequestsShareARun) {
  Strings f({.max_delay = std::chrono::hours(1), .inline_limit = std::chrono::hours(1)});  // till there are four rows
  ServeClient first(f.service), second(f.service);
  first.talk(in_binary("[1,2]", tensor_of({"a", "b"})), SIZE_MAX, false);
  second.talk(in_json("[3,2]", R"(["1","2","3","4","5","6"])"), SIZE_MAX, false);
  EXPECT_TRUE(second.talk("").ends_with(R"("data":["11","22","33","44","55","66"]}]})"));
  EXPECT_TRUE(first.talk("").ends_with(tensor_of({"aa", "bb"})));
  EXPECT_EQ(f.service.model("twice")->metrics().runs_of[3].count.load(), 1);
}

TEST(BytesTensor, IsRefusedWhenItIsBroken) {
  Strings f;
  EXPECT_EQ(f.error(in_json("[1,2]", "[1,2]")), "input 'x' is BYTES, and its data holds no string");
  EXPECT_EQ(f.error(in_json("[1,2]", "[0.5]")), "input 'x' is BYTES, and its data holds no string");
  EXPECT_EQ(f.error(in_json("[1,2]", "[18446744073709551615]")), "input 'x' is BYTES, and its data holds no string");
  EXPECT_EQ(f.error(in_json("[1,2]", R"(["a"])")), "input 'x' ends inside an element's length");
  EXPECT_EQ(f.error(in_json("[1,2]", R"(["a","b","c"])")), "input 'x' has more elements than its shape");
  EXPECT_EQ(f.error(in_binary("[1,2]", tensor_of({"a"}))), "input 'x' ends inside an element's length");
  EXPECT_EQ(f.error(in_binary("[1,2]", tensor_of({"a", "b"}) + "?")), "input 'x' has more elements than its shape");
  EXPECT_EQ(f.error(in_binary("[1,2]", tensor_of({"a"}) + "\xFF\xFF\xFF\xFF")),
            "input 'x' has an element of 4294967295 bytes, and 0 are left");
  EXPECT_EQ(f.error(in_binary("[1,2]", "")), "input 'x' ends inside an element's length");
  const std::string json =
      R"({"inputs":[{"name":"x","datatype":"BYTES","shape":[1,2],"parameters":{"binary_data_size":268435457}}]})";
  EXPECT_EQ(f.error("POST /v2/models/twice/infer HTTP/1.1\r\nInference-Header-Content-Length: " +
                    std::to_string(json.size()) + "\r\nContent-Length: 268435456\r\n\r\n" + json),
            "input 'x' has 268435457 bytes, and 268435456 are the most of BYTES");
  EXPECT_TRUE(f.ask(in_binary("[1,2]", tensor_of({"c", ""}))).ends_with(tensor_of({"cc", ""}))) << "it goes on";
}

TEST(BytesTensor, SurvivesDamage) {
  Strings f;
  std::mt19937 random(1);
  const std::string tensor = tensor_of({"abc", "defg"});
  for (int i = 0; i < 1000; ++i) {
    std::string bad = tensor;
    for (int k = 0; k < 3; ++k) bad[random() % bad.size()] = static_cast<char>(random() % 8);
    (void)f.ask(in_binary("[1,2]", bad.substr(0, random() % (bad.size() + 1))), 1 + random() % 40);
  }
  EXPECT_TRUE(f.ask(in_binary("[1,2]", tensor)).ends_with(tensor_of({"abcabc", "defgdefg"})));
}

}  // namespace
}  // namespace monza::serve
