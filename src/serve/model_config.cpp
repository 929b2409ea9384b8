#include "serve/model_config.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>

#include "base/error.h"
#include "model_config.pb.h"
#include "serve/datatype.h"

namespace monza::serve {
namespace {

/// The first thing that is wrong.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int /*column*/, const std::string& text) override {
    if (!words.empty()) return;
    std::string plain = text;  // protobuf's words, without the name that the message has in this program
    for (std::size_t at; (at = plain.find("monza.serve.config.")) != plain.npos;) plain.erase(at, 19);
    words = message("config.pbtxt, line {}: {}", line + 1, plain);
  }
  std::string words;
};

DType dtype_of(config::DataType type) {
  if (type == config::TYPE_INVALID) return DType::invalid;
  if (type == config::TYPE_STRING) return DType::string;
  return parse_datatype(config::DataType_Name(type).substr(5));  // without TYPE_
}

template <typename List>
std::vector<ModelConfig::Tensor> tensors_of(const List& list) {
  std::vector<ModelConfig::Tensor> tensors;
  for (const auto& tensor : list) {
    tensors.push_back({tensor.name(), dtype_of(tensor.data_type()), {tensor.dims().begin(), tensor.dims().end()}});
    for (const std::int64_t extent : tensor.dims())
      if (extent < -1 || extent == 0) fail("config.pbtxt: '{}' has a dimension of {}", tensor.name(), extent);
  }
  return tensors;
}

void read_batching(const config::DynamicBatching& batching, QueuePolicy& policy) {
  if (batching.max_queue_delay_microseconds() > 3'600'000'000)
    fail("config.pbtxt: max_queue_delay_microseconds is more than an hour");
  policy.delay = std::chrono::microseconds(batching.max_queue_delay_microseconds());
  for (const int rows : batching.preferred_batch_size()) {
    if (rows < 1) fail("config.pbtxt: preferred_batch_size is {}", rows);
    policy.preferred_rows = std::max<std::int64_t>(policy.preferred_rows, rows);
  }
  if (batching.default_priority_level() > batching.priority_levels())
    fail("config.pbtxt: default_priority_level is {}, of {} levels", batching.default_priority_level(),
         batching.priority_levels());
  if (batching.default_priority_level() > 0)
    policy.usual_priority =
        static_cast<std::int64_t>(std::min<std::uint64_t>(batching.default_priority_level(), INT64_MAX));
  const config::QueuePolicy& queue = batching.default_queue_policy();
  if (queue.timeout_action() == config::QueuePolicy::DELAY)
    fail_hint("REJECT, or no timeout", "config.pbtxt: the timeout_action DELAY is not done here");
  policy.max_queue = static_cast<int>(std::min<std::uint32_t>(queue.max_queue_size(), 1'000'000));
  policy.timeout_us =
      static_cast<std::int64_t>(std::min<std::uint64_t>(queue.default_timeout_microseconds(), INT64_C(1) << 40));
}

void read_versions(const config::VersionPolicy& policy, ModelConfig& read) {
  if (policy.has_all()) read.latest = 0;
  if (policy.has_latest()) read.latest = std::max<std::int64_t>(1, policy.latest().num_versions());
  for (const std::int64_t version : policy.specific().versions()) {
    if (version < 1) fail("config.pbtxt: there is no version {}", version);
    read.versions.push_back(version);
  }
}

}  // namespace

ModelConfig parse_model_config(std::string_view text, std::string_view folder) {
  config::ModelConfig said;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(20);
  if (!parser.ParseFromString(std::string(text), &said))
    fail_hint("docs/howto/serve-models.md lists the fields that are honoured", "{}", error.words);
  if (!said.name().empty() && said.name() != folder)
    fail("config.pbtxt calls the model '{}', and its folder is '{}'", said.name(), folder);
  for (const std::string& kind : {said.platform(), said.backend()})
    if (!kind.empty() && kind != "monza" && kind != "onnxruntime" && kind != "onnxruntime_onnx")
      fail_hint("serve ONNX and engine files: backend monza or onnxruntime", "config.pbtxt: no '{}' here", kind);
  if (said.max_batch_size() < 0) fail("config.pbtxt: max_batch_size is {}", said.max_batch_size());
  for (const config::InstanceGroup& group : said.instance_group())
    if (group.count() > 1)
      fail_hint("leave it out: one instance has all of the threads",
                "config.pbtxt: an instance_group of {} is not done here", group.count());

  ModelConfig read;
  read.written = true;
  read.file = said.default_model_filename();
  read.rows = said.max_batch_size();
  read.inputs = tensors_of(said.input());
  read.outputs = tensors_of(said.output());
  if (said.has_dynamic_batching()) read_batching(said.dynamic_batching(), read.policy);
  read_versions(said.version_policy(), read);
  return read;
}

namespace {

void check_tensors(const std::vector<ModelConfig::Tensor>& declared, const std::vector<Port>& ports, bool without_rows,
                   const char* what) {
  for (const ModelConfig::Tensor& tensor : declared) {
    const auto port =
        std::find_if(ports.begin(), ports.end(), [&](const Port& one) { return one.name == tensor.name; });
    if (port == ports.end()) fail("config.pbtxt has the {} '{}', and the model has none", what, tensor.name);
    if (tensor.dtype != DType::invalid && tensor.dtype != port->dtype)
      fail("config.pbtxt: {} '{}' is {}, and in the model {}", what, tensor.name, datatype_name(tensor.dtype),
           datatype_name(port->dtype));
    const std::vector<std::int64_t> shape = declared_shape(*port, without_rows);
    bool fits = tensor.dims.empty() || tensor.dims.size() == shape.size();
    for (std::size_t a = 0; fits && a < tensor.dims.size(); ++a)
      fits = tensor.dims[a] == -1 || shape[a] == -1 || tensor.dims[a] == shape[a];
    if (!fits) fail("config.pbtxt: {} '{}' has other dims than in the model", what, tensor.name);
  }
}

}  // namespace

void check_declared(const ModelConfig& config, const ServedModel& model) {
  // Without batches max_batch_size is 0, and dims are all of a shape.
  const bool without_rows = config.rows > 0;
  check_tensors(config.inputs, model.inputs(), without_rows, "input");
  check_tensors(config.outputs, model.outputs(), without_rows, "output");
}

}  // namespace monza::serve
