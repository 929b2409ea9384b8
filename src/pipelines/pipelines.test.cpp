// Pipelines over bytes, around models small enough to know what they answer.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "monza/error.h"
#include "pipelines/openai.h"
#include "pipelines/page.h"
#include "pipelines/query.h"
#include "pipelines/vision_tasks.h"
#include "serve/bytes_tensor.h"
#include "serve/request_error.h"
#include "serve/served_model.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::pipelines {
namespace {

using Json = nlohmann::json;

/// A vector for each token: its number, and 1 where it is not hidden.
constexpr const char* kTokens = R"(graph "main" (%input_ids: i64[batch,n], %attention_mask: i64[batch,n]) {
  %f = Cast(%input_ids) {to="f32"}
  %u = Unsqueeze(%f) {axes=[2]}
  %m = Cast(%attention_mask) {to="f32"}
  %v = Unsqueeze(%m) {axes=[2]}
  %h = Concat(%u, %v) {axis=2}
  return (h: %h)
})";
/// The logarithm of each number: 0 gives what is not finite.
constexpr const char* kLogs = R"(graph "main" (%input_ids: i64[batch,n]) {
  %f = Cast(%input_ids) {to="f32"}
  %l = Log(%f)
  %h = Unsqueeze(%l) {axes=[2]}
  %t = Concat(%h, %h) {axis=2}
  return (h: %t)
})";
/// The sum of the types of a pair's tokens: how long the second text is.
constexpr const char* kPairs = R"(graph "main" (%input_ids: i64[batch,n], %token_type_ids: i64[batch,n]) {
  %f = Cast(%token_type_ids) {to="f32"}
  %s = ReduceSum(%f) {axes=[1], keepdims=1}
  return (logits: %s)
})";

Engine engine_of(const std::string& text) {
  plan::PlanScope scope;
  scope.profile["batch"] = {1, 4, 4};
  scope.profile["n"] = {1, 8, 16};
  return test::engine_from_text(text, scope).engine;
}

text::Tokenizer tokenizer() {
  return text::Tokenizer::from_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n", true, "vocab");
}

/// A server with three text models.
struct Fixture {
  Fixture() {
    for (const auto& [name, graph] : {std::pair("tokens", kTokens), {"logs", kLogs}, {"pairs", kPairs}})
      service.add(std::make_shared<serve::ServedModel>(name, engine_of(graph), serve::BatchRule{}), {});
    PoolingOptions plain;
    plain.normalize = false;
    TextModels models;
    for (const char* name : {"tokens", "logs", "pairs"})
      models.push_back(std::make_shared<TextModel>(service, name, tokenizer(), plain));
    const auto shared = std::make_shared<const TextModels>(std::move(models));
    service.add_task("/v1/models", models_task(service));
    service.add_task("/v1/embeddings", embeddings_task(shared));
    service.add_task("/v1/rerank", rerank_task(shared));
  }
  serve::Service service{serve::SchedulerOptions{}};
};

struct Said {
  int status = 0;
  std::string head, body;
  Json json() const { return Json::parse(body); }
  std::string error() const { return json().at("error").at("message").get<std::string>(); }
};
Said ask(serve::Service& service, const std::string& first_line, const std::string& body) {
  const std::string text = test::ServeClient(service).talk(test::http_message(first_line, body));
  const std::size_t end = text.find("\r\n\r\n");
  return {std::stoi(text.substr(9, 3)), text.substr(0, end), text.substr(end + 4)};
}
Said embed(serve::Service& service, const std::string& body) { return ask(service, "POST /v1/embeddings", body); }

