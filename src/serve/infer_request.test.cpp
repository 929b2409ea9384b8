// The reader of inference requests: what it takes, what it refuses in which words, and bytes that are no request.
#include "serve/infer_request.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "serve/request_error.h"

namespace monza::serve {
namespace {

template <typename T>
std::vector<T> elements(const RequestedInput& input) {
  std::vector<T> values(input.data.size() / sizeof(T));
  std::memcpy(values.data(), input.data.data(), input.data.size());
  return values;
}

/// What is said of a request; "" when it is taken.
std::string words_of(const std::string& json) {
  try {
    (void)parse_infer_request(json);
    return "";
  } catch (const RequestError& e) {
    return std::to_string(e.status()) + " " + e.fact();
  }
}

/// A request with one input whose fields these are.
std::string with_input(const std::string& fields) { return "{\"inputs\":[{" + fields + "}]}"; }
std::string with_data(const std::string& type, const std::string& data) {
  return with_input("\"name\":\"x\",\"shape\":[2],\"datatype\":\"" + type + "\",\"data\":" + data);
}

TEST(InferRequest, ReadsWhatAClientSays) {
  const InferRequest r = parse_infer_request(R"({
    "id": "a\"1", "parameters": {"binary_data_output": true, "timeout": 5000, "monza_times": true, "sequence_id": 0,
      "sequence_start": false, "priority": 0, "unknown": {"a": [1, null]}},
    "inputs": [
      {"name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}},
      {"name": "n", "shape": [2], "datatype": "INT64", "data": [-1, 9007199254740993]}],
    "outputs": [{"name": "y", "parameters": {"binary_data": false}}, {"name": "z"}], "else": 1.5})");
  EXPECT_EQ(r.id, "a\"1");
  EXPECT_TRUE(r.binary_outputs);
  EXPECT_TRUE(r.times);
  EXPECT_EQ(r.timeout_us, 5000);
  ASSERT_EQ(r.inputs.size(), 2u);
  EXPECT_EQ(r.inputs[0].dtype, DType::f32);
  EXPECT_EQ(r.inputs[0].shape, (Shape{2, 3}));
  EXPECT_EQ(r.inputs[0].binary_bytes, 24);
  EXPECT_EQ(elements<std::int64_t>(r.inputs[1]), (std::vector<std::int64_t>{-1, 9007199254740993}));
  ASSERT_EQ(r.outputs.size(), 2u);
  EXPECT_TRUE(r.outputs[0].binary_said && !r.outputs[0].binary);
  EXPECT_FALSE(r.outputs[1].binary_said);
}

TEST(InferRequest, TakesDataBeforeItsTypeAndInRows) {
  const InferRequest r = parse_infer_request(
      R"({"inputs":[{"data":[[1,2.5],[3,-4e1]],"shape":[2,2],"datatype":"FP32","name":"x"},
                    {"name":"b","datatype":"BOOL","shape":[3],"data":[true,false,1]},
                    {"data":[1],"name":"h","datatype":"FP16","shape":[1]}]})");
  EXPECT_EQ(elements<float>(r.inputs[0]), (std::vector<float>{1, 2.5, 3, -40}));
  EXPECT_EQ(elements<std::uint8_t>(r.inputs[1]), (std::vector<std::uint8_t>{1, 0, 1}));
  EXPECT_EQ(elements<std::uint16_t>(r.inputs[2]), (std::vector<std::uint16_t>{0x3C00}));
}

