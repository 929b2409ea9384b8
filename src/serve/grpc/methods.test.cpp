// Methods and inferences over gRPC as messages: what is answered, refused and broken.
#include "serve/grpc/methods.h"

#include <gtest/gtest.h>

#include <random>

#include "inference.pb.h"
#include "monza/error.h"
#include "serve/bytes_tensor.h"
#include "serve/grpc/inference.h"
#include "serve/request_error.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {

using test::bytes_of;

/// `negate`: rows of two floats in batches of four.
struct Fixture {
  explicit Fixture(const SchedulerOptions& options = {}) : service(options) {
    plan::PlanScope scope;
    scope.profile["batch"] = {1, 4, 4};
    const Engine engine = test::engine_from_text(R"(graph "main" (%x: f32[batch,2]) {
  %y = Neg(%x)
  return (y: %y)
})",
                                                 scope)
                              .engine;
    service.add(std::make_shared<ServedModel>("negate", engine, BatchRule{}), {});
  }
  template <typename Message>
  Message ask(std::string_view method, const google::protobuf::Message& request = rpc::ModelRequest()) {
    Message message;
    const std::string path = "/inference.GRPCInferenceService/" + std::string(method);
    EXPECT_TRUE(message.ParseFromString(answer_rpc(service, path, request.SerializeAsString())));
    return message;
  }
  Service service;
};

rpc::ModelRequest named(const char* name, const char* version = "") {
  rpc::ModelRequest request;
  request.set_name(name);
  request.set_version(version);
  return request;
}

TEST(GrpcMethods, TellWhatIsServed) {
  Fixture f;
  EXPECT_TRUE(f.ask<rpc::LiveResponse>("ServerLive").live());
  EXPECT_TRUE(f.ask<rpc::ReadyResponse>("ServerReady").ready());
  EXPECT_TRUE(f.ask<rpc::ReadyResponse>("ModelReady", named("negate", "1")).ready());
  EXPECT_FALSE(f.ask<rpc::ReadyResponse>("ModelReady", named("none")).ready());
  EXPECT_EQ(f.ask<rpc::ServerMetadataResponse>("ServerMetadata").name(), "monza");
  const auto metadata = f.ask<rpc::ModelMetadataResponse>("ModelMetadata", named("negate"));
  ASSERT_EQ(metadata.inputs_size(), 1);
  EXPECT_EQ(metadata.inputs(0).ShortDebugString(), R"(name: "x" datatype: "FP32" shape: -1 shape: 2)");
  const auto config = f.ask<rpc::ModelConfigResponse>("ModelConfig", named("negate")).config();
  EXPECT_EQ(config.max_batch_size(), 4);
  EXPECT_EQ(config.output(0).ShortDebugString(), R"(name: "y" data_type: TYPE_FP32 dims: 2)");
  EXPECT_EQ(f.ask<rpc::ModelStatisticsResponse>("ModelStatistics").model_stats_size(), 1);
  EXPECT_EQ(f.ask<rpc::IndexResponse>("RepositoryIndex").models(0).state(), "READY");
  f.service.draining = true;
  EXPECT_FALSE(f.ask<rpc::ReadyResponse>("ServerReady").ready());
}

TEST(GrpcMethods, RefuseWithAStatus) {
  Fixture f;
  const auto said = [&](std::string_view method, std::string_view request) {
    try {
      (void)answer_rpc(f.service, method, request);
    } catch (const RequestError& e) {
      return std::to_string(rpc_code(e.status())) + " " + e.fact();
    }
    return std::string();
  };
  const std::string service = "/inference.GRPCInferenceService/";
  EXPECT_EQ(said(service + "ModelMetadata", named("none").SerializeAsString()), "5 there is no model 'none'");
  EXPECT_EQ(said(service + "ModelMetadata", named("negate", "7").SerializeAsString()),
            "5 model 'negate' has no version '7': its latest is 1");
  EXPECT_EQ(said(service + "ModelMetadata", "\x0A\x7F"), "3 the request is not what the method takes");
  EXPECT_EQ(said(service + "CudaSharedMemoryStatus", ""), "12 this extension is not supported");
  EXPECT_EQ(said(service + "NoSuchMethod", ""), "12 there is no method '/inference.GRPCInferenceService/NoSuchMethod'");
  EXPECT_EQ(said("/other.Service/ModelInfer", ""), "12 there is no method '/other.Service/ModelInfer'");
  EXPECT_EQ(said("", ""), "12 there is no method ''");
}