TEST(OpenAi, GivesAVectorForEachText) {
  Fixture f;
  const Said said = embed(
      f.service, R"({"model":"tokens","input":["a b c","a","","b b b b b b b b b b b"],"encoding_format":"float"})");
  ASSERT_EQ(said.status, 200) << said.body;
  const Json answer = said.json();
  // [CLS] is 2, [SEP] 3, a 4, b 5, c 6.
  const double wanted[] = {(2 + 4 + 5 + 6 + 3) / 5.0, 3, 2.5, (2 + 11 * 5 + 3) / 13.0};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answer.at("data")[i].at("index"), i);
    EXPECT_FLOAT_EQ(answer.at("data")[i].at("embedding")[0].get<float>(), static_cast<float>(wanted[i])) << i;
    EXPECT_EQ(answer.at("data")[i].at("embedding")[1], 1) << "what is hidden does not count";
  }
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 5 + 3 + 2 + 13);
  EXPECT_EQ(answer.at("model"), "tokens");
}

TEST(OpenAi, TakesEveryFormOfInput) {
  Fixture f;
  const auto first = [&](const std::string& input) {
    return embed(f.service, "{\"input\":" + input + "}").json().at("data")[0].at("embedding")[0].get<double>();
  };
  EXPECT_EQ(first("\"a\""), 3) << "a text, for the first model";
  EXPECT_EQ(first("[4,4]"), 4) << "tokens";
  EXPECT_EQ(first("[[5],[4]]"), 5) << "lists of tokens";
  const Said encoded = embed(f.service, R"({"input":"a","encoding_format":"base64"})");
  const auto bytes = from_base64(encoded.json().at("data")[0].at("embedding").get<std::string>());
  ASSERT_TRUE(bytes && bytes->size() == 8);
  float value = 0;
  std::memcpy(&value, bytes->data(), sizeof value);
  EXPECT_EQ(value, 3);
  const Said one = embed(f.service, R"({"input":"a","dimensions":1})");
  EXPECT_EQ(one.json().at("data")[0].at("embedding"), Json::parse("[1.0]")) << "of length 1";
  EXPECT_EQ(ask(f.service, "GET /v1/models", "").json().at("data").size(), 3u);
}

TEST(OpenAi, Reranks) {
  Fixture f;
  const Said pairs =
      ask(f.service, "POST /v1/rerank",
          R"({"model":"pairs","query":"a","documents":["a","b b b",{"text":"c c"}],"return_documents":true})");
  ASSERT_EQ(pairs.status, 200) << pairs.body;
  const Json results = pairs.json().at("results");
  EXPECT_EQ(results[0].at("index"), 1) << "the longest document";
  EXPECT_EQ(results[1].at("document").at("text"), "c c");
  EXPECT_NEAR(results[2].at("relevance_score").get<double>(), 1 / (1 + std::exp(-2.0)), 1e-6) << "a and [SEP]";
  const Said cosines =
      ask(f.service, "POST /v1/rerank", R"({"model":"tokens","query":"a","documents":["c","a"],"top_n":1})");
  EXPECT_EQ(cosines.json().at("results").size(), 1u);
  EXPECT_EQ(cosines.json().at("results")[0].at("index"), 1);
  EXPECT_NEAR(cosines.json().at("results")[0].at("relevance_score").get<double>(), 1, 1e-12);
}

