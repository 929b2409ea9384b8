// Pictures through KServe v2: a model whose tensors are BYTES, each element a file, as Triton's clients send them.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipelines/vision_tasks.h"
#include "serve/bytes_tensor.h"
#include "serve/json_out.h"
#include "serve/request_error.h"

namespace monza::pipelines {
namespace {

using serve::fail_with;
using Json = nlohmann::json;

constexpr std::size_t kMaxPictures = 16;

class MetadataTask final : public serve::Task {
 public:
  explicit MetadataTask(const std::string& name) {
    text_ = "{\"name\":";
    serve::append_json_string(text_, name);
    text_ +=
        R"(,"versions":["1"],"platform":"monza","inputs":[{"name":"image","datatype":"BYTES","shape":[-1]}],"outputs":[)"
        R"({"name":"objects","datatype":"BYTES","shape":[-1]},{"name":"picture","datatype":"BYTES","shape":[-1]}]})";
  }
  const char* method() const override { return "GET"; }
  serve::Answer answer(const serve::TaskRequest&) const override { return {200, text_, "application/json", ""}; }

 private:
  std::string text_;
};

class ReadyTask final : public serve::Task {
 public:
  const char* method() const override { return "GET"; }
  serve::Answer answer(const serve::TaskRequest&) const override { return {200, "", "text/plain", ""}; }
};

/// What a request asks for.
struct Asked {
  std::string id;
  std::vector<std::string_view> files;
  std::vector<std::string> outputs;
};

std::vector<std::string_view> elements_of(std::string_view tensor) {
  std::vector<std::string_view> elements;
  while (!tensor.empty()) {
    if (elements.size() == kMaxPictures) fail_with(400, "input 'image' has more than {} pictures", kMaxPictures);
    elements.push_back(serve::take_bytes_element(tensor, "image"));
  }
  return elements;
}

Asked read(const serve::TaskRequest& request) {
  const std::string_view body = request.body;
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < 8; };
  const std::size_t json_bytes = std::min(request.json_bytes, body.size());
  const Json json = Json::parse(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(json_bytes), shallow, false);
  if (!json.is_object()) fail_with(400, "the request is no JSON object");
  Asked asked;
  try {
    asked.id = json.value("id", "");
    const Json& inputs = json.at("inputs");
    if (inputs.size() != 1 || inputs.at(0).at("name") != "image" || inputs.at(0).at("datatype") != "BYTES")
      fail_with(400, "the model takes one input: 'image', BYTES, a picture file in each element");
    if (inputs.at(0).contains("data")) fail_with(400, "picture files are sent as binary tensors, not in the JSON");
    asked.files = elements_of(body.substr(json_bytes));
    const Json& shape = inputs.at(0).at("shape");
    if (shape.size() != 1 || shape.at(0) != asked.files.size())
      fail_with(400, "input 'image' has {} elements, which is not its shape", asked.files.size());
    if (json.contains("outputs"))
      for (const Json& output : json.at("outputs")) asked.outputs.push_back(output.at("name").get<std::string>());
  } catch (const Json::exception&) {
    fail_with(400, "the request is none of KServe v2");
  }
  if (asked.outputs.empty()) asked.outputs = {"objects"};
  for (const std::string& name : asked.outputs)
    if (name != "objects" && name != "picture") fail_with(400, "the model has no output '{}'", name);
  return asked;
}

class InferTask final : public serve::Task {
 public:
  InferTask(std::string name, PictureModelPtr model) : name_(std::move(name)), model_(std::move(model)) {}
  std::uint64_t max_body() const override { return kMaxPictureFile; }
  serve::Answer answer(const serve::TaskRequest& request) const override {
    const Asked asked = read(request);
    const bool draw = std::find(asked.outputs.begin(), asked.outputs.end(), "picture") != asked.outputs.end();
    std::string objects, pictures;
    for (const std::string_view file : asked.files) {
      const PictureModel::Seen seen = model_->see(file, "", draw ? "jpeg" : "");
      serve::append_bytes_element(objects, seen.json);
      if (draw) serve::append_bytes_element(pictures, seen.picture);
    }
    serve::Answer answer{200, "{\"model_name\":", "application/octet-stream", ""};
    serve::append_json_string(answer.body, name_);
    answer.body += ",\"model_version\":\"1\",\"id\":";
    serve::append_json_string(answer.body, asked.id);
    answer.body += ",\"outputs\":[";
    for (const std::string& name : asked.outputs) {
      const std::string& tensor = name == "objects" ? objects : pictures;
      fmt::format_to(
          std::back_inserter(answer.body),
          "{}{{\"name\":\"{}\",\"datatype\":\"BYTES\",\"shape\":[{}],\"parameters\":{{\"binary_data_size\":{}}}}}",
          answer.body.back() == '[' ? "" : ",", name, asked.files.size(), tensor.size());
      answer.binary += tensor;
    }
    answer.body += "]}";
    return answer;
  }

 private:
  const std::string name_;
  const PictureModelPtr model_;
};

}  // namespace

void add_picture_model(serve::Service& service, const std::string& name, const PictureModelPtr& model) {
  for (const std::string& path : {"/v2/models/" + name, "/v2/models/" + name + "/versions/1"}) {
    service.add_task(path, std::make_shared<MetadataTask>(name));
    service.add_task(path + "/ready", std::make_shared<ReadyTask>());
    service.add_task(path + "/infer", std::make_shared<InferTask>(name, model));
  }
}

}  // namespace monza::pipelines
