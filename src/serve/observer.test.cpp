// What is written down of requests: lines of an access log, traces, and the settings of both.
#include "serve/observer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "monza/error.h"
#include "serve/service.h"
#include "serve/settings.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"
#include "support/temporary.h"

namespace monza::serve {
namespace {

using test::binary_infer, test::bytes_of, test::http_message, test::ServeClient;
using Json = nlohmann::json;

std::vector<Json> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

/// `m`, rows of two floats, with both files.
struct Observed {
  Observed() {
    plan::PlanScope scope;
    scope.profile["batch"] = {1, 4, 4};
    service.add(
        std::make_shared<ServedModel>(
            "m",
            test::engine_from_text("graph \"main\" (%x: f32[batch,2]) {\n  %y = Neg(%x)\n  return (y: %y)\n}", scope)
                .engine,
            BatchRule{}),
        {});
    service.observer.access.open(folder / "access");
    service.observer.traces.open(folder / "traces");
    service.observer.tracing.on = true;
    service.observer.tracing.rate = 2;
  }
  void infer(const std::string& fields = "") {
    std::string message = binary_infer("m",
                                       R"({"id":"q","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
                                       R"("parameters":{"binary_data_size":8}}]})",
                                       bytes_of<float>({1, 2}));
    message.insert(message.find("Host:"), fields);
    EXPECT_TRUE(client.talk(message).starts_with("HTTP/1.1 200"));
  }
  std::string body(const std::string& message) {
    const std::string text = client.talk(message);
    return text.substr(text.find("\r\n\r\n") + 4);
  }
  std::vector<Json> access() {
    service.observer.flush();
    return lines_of(folder / "access");
  }
  std::vector<Json> traces() {
    service.observer.flush();
    return lines_of(folder / "traces");
  }
  test::TemporaryFolder folder;
  Service service{{}};
  ServeClient client{service};
};

TEST(Observer, WritesALineForEachRequest) {
  Observed f;
  f.client.session().set_client("192.0.2.7");
  f.infer();
  f.client.talk("GET /v2/models/none?token=secret HTTP/1.1\r\nHost: x\r\n\r\n");
  {
    ServeClient gone(f.service);
    gone.talk("POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
  }
  const std::vector<Json> lines = f.access();
  ASSERT_EQ(lines.size(), 3u);
  const Json& one = lines[0];
  EXPECT_EQ(one.at("status"), 200);
  EXPECT_EQ(one.at("client"), "192.0.2.7");
  EXPECT_EQ(one.at("method"), "POST");
  EXPECT_EQ(one.at("target"), "/v2/models/m/infer");
  EXPECT_EQ(one.at("model"), "m");
  EXPECT_EQ(one.at("id"), "q");
  EXPECT_EQ(one.at("rows"), 1);
  EXPECT_EQ(one.at("time").get<std::string>().size(), 24u) << one;
  double parts = 0;
  for (const char* part : {"input_us", "queue_us", "compute_us", "output_us"}) parts += one.at(part).get<double>();
  EXPECT_NEAR(parts, one.at("total_us").get<double>(), 0.3);
  EXPECT_EQ(lines[1].at("status"), 404);
  EXPECT_EQ(lines[1].at("target"), "/v2/models/none") << "what stands behind '?' may be secret";
  EXPECT_EQ(lines[2].at("status"), 499) << "its client was gone";
}

TEST(Observer, TracesWhatIsAskedForAndASample) {
  Observed f;
  const std::string trace = "0af7651916cd43dd8448eb211c80319c", span = "b7ad6b7169203331";
  f.infer("traceparent: 00-" + trace + "-" + span + "-01\r\n");
  f.infer("traceparent: 00-" + trace + "-" + span + "-00\r\n");  // its caller samples, and has not chosen it
  std::vector<Json> traces = f.traces();
  ASSERT_EQ(traces.size(), 1u);
  const Json spans = traces[0].at("resourceSpans")[0].at("scopeSpans")[0].at("spans");
  ASSERT_EQ(spans.size(), 5u);
  EXPECT_EQ(spans[0].at("traceId"), trace);
  EXPECT_EQ(spans[0].at("parentSpanId"), span);
  EXPECT_EQ(spans[0].at("name"), "/v2/models/m/infer");
  const auto at = [](const Json& s, const char* key) { return std::stoull(s.at(key).get<std::string>()); };
  std::uint64_t last = at(spans[0], "startTimeUnixNano");
  for (std::size_t i = 1; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].at("parentSpanId"), spans[0].at("spanId"));
    EXPECT_EQ(spans[i].at("name"), kPhaseNames[i - 1]);
    EXPECT_EQ(at(spans[i], "startTimeUnixNano"), last);
    last = at(spans[i], "endTimeUnixNano");
  }
  EXPECT_EQ(last, at(spans[0], "endTimeUnixNano"));
  for (int i = 0; i < 10; ++i) f.infer();
  EXPECT_EQ(f.traces().size(), 1u + 5) << "one in two";
  f.service.observer.tracing.left = 2;
  for (int i = 0; i < 10; ++i) f.infer();
  EXPECT_EQ(f.traces().size(), 6u + 2) << "and no more than were asked for";
}

TEST(Observer, ReadsTheContextThatIsOne) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
  EXPECT_TRUE(parse_traceparent(good + "01")->sampled);
  EXPECT_FALSE(parse_traceparent(good + "02")->sampled);
  EXPECT_TRUE(parse_traceparent("cc" + good.substr(2) + "0f-what comes later")->sampled);
  for (const std::string& bad :
       std::vector<std::string>{std::string(), good, good + "0", good + "0g", good + "01-x",
                                "ff" + good.substr(2) + "01", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", std::string(60, '-')})
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
}

TEST(Observer, SaysWhatCannotBeOpened) {
  try {
    LineFile().open("/nowhere/log");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "'/nowhere/log' cannot be written: No such file or directory");
    EXPECT_EQ(e.hint(), "a file that the server's user may write");
  }
}

TEST(Settings, OfTracesAreReadAndChanged) {
  Observed f;
  const auto post = [&](const std::string& json) {
    return Json::parse(f.body(http_message("POST /v2/trace/setting", json)));
  };
  EXPECT_EQ(Json::parse(f.body("GET /v2/trace/setting HTTP/1.1\r\n\r\n")).at("trace_rate"), "2");
  const Json now = post(R"({"trace_level":["OFF"],"trace_rate":"5","trace_count":"7"})");
  EXPECT_EQ(now.at("trace_level"), Json::parse(R"(["OFF"])"));
  EXPECT_EQ(f.service.observer.tracing.rate, 5);
  f.infer();
  EXPECT_TRUE(f.traces().empty());
  EXPECT_EQ(post(R"({"trace_rate":null,"trace_count":null,"trace_level":null})").at("trace_rate"), "1000");
  EXPECT_TRUE(f.service.observer.tracing.on);
  const std::pair<const char*, const char*> refused[] = {
      {R"({"trace_level":"TENSORS"})", "trace_level is 'TENSORS': OFF and TIMESTAMPS are what there is"},
      {R"({"trace_rate":"0"})", "trace_rate is '0', and no number from 1 on"},
      {R"({"trace_rate":"9x"})", "trace_rate is '9x', and no number from 1 on"},
      {R"({"trace_file":"/etc/passwd"})", "trace_file is what it was at the start"},
      {R"({"rate":"1"})", "there is no trace setting 'rate'"},
      {R"({"trace_rate":1})", "a trace setting is a string, a list of strings, or null"},
      {"[]", "the body is no JSON object"}};
  for (const auto& [json, words] : refused) EXPECT_EQ(post(json).at("error"), words);
  Service bare({});
  try {
    change_trace(bare.observer, {{"trace_level", {"TIMESTAMPS"}}});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), "the server was started without a file for traces");
  }
}