TEST(OpenAi, SaysWhatIsWrong) {
  Fixture f;
  const auto said = [&](const std::string& body) {
    const Said answer = embed(f.service, body);
    return std::to_string(answer.status) + " " + answer.error();
  };
  EXPECT_EQ(said("[]"), "400 the body is no JSON object");
  EXPECT_EQ(said("{\"a\":" + std::string(20, '[')), "400 the JSON is nested deeper than 8 levels");
  EXPECT_EQ(said("{}"), "400 'input' is missing");
  EXPECT_EQ(said(R"({"input":7})"), "400 'input' is no text and no list of texts or tokens");
  EXPECT_EQ(said(R"({"input":["a",-1]})"), "400 'input' holds what is no text and no token");
  EXPECT_EQ(said(R"({"input":[99]})"), "400 99 is no token of the model");
  EXPECT_EQ(said(R"({"input":[[]]})"), "400 an input has 0 tokens: the model takes 1 to 16");
  EXPECT_EQ(said(R"({"input":"a","model":5})"), "400 'model' is no text");
  EXPECT_EQ(said(R"({"input":"a","model":"x"})"), "404 there is no model 'x' that takes texts");
  EXPECT_EQ(said(R"({"input":"a","model":"pairs"})"), "400 model 'pairs' scores pairs of texts, and has no vectors");
  EXPECT_EQ(said(R"({"input":"a","encoding_format":"hex"})"), "400 'encoding_format' is 'hex', not float or base64");
  EXPECT_EQ(said(R"({"input":"a","dimensions":3})"), "400 'dimensions' is no number from 1 to 2");
  EXPECT_EQ(said(R"({"input":[0],"model":"logs"})"), "500 the model's output is not finite");
  std::string many = "{\"input\":[\"a\"";
  for (int i = 0; i < 2048; ++i) many += ",\"a\"";
  EXPECT_EQ(said(many + "]}"), "400 'input' has 2049 texts, and 2048 are the most");
  const auto rerank = [&](const std::string& body) { return ask(f.service, "POST /v1/rerank", body).error(); };
  EXPECT_EQ(rerank(R"({"documents":["a"]})"), "'query' is missing");
  EXPECT_EQ(rerank(R"({"query":"a","documents":[]})"), "'documents' is no list of texts");
  EXPECT_EQ(rerank(R"({"query":"a","documents":[7]})"), "'documents' is no list of texts");
  EXPECT_EQ(rerank("{\"query\":\"a\",\"documents\":" + many.substr(9) + "]}"),
            "'documents' has 2049 texts, and 2048 are the most");
  EXPECT_EQ(ask(f.service, "GET /v1/embeddings", "").status, 405);
  f.service.add_task("/none", embeddings_task(std::make_shared<const TextModels>()));
  EXPECT_EQ(ask(f.service, "POST /none", "{}").error(), "no model of this server has a tokenizer beside it");
}

TEST(TextModel, SaysWhyAModelIsNone) {
  serve::Service service{serve::SchedulerOptions{}};
  int number = 0;
  const auto said = [&](const std::string& graph) {
    const std::string name = "m" + std::to_string(number++);
    service.add(std::make_shared<serve::ServedModel>(name, engine_of(graph), serve::BatchRule{}), {});
    try {
      const TextModel model(service, name, tokenizer(), {});
    } catch (const Error& e) {
      return e.hint().empty() ? e.fact() : e.fact() + "\n  try: " + e.hint();
    }
    return std::string("nothing");
  };
  EXPECT_EQ(said("graph \"main\" (%pixels: i64[batch,n]) {\n  %y = Neg(%pixels)\n  return (y: %y)\n}"),
            "'m0' has a tokenizer beside it, and an input 'pixels' that is none of BERT's\n  try: a model that takes "
            "input_ids, attention_mask and token_type_ids");
  EXPECT_EQ(said("graph \"main\" (%attention_mask: i64[batch,n]) {\n  %y = Neg(%attention_mask)\n  return (y: %y)\n}"),
            "'m1' has a tokenizer beside it, and no input 'input_ids'");
  EXPECT_EQ(said("graph \"main\" (%input_ids: i64[batch,n]) {\n  %y = Neg(%input_ids)\n  return (y: %y)\n}"),
            "'m2' has a tokenizer beside it, and no output of floats for tokens or texts");
}

