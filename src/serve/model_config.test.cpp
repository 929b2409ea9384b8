// config.pbtxt: what is read of it, what is refused by name, and what is not as in the model.
#include "serve/model_config.h"

#include <gtest/gtest.h>

#include "monza/error.h"
#include "support/engine_from_text.h"

namespace monza::serve {
namespace {

std::string said_of(const std::string& text) {
  try {
    (void)parse_model_config(text, "m");
  } catch (const Error& e) {
    return e.fact() + (e.hint().empty() ? "" : "; " + e.hint());
  }
  return "";
}

TEST(ModelConfig, ReadsWhatIsHonoured) {
  const ModelConfig c = parse_model_config(R"(
name: "m" platform: "onnxruntime_onnx" max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] } ]
output [ { name: "y" data_type: TYPE_INT64 dims: [ 1 ] } ]
default_model_filename: "net.onnx"
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching {
  preferred_batch_size: [ 2, 4 ]
  max_queue_delay_microseconds: 300
  priority_levels: 3 default_priority_level: 2
  default_queue_policy { max_queue_size: 5 default_timeout_microseconds: 700 }
}
version_policy: { latest { num_versions: 2 } }
)",
                                           "m");
  EXPECT_EQ(c.rows, 8);
  EXPECT_EQ(c.file, "net.onnx");
  EXPECT_EQ(c.inputs.at(0).dims, (std::vector<std::int64_t>{3, -1}));
  EXPECT_EQ(c.outputs.at(0).dtype, DType::i64);
  EXPECT_EQ(c.policy.delay, std::chrono::microseconds(300));
  EXPECT_EQ(c.policy.preferred_rows, 4);
  EXPECT_EQ(c.policy.usual_priority, 2);
  EXPECT_EQ(c.policy.max_queue, 5);
  EXPECT_EQ(c.policy.timeout_us, 700);
  EXPECT_EQ(c.latest, 2);
  EXPECT_EQ(parse_model_config("version_policy { all {} }", "m").latest, 0);
  EXPECT_EQ(parse_model_config("version_policy { specific { versions: [3, 1] } }", "m").versions,
            (std::vector<std::int64_t>{3, 1}));
}

TEST(ModelConfig, RefusesByName) {
  EXPECT_EQ(said_of("name: \"m\"\nensemble_scheduling { }"),
            "config.pbtxt, line 2: Message type \"ModelConfig\" has no field named \"ensemble_scheduling\".; "
            "docs/howto/serve-models.md lists the fields that are honoured");
  EXPECT_EQ(said_of("sequence_batching { }").substr(0, 20), "config.pbtxt, line 1");
  EXPECT_EQ(said_of("input [").substr(0, 20), "config.pbtxt, line 1");
  EXPECT_EQ(said_of("name: \"n\""), "config.pbtxt calls the model 'n', and its folder is 'm'");
  EXPECT_EQ(said_of("backend: \"python\""),
            "config.pbtxt: no 'python' here; serve ONNX and engine files: backend monza or onnxruntime");
  EXPECT_EQ(said_of("max_batch_size: -1"), "config.pbtxt: max_batch_size is -1");
  EXPECT_EQ(said_of("instance_group [ { count: 2 } ]"),
            "config.pbtxt: an instance_group of 2 is not done here; leave it out: one instance has all of the threads");
  EXPECT_EQ(said_of("input [ { name: \"x\" dims: [ 0 ] } ]"), "config.pbtxt: 'x' has a dimension of 0");
  EXPECT_EQ(said_of("dynamic_batching { preferred_batch_size: [ 0 ] }"), "config.pbtxt: preferred_batch_size is 0");
  EXPECT_EQ(said_of("dynamic_batching { max_queue_delay_microseconds: 9999999999 }"),
            "config.pbtxt: max_queue_delay_microseconds is more than an hour");
  EXPECT_EQ(said_of("dynamic_batching { priority_levels: 1 default_priority_level: 2 }"),
            "config.pbtxt: default_priority_level is 2, of 1 levels");
  EXPECT_EQ(said_of("dynamic_batching { default_queue_policy { timeout_action: DELAY } }"),
            "config.pbtxt: the timeout_action DELAY is not done here; REJECT, or no timeout");
  EXPECT_EQ(said_of("version_policy { specific { versions: [0] } }"), "config.pbtxt: there is no version 0");
}

TEST(ModelConfig, IsComparedWithTheModel) {
  plan::PlanScope scope;
  scope.profile["batch"] = {1, 4, 4};
  const Engine engine =
      test::engine_from_text("graph \"main\" (%x: f32[batch,2]) {\n  %y = Neg(%x)\n  return (y: %y)\n}", scope).engine;
  const auto said = [&](const std::string& text) {
    const ModelConfig config = parse_model_config(text, "m");
    const BatchRule rule{config.rows == -1 ? 0 : std::max<std::int64_t>(1, config.rows)};
    try {
      check_declared(config, ServedModel("m", engine, rule));
    } catch (const Error& e) {
      return e.fact();
    }
    return std::string();
  };
  EXPECT_EQ(said("max_batch_size: 4 input [ { name: \"x\" data_type: TYPE_FP32 dims: [ 2 ] } ]"), "");
  EXPECT_EQ(said("max_batch_size: 1 input [ { name: \"x\" dims: [ 2 ] } ] output [ { name: \"y\" dims: [ -1 ] } ]"),
            "");
  EXPECT_EQ(said("max_batch_size: 0 input [ { name: \"x\" dims: [ -1, 2 ] } ]"), "");
  EXPECT_EQ(said("max_batch_size: 4 input [ { name: \"z\" } ]"),
            "config.pbtxt has the input 'z', and the model has none");
  EXPECT_EQ(said("max_batch_size: 4 output [ { name: \"y\" data_type: TYPE_INT8 } ]"),
            "config.pbtxt: output 'y' is INT8, and in the model FP32");
  EXPECT_EQ(said("max_batch_size: 4 input [ { name: \"x\" dims: [ 3 ] } ]"),
            "config.pbtxt: input 'x' has other dims than in the model");
}

}  // namespace
}  // namespace monza::serve