/// A ModelInferRequest for `negate`, of rows of two floats.
std::string infer_message(const std::string& head_text, const std::vector<std::string>& raw) {
  rpc::InferRequestHead head;
  head.set_model_name("negate");
  rpc::Tensor& x = *head.add_inputs();
  x.set_name("x");
  x.set_datatype("FP32");
  x.add_shape(2);
  x.add_shape(2);
  rpc::InferRequestHead more;
  EXPECT_TRUE(more.ParseFromString(head_text));
  head.MergeFrom(more);
  std::string message = head.SerializeAsString();
  for (const std::string& bytes : raw) message += "\x3A" + std::string(1, static_cast<char>(bytes.size())) + bytes;
  return message;
}

/// What becomes of a message that comes in pieces of that many bytes.
RpcInference::Result infer(Service& service, const std::string& message, std::size_t piece = SIZE_MAX) {
  std::atomic<bool> done{false};
  RpcInference inference(
      service,
      [](void* user, RpcInference&) noexcept {
        auto& flag = *static_cast<std::atomic<bool>*>(user);
        flag.store(true);
        flag.notify_one();
      },
      &done);
  Pieces pieces;
  for (std::string_view rest = message; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
    pieces.push_back(rest.substr(0, piece));
  inference.begin(pieces, Clock::time_point::max());
  done.wait(false);
  return inference.result();
}

TEST(GrpcMethods, ReadAndChangeSettings) {
  Fixture f;
  EXPECT_EQ(f.ask<rpc::TraceSettingMessage>("TraceSetting").settings().at("trace_level").value(0), "OFF");
  rpc::TraceSettingMessage rate;
  (*rate.mutable_settings())["trace_rate"].add_value("7");
  EXPECT_EQ(f.ask<rpc::TraceSettingMessage>("TraceSetting", rate).settings().at("trace_rate").value(0), "7");
  rate.set_model_name("negate");
  try {
    (void)answer_rpc(f.service, "/inference.GRPCInferenceService/TraceSetting", rate.SerializeAsString());
    ADD_FAILURE();
  } catch (const RequestError& e) {
    EXPECT_EQ(e.fact(), "traces have no settings for each model");
  }
  rpc::LogSettingsMessage log;
  (*log.mutable_settings())["log_info"].set_bool_param(true);
  EXPECT_TRUE(f.ask<rpc::LogSettingsMessage>("LogSettings", log).settings().at("log_info").bool_param());
  (*log.mutable_settings())["log_info"].set_bool_param(false);
  EXPECT_EQ(f.ask<rpc::LogSettingsMessage>("LogSettings", log).settings().at("log_verbose_level").uint32_param(), 0u);
  EXPECT_EQ(need_of_rpc("/inference.GRPCInferenceService/LogSettings"), Access::Need::admin);
}

TEST(GrpcInference, ComputesRawTensorsInAnyPieces) {
  Fixture f;
  const std::string message = infer_message("", {bytes_of<float>({1, 2, 3, 4})});
  for (std::size_t piece = 1; piece <= message.size(); ++piece) {
    const RpcInference::Result result = infer(f.service, message, piece);
    ASSERT_EQ(result.status, 200) << result.words;
    ASSERT_TRUE(result.message.ends_with("\x32\x10" + bytes_of<float>({-1, -2, -3, -4}))) << piece;
    rpc::InferResponseHead head;
    ASSERT_TRUE(head.ParseFromString(result.message));
    EXPECT_EQ(head.outputs(0).ShortDebugString(), R"(name: "y" datatype: "FP32" shape: 2 shape: 2)");
  }
}

TEST(GrpcInference, ComputesWrittenOutTensors) {
  Fixture f;
  rpc::InferRequestHead head;
  head.set_model_name("negate");
  head.set_id("r-1");
  (*head.mutable_parameters())["monza_times"].set_bool_param(true);
  rpc::Tensor& x = *head.add_inputs();
  x.set_name("x");
  x.set_datatype("FP32");
  x.add_shape(1);
  x.add_shape(2);
  x.mutable_contents()->add_fp32_contents(5);
  x.mutable_contents()->add_fp32_contents(-6);
  head.add_outputs()->set_name("y");
  const RpcInference::Result result = infer(f.service, head.SerializeAsString());
  ASSERT_EQ(result.status, 200) << result.words;
  EXPECT_TRUE(result.message.ends_with(bytes_of<float>({-5, 6})));
  rpc::InferResponseHead answer;
  ASSERT_TRUE(answer.ParseFromString(result.message));
  EXPECT_EQ(answer.id(), "r-1");
  EXPECT_EQ(answer.parameters().at("batch_rows").int64_param(), 1);
}

TEST(GrpcInference, RefusesWhatIsWrong) {
  Fixture f;
  const auto said = [&](const std::string& message) {
    const RpcInference::Result result = infer(f.service, message);
    return std::to_string(result.status) + " " + result.words;
  };
  const std::string row = bytes_of<float>({1, 2, 3, 4});
  EXPECT_EQ(said("\xFF"), "400 the request is no ModelInferRequest");
  EXPECT_EQ(said(infer_message("", {})), "400 input 'x' of shape [2,2] takes 16 bytes, and the request has 0");
  EXPECT_EQ(said(infer_message("", {row, row})), "400 the request has 2 raw_input_contents, and 1 inputs");
  EXPECT_EQ(said(infer_message("", {row.substr(4)})),
            "400 input 'x' of shape [2,2] takes 16 bytes, and the request has 12");
  rpc::InferRequestHead more;
  more.set_model_name("none");
  EXPECT_EQ(said(infer_message(more.SerializeAsString(), {row})), "404 there is no model 'none'");
  more.Clear();
  (*more.mutable_parameters())["sequence_id"].set_int64_param(7);
  EXPECT_EQ(said(infer_message(more.SerializeAsString(), {row})),
            "501 sequences are not supported: this model keeps no state between requests");
  more.Clear();
  more.add_inputs()->set_name("w");
  more.mutable_inputs(0)->set_datatype("FP32");
  EXPECT_EQ(said(infer_message(more.SerializeAsString(), {row})),
            "400 the request has 1 raw_input_contents, and more inputs");
  more.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  EXPECT_EQ(said(infer_message(more.SerializeAsString(), {row})),
            "400 input 'w' has contents beside raw_input_contents");
  rpc::InferRequestHead half;
  half.set_model_name("negate");
  half.add_inputs()->set_name("x");
  half.mutable_inputs(0)->set_datatype("FP16");
  EXPECT_EQ(said(half.SerializeAsString()),
            "400 input 'x' is FP16, which the protocol takes in raw_input_contents alone");
  more.Clear();
  more.add_outputs()->set_name("z");
  EXPECT_EQ(said(infer_message(more.SerializeAsString(), {row})), "400 the model has no output 'z'");
  // A length beyond the message, and a tensor that claims more than there is.
  EXPECT_EQ(said("\x3A\xFF\xFF\xFF\xFF\x07"), "400 the request is no ModelInferRequest");
  // Half a million inputs of two bytes each would be as many objects.
  std::string many;
  for (int i = 0; i < 500'000; ++i) many += std::string("\x2A\x00", 2);
  EXPECT_EQ(said(many), "400 the request has more than 2048 tensors");
}

TEST(GrpcInference, LimitsWhatIsWrittenOut) {
  Fixture f;
  rpc::InferRequestHead head;
  head.set_model_name("negate");
  rpc::Tensor& x = *head.add_inputs();
  x.set_name("x");
  x.set_datatype("INT8");
  x.mutable_contents()->add_int_contents(-129);
  EXPECT_EQ(infer(f.service, head.SerializeAsString()).words, "input 'x' is INT8, and its contents hold -129");
  head.set_id(std::string((16 << 20) + 1, 'i'));
  EXPECT_EQ(infer(f.service, head.SerializeAsString()).words, "what is not raw_input_contents is more than 16 MiB");
}

TEST(GrpcInference, ComputesStringsInBothForms) {
  Fixture f;
  const Engine engine =
      test::engine_from_text("graph \"main\" (%x: string[2]) {\n  %y = StringConcat(%x, %x)\n  return (y: %y)\n}")
          .engine;
  f.service.add(std::make_shared<ServedModel>("twice", engine, BatchRule{}), {});
  EXPECT_EQ(f.ask<rpc::ModelConfigResponse>("ModelConfig", named("twice")).config().input(0).ShortDebugString(),
            R"(name: "x" data_type: TYPE_STRING dims: 2)");
  rpc::InferRequestHead head;
  head.set_model_name("twice");
  rpc::Tensor& x = *head.add_inputs();
  x.set_name("x");
  x.set_datatype("BYTES");
  x.add_shape(2);
  std::string tensor, wanted;
  for (const char* element : {"abc", ""}) append_bytes_element(tensor, element);
  for (const char* element : {"abcabc", ""}) append_bytes_element(wanted, element);
  const std::string raw = head.SerializeAsString() + "\x3A\x0B" + tensor;
  for (std::size_t piece = 1; piece <= raw.size(); ++piece) {
    const RpcInference::Result result = infer(f.service, raw, piece);
    ASSERT_EQ(result.status, 200) << result.words;
    EXPECT_TRUE(result.message.ends_with("\x32\x0E" + wanted)) << piece;
  }
  for (const char* element : {"abc", ""}) x.mutable_contents()->add_bytes_contents(element);
  EXPECT_TRUE(infer(f.service, head.SerializeAsString()).message.ends_with("\x32\x0E" + wanted));
  x.mutable_contents()->add_bytes_contents("more");
  EXPECT_EQ(infer(f.service, head.SerializeAsString()).words, "input 'x' has more elements than its shape");
}

TEST(GrpcInference, IsCancelledWhileItWaits) {
  Fixture f({.max_delay = std::chrono::hours(1), .inline_limit = std::chrono::microseconds(0)});
  int ends = 0;
  RpcInference inference(f.service, [](void* user, RpcInference&) noexcept { ++*static_cast<int*>(user); }, &ends);
  const std::string message = infer_message("", {bytes_of<float>({1, 2, 3, 4})});
  inference.begin({message}, Clock::time_point::max());
  EXPECT_EQ(ends, 0);
  inference.cancel();
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(inference.result().status, 499);
  EXPECT_EQ(inference.result().words, "the request was cancelled");
  inference.cancel();  // it has ended
  EXPECT_EQ(ends, 1);
}

TEST(GrpcInference, SurvivesDamage) {
  Fixture f;
  std::mt19937 random(1);
  const std::string good = infer_message("", {bytes_of<float>({1, 2, 3, 4})});
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good.substr(0, random() % (good.size() + 1));
    for (int k = 0; k < 3 && !bad.empty(); ++k) bad[random() % bad.size()] = static_cast<char>(random());
    (void)infer(f.service, bad, 1 + random() % 40);
  }
  EXPECT_EQ(infer(f.service, good).status, 200);
}

}  // namespace
}  // namespace monza::serve