TEST(TextModel, ReadsTheFilesOfSentenceTransformers) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "monza_pooling";
  std::filesystem::create_directories(folder / "1_Pooling");
  PoolingOptions options = pooling_beside(folder);
  EXPECT_TRUE(options.pooling == Pooling::mean && options.normalize && options.max_tokens == 0);
  std::ofstream(folder / "1_Pooling" / "config.json") << R"({"pooling_mode_cls_token": true})";
  std::ofstream(folder / "modules.json") << R"([{"type": "sentence_transformers.models.Pooling"}])";
  std::ofstream(folder / "sentence_bert_config.json") << R"({"max_seq_length": 256})";
  options = pooling_beside(folder);
  EXPECT_TRUE(options.pooling == Pooling::cls && !options.normalize && options.max_tokens == 256);
  std::ofstream(folder / "1_Pooling" / "config.json") << R"({"pooling_mode_max_tokens": true})";
  try {
    (void)pooling_beside(folder);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), (folder / "1_Pooling" / "config.json").string() +
                            " asks for 'pooling_mode_max_tokens', which is not supported");
    EXPECT_EQ(e.hint(), "mean or CLS pooling");
  }
  std::filesystem::remove_all(folder);
}

#ifdef MONZA_WITH_PICTURES

/// A picture of 2x2 pixels of one colour.
std::string picture(unsigned char red, unsigned char green, unsigned char blue) {
  std::string file = "P6 2 2 255\n";
  for (int i = 0; i < 4; ++i) file += {static_cast<char>(red), static_cast<char>(green), static_cast<char>(blue)};
  return file;
}

/// The brightest channel is the class.
constexpr const char* kChannels = R"(graph "main" (%x: f32[1,3,4,4]) {
  %y = ReduceMean(%x) {axes=[2, 3], keepdims=0}
  return (y: %y)
})";
/// A detector of YOLOv8's form for 32x32 pixels, which sees the same box in every cell.
constexpr const char* kBoxes = R"(graph "main" (%x: f32[1,3,32,32]) {
  %m = ReduceMean(%x) {axes=[1, 2, 3], keepdims=0}
  %0 = constant f32[1] [0]
  %z = Mul(%m, %0)
  %b = constant f32[1,4,21] splat 16
  %s = constant f32[1,1,21] splat 0.5
  %c = Concat(%b, %s) {axis=1}
  %y = Add(%c, %z)
  return (y: %y)
})";

serve::ModelQueue& add(serve::Service& service, const char* name, const char* graph) {
  service.add(std::make_shared<serve::ServedModel>(name, engine_of(graph), serve::BatchRule{}), {});
  return *service.model(name);
}

TEST(Pictures, AreClassified) {
  serve::Service service{serve::SchedulerOptions{}};
  serve::ModelQueue& queue = add(service, "channels", kChannels);
  EXPECT_EQ(make_detector(queue, {}), nullptr);
  service.add_task("/v2/models/channels/classify", picture_task(make_classifier(queue, {})));
  const Said said = ask(service, "POST /v2/models/channels/classify?top=2", picture(9, 200, 100));
  ASSERT_EQ(said.status, 200) << said.body;
  const Json answer = said.json();
  EXPECT_EQ(answer.at("top").size(), 2u);
  EXPECT_EQ(answer.at("top")[0].at("class_id"), 1);
  EXPECT_EQ(answer.at("top")[0].at("class"), "class 1");
  EXPECT_GT(answer.at("top")[0].at("score"), answer.at("top")[1].at("score"));
  EXPECT_EQ(answer.at("width"), 2);
  EXPECT_GE(answer.at("timings_ms").at("inference"), 0);
  EXPECT_EQ(queue.metrics().rows.load(), 1) << "counted as inferences are";
  const Said drawn = ask(service, "POST /v2/models/channels/classify?image=png", picture(1, 2, 3));
  EXPECT_NE(drawn.head.find("Content-Type: image/png"), std::string::npos);
  EXPECT_TRUE(drawn.body.starts_with("\x89PNG"));
}