TEST(InferRequest, ElementsFitTheirTypes) {
  for (const auto& [type, data] :
       {std::pair("INT8", "[-128,127]"), std::pair("UINT8", "[0,255]"), std::pair("INT16", "[-32768,32767]"),
        std::pair("UINT16", "[0,65535]"), std::pair("INT32", "[-2147483648,2147483647]"),
        std::pair("UINT32", "[0,4294967295]"), std::pair("INT64", "[-9223372036854775808,9223372036854775807]"),
        std::pair("UINT64", "[0,18446744073709551615]"), std::pair("FP64", "[1e308,-0.0]"),
        std::pair("FP32", "[18446744073709551615,1]")})
    EXPECT_EQ(words_of(with_data(type, data)), "") << type;
  EXPECT_EQ(words_of(with_data("INT8", "[128]")), "400 input 'x' is INT8, and its data holds 128");
  EXPECT_EQ(words_of(with_data("INT8", "[-129]")), "400 input 'x' is INT8, and its data holds -129");
  EXPECT_EQ(words_of(with_data("UINT32", "[4294967296]")), "400 input 'x' is UINT32, and its data holds 4294967296");
  EXPECT_EQ(words_of(with_data("UINT64", "[-1]")), "400 input 'x' is UINT64, and its data holds -1");
  EXPECT_EQ(words_of(with_data("INT64", "[18446744073709551615]")),
            "400 input 'x' is INT64, and its data holds 18446744073709551615");
  EXPECT_EQ(words_of(with_data("INT32", "[1.5]")), "400 input 'x' is INT32, and its data holds 1.5");
  EXPECT_EQ(words_of(with_data("FP32", "[true]")), "400 input 'x' is FP32, and its data holds a boolean");
  EXPECT_EQ(words_of(with_data("BOOL", "[2]")), "400 input 'x' is BOOL, and its data holds a number");
  EXPECT_EQ(words_of(with_data("FP32", "[\"1\"]")), "400 input 'x' is FP32, and its data holds a string");
  EXPECT_EQ(words_of(with_data("FP32", "[null]")), "400 null is not what belongs at 'data'");
}

TEST(InferRequest, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "400 the request is no JSON: an error at byte 1"},
      {"{\"inputs\":[", "400 the request is no JSON: an error at byte 12"},
      {"[]", "400 a list is not what belongs at the top of the request"},
      {"3", "400 a number is not what belongs at the top of the request"},
      {"{\"inputs\":3}", "400 a number is not what belongs at 'inputs'"},
      {"{\"inputs\":[3]}", "400 a number is not what belongs at 'inputs'"},
      {"{\"inputs\":[[]]}", "400 a list is not what belongs at 'inputs'"},
      {"{\"inputs\":[],\"inputs\":[]}", "400 'inputs' comes twice"},
      {"{\"outputs\":[\"y\"]}", "400 a string is not what belongs at 'outputs'"},
      {"{\"outputs\":[{}]}", "400 an output has no name"},
      {"{\"id\":7}", "400 a number is not what belongs at 'id'"},
      {with_input("\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"), "400 an input has no name"},
      {with_input("\"name\":\"x\",\"shape\":[1],\"data\":[1]"), "400 input 'x' has no datatype"},
      {with_input("\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1]"),
       "400 input 'x' has neither data nor binary_data_size"},
      {with_input("\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[1],\"parameters\":{\"binary_data_size\":4}"),
       "400 input 'x' has both data and binary_data_size"},
      {with_input("\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[1],\"data\":[2]"),
       "400 'data' comes twice in an input"},
      {with_input("\"name\":\"x\",\"datatype\":\"FP31\""), "400 'FP31' is no datatype"},
      {with_input("\"name\":\"x\",\"shape\":[-1]"), "400 a shape holds -1"},
      {with_input("\"name\":\"x\",\"shape\":[1.5]"), "400 a fraction is not what belongs at 'shape'"},
      {with_input("\"name\":\"x\",\"shape\":[18446744073709551615]"), "400 'shape' is 18446744073709551615: too large"},
      {with_input("\"name\":\"x\",\"shape\":[1,1,1,1,1,1,1,1,1]"), "400 a shape has more than 8 dimensions"},
      {with_input("\"name\":\"x\",\"parameters\":{\"binary_data_size\":-4}"), "400 binary_data_size is -4"},
      {with_input("\"name\":\"x\",\"parameters\":{\"binary_data_size\":\"4\"}"),
       "400 parameter 'binary_data_size' has a value of the wrong kind"},
      {"{\"parameters\":{\"timeout\":-1}}", "400 timeout is -1"},
      {with_input("\"name\":\"a\\u0007b\",\"shape\":[1],\"data\":[1]"), "400 input 'a\\x07b' has no datatype"},
      {with_input("\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[1],\"parameters\":{\"shared_memory_region\":\"r\"}"),
       "400 input 'x' has both data and shared memory"},
      {with_input("\"name\":\"x\",\"parameters\":{\"shared_memory_offset\":-1}"), "400 shared_memory_offset is -1"},
      {with_input("\"name\":\"x\",\"parameters\":{\"shared_memory_byte_size\":\"4\"}"),
       "400 parameter 'shared_memory_byte_size' has a value of the wrong kind"},
      {"{\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":-3}}]}", "400 classification is -3"},
      {"{\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3,\"shared_memory_region\":\"r\"}}]}",
       "400 output 'y' is asked for as classes and in shared memory"},
      // what the protocol knows and this server does not do
      {"{\"parameters\":{\"sequence_id\":3}}",
       "501 sequences are not supported: this model keeps no state between requests"},
      {"{\"parameters\":{\"priority\":-3}}", "400 priority is -3"},
      {with_data("BYTES", "[\"a\",7]"), "400 input 'x' is BYTES, and its data holds no string"},
  };
  for (const auto& [json, words] : cases) EXPECT_EQ(words_of(json), words) << json;
  std::string inputs, outputs;
  for (std::size_t i = 0; i <= kMaxTensors; ++i) {
    inputs += std::string(i > 0 ? "," : "") + "{}";
    outputs += std::string(i > 0 ? "," : "") + "{}";
  }
  EXPECT_EQ(words_of("{\"inputs\":[" + inputs + "]}"), "400 the request has more than 1024 inputs");
  EXPECT_EQ(words_of("{\"outputs\":[" + outputs + "]}"), "400 the request has more than 1024 outputs");
}