TEST(Settings, OfTheLogAreReadAndChanged) {
  Observed f;
  set_log_level(LogLevel::warning);
  const auto post = [&](const std::string& json) {
    return Json::parse(f.body(http_message("POST /v2/logging", json)));
  };
  EXPECT_EQ(
      Json::parse(f.body("GET /v2/logging HTTP/1.1\r\n\r\n")),
      Json::parse(
          R"({"log_error":true,"log_file":"","log_format":"default","log_info":false,"log_verbose_level":0,"log_warning":true})"));
  EXPECT_EQ(post(R"({"log_info":true})").at("log_info"), true);
  EXPECT_TRUE(log_enabled(LogLevel::info));
  EXPECT_EQ(post(R"({"log_verbose_level":1})").at("log_verbose_level"), 1);
  EXPECT_EQ(post(R"({"log_verbose_level":0,"log_info":false,"log_warning":false})").at("log_warning"), false);
  const std::pair<const char*, const char*> refused[] = {
      {R"({"log_info":true})", "log_info wants log_warning, which wants log_error; log_verbose_level wants all three"},
      {R"({"log_file":"/tmp/x"})", "log_file cannot be changed: the log goes to where the server was started"},
      {R"({"log_info":1})", "log_info is no boolean"},
      {R"({"log_verbose_level":true})", "log_verbose_level is no number from 0 on"},
      {R"({"log_all":true})", "there is no log setting 'log_all'"},
      {R"({"log_info":-1})", "log setting 'log_info' is neither a boolean, a string nor a number"}};
  for (const auto& [json, words] : refused) EXPECT_EQ(post(json).at("error"), words);
  set_log_level(LogLevel::warning);
}

}  // namespace
}  // namespace monza::serve