TEST(Pictures, AreSearchedForObjects) {
  serve::Service service{serve::SchedulerOptions{}};
  serve::ModelQueue& queue = add(service, "boxes", kBoxes);
  service.add_task("/v2/models/boxes/detect", picture_task(make_detector(queue, {})));
  const Said said = ask(service, "POST /v2/models/boxes/detect", picture(1, 2, 3));
  ASSERT_EQ(said.status, 200) << said.body;
  EXPECT_EQ(said.json().at("detections"),
            Json::parse(R"([{"class":"class 0","class_id":0,"score":0.5,"box":[0.5,0.5,1.5,1.5]}])"))
      << "16x16 in the middle of 32x32, in pixels of the picture";
  EXPECT_EQ(ask(service, "POST /v2/models/boxes/detect?score=0.6", picture(1, 2, 3)).json().at("detections").size(),
            0u);
  const Said drawn = ask(service, "POST /v2/models/boxes/detect?image=jpeg", picture(1, 2, 3));
  EXPECT_NE(drawn.head.find("Content-Type: image/jpeg"), std::string::npos);
  EXPECT_TRUE(drawn.body.starts_with("\xFF\xD8"));
}

/// A tensor of BYTES.
std::string elements(std::initializer_list<std::string> files) {
  std::string tensor;
  for (const std::string& file : files) serve::append_bytes_element(tensor, file);
  return tensor;
}

TEST(Pictures, ComeThroughKServe) {
  serve::Service service{serve::SchedulerOptions{}};
  add_picture_model(service, "boxes_pictures", make_detector(add(service, "boxes", kBoxes), {}));
  EXPECT_EQ(ask(service, "GET /v2/models/boxes_pictures", "").json().at("inputs")[0].at("datatype"), "BYTES");
  EXPECT_EQ(ask(service, "GET /v2/models/boxes_pictures/versions/1/ready", "").status, 200);
  const auto infer = [&](const std::string& json, const std::string& tensor) {
    const std::string text = test::ServeClient(service).talk(test::binary_infer("boxes_pictures", json, tensor));
    const std::size_t end = text.find("\r\n\r\n");
    return Said{std::stoi(text.substr(9, 3)), text.substr(0, end), text.substr(end + 4)};
  };
  const std::string two = elements({picture(1, 2, 3), picture(4, 5, 6)});
  const Said said = infer(
      R"({"id":"i","inputs":[{"name":"image","datatype":"BYTES","shape":[2]}],"outputs":[{"name":"picture"},{"name":"objects"}]})",
      two);
  ASSERT_EQ(said.status, 200) << said.body;
  const std::size_t at = said.head.find("Inference-Header-Content-Length: ");
  ASSERT_NE(at, std::string::npos);
  const std::size_t json_bytes = std::stoul(said.head.substr(at + 33));
  const Json answer = Json::parse(said.body.substr(0, json_bytes));
  EXPECT_EQ(answer.at("id"), "i");
  EXPECT_EQ(answer.at("outputs")[1].at("shape"), Json::parse("[2]"));
  const std::size_t pictures = answer.at("outputs")[0].at("parameters").at("binary_data_size").get<std::size_t>();
  EXPECT_EQ(said.body.substr(json_bytes + 4, 2), "\xFF\xD8") << "a JPEG";
  const std::string objects = said.body.substr(json_bytes + pictures);
  std::uint32_t first = 0;
  std::memcpy(&first, objects.data(), sizeof first);
  EXPECT_EQ(Json::parse(objects.substr(4, first)).at("detections").size(), 1u);

  const auto refused = [&](const std::string& json, const std::string& tensor) {
    return infer(json, tensor).json().at("error").get<std::string>();
  };
  const std::string one = R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}])";
  EXPECT_EQ(refused("[]", ""), "the request is no JSON object");
  EXPECT_EQ(refused("{}", ""), "the request is none of KServe v2");
  EXPECT_EQ(refused(R"({"inputs":[{"name":"x","datatype":"BYTES","shape":[1]}]})", ""),
            "the model takes one input: 'image', BYTES, a picture file in each element");
  EXPECT_EQ(refused(R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["a"]}]})", ""),
            "picture files are sent as binary tensors, not in the JSON");
  EXPECT_EQ(refused(one + "}", two), "input 'image' has 2 elements, which is not its shape");
  EXPECT_EQ(refused(one + "}", "ab"), "input 'image' ends inside an element's length");
  EXPECT_EQ(refused(one + "}", std::string("\xFF\xFF\xFF\xFF", 4) + "a"),
            "input 'image' has an element of 4294967295 bytes, and 1 are left");
  EXPECT_EQ(refused(one + "}", std::string(4 * 17, '\0')), "input 'image' has more than 16 pictures");
  EXPECT_EQ(refused(one + R"(,"outputs":[{"name":"y"}]})", elements({picture(1, 2, 3)})),
            "the model has no output 'y'");
  EXPECT_TRUE(refused(one + "}", elements({"no picture"})).starts_with("the picture"));
}