TEST(InferRequest, DeepAndLongJsonCostsLittle) {
  const std::string deep(1 << 20, '[');
  EXPECT_EQ(words_of("{\"a\":" + deep).substr(0, 27), "400 the request is no JSON:");
  EXPECT_EQ(words_of(with_data("FP32", deep)).substr(0, 27), "400 the request is no JSON:");
}

/// Valid requests with bytes changed, cut and repeated: an answer or a refusal, whatever they are.
TEST(InferRequest, TakesAnyBytes) {
  const std::string seeds[] = {
      R"({"id":"7","parameters":{"binary_data_output":true,"timeout":1},"inputs":[{"name":"x","shape":[2,3],)"
      R"("datatype":"FP32","parameters":{"binary_data_size":24}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})",
      R"({"inputs":[{"data":[[1,2.5],[true,"\u00e9"]],"shape":[2,2],"datatype":"INT64","name":"x"}]})"};
  std::mt19937 random(1);
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string json = seeds[random() % 2];
    for (int changes = static_cast<int>(random() % 4); changes >= 0; --changes) {
      const std::size_t at = random() % json.size();
      switch (random() % 4) {
        case 0: json[at] = static_cast<char>(random()); break;
        case 1: json.erase(at, random() % 8); break;
        case 2: json.insert(at, json.substr(random() % json.size(), random() % 16)); break;
        default: json[at] = "{}[]\",:0-9eE.tfn"[random() % 16];
      }
      if (json.empty()) json = "x";
    }
    const std::string said = words_of(json);
    taken += said.empty() ? 1 : 0;
    ASSERT_TRUE(said.empty() || said.starts_with("400 ") || said.starts_with("501 ")) << said << "\n" << json;
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace monza::serve