TEST(Pictures, SayWhatIsWrong) {
  serve::Service service{serve::SchedulerOptions{}};
  service.add_task("/c", picture_task(make_classifier(add(service, "channels", kChannels), {})));
  service.add_task("/d", picture_task(make_detector(add(service, "boxes", kBoxes), {})));
  const auto said = [&](const std::string& target, const std::string& body) {
    const Said answer = ask(service, "POST " + target, body);
    return std::to_string(answer.status) + " " + answer.json().at("error").get<std::string>();
  };
  EXPECT_EQ(said("/c?image=gif", picture(1, 2, 3)), "400 'image' is 'gif', not jpeg or png");
  EXPECT_EQ(said("/d?score=2", picture(1, 2, 3)), "400 'score' is '2', and no number from 0.05 to 1");
  EXPECT_TRUE(said("/c", "no picture").starts_with("400 the picture")) << said("/c", "no picture");
  EXPECT_TRUE(said("/c", "P6 20000 20000 255\n").starts_with("400 the picture")) << "no memory is taken for it";
}

#endif

TEST(Page, ShowsWhatTheServerHas) {
  Fixture f;
  f.service.add_task("/", page_task());
  f.service.add_task("/status", status_task(f.service, {{"tokens", {"embeddings"}}}));
  const Said page = ask(f.service, "GET /", "");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.head.find("Content-Type: text/html; charset=utf-8"), std::string::npos);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>") && page.body.ends_with("</html>\n"));
  for (const char* outside : {"src=", "https:", "@import", "url("})
    EXPECT_EQ(page.body.find(outside), std::string::npos) << "a page that needs no network: " << outside;
  (void)embed(f.service, R"({"model":"tokens","input":"a"})");
  const Json status = ask(f.service, "GET /status", "").json();
  const Json& model = status.at("models")[2];
  EXPECT_EQ(model.at("name"), "tokens");
  EXPECT_EQ(model.at("tasks"), Json::parse(R"(["embeddings"])"));
  EXPECT_EQ(model.at("rows"), 1);
  EXPECT_EQ(model.at("inputs")[0], Json::parse(R"({"name":"input_ids","datatype":"INT64","shape":[-1,-1]})"));
  EXPECT_EQ(model.at("latency").size(), status.at("bounds").size() + 1);
}

TEST(Query, GivesValues) {
  EXPECT_EQ(query_value("a=1&b=&c", "a", "x"), "1");
  EXPECT_EQ(query_value("a=1&b=&c", "b", "x"), "");
  EXPECT_EQ(query_value("a=1&b=&c", "c", "x"), "");
  EXPECT_EQ(query_value("a=1&b=&c", "d", "x"), "x");
  EXPECT_EQ(query_number("n=2.5", "n", 1, 0, 3), 2.5);
  EXPECT_EQ(query_number("", "n", 1, 0, 3), 1);
  EXPECT_THROW((void)query_number("n=2x", "n", 1, 0, 3), serve::RequestError);
}

}  // namespace
}  // namespace monza::pipelines
