#include "serve/served_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <span>

#include "base/error.h"
#include "serve/bytes_tensor.h"
#include "serve/datatype.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace monza::serve {
namespace {

Shape shape_of(const std::vector<std::int64_t>& extents) {
  Shape shape;
  for (const std::int64_t extent : extents) shape.dim[shape.rank++] = extent;
  return shape;
}

Port port_of(const TensorInfo& info, const char* what) {
  const auto refuse = [&](std::string_view why) {
    fail_hint("serve a model of dense tensors of numbers or strings", "{} '{}' cannot be served: {}", what, info.name,
              why);
  };
  if (info.kind != ValueKind::tensor) refuse("it is a list or optional");
  if (datatype_name(info.dtype).empty()) refuse(message("KServe v2 has no name for {}", dtype_name(info.dtype)));
  return {info.name, info.dtype, info.min, info.max, storage_bytes(info.dtype, shape_of(info.max))};
}

std::string shape_text(const Shape& shape) {
  std::string text;
  append_json_list(text, std::span(shape.dim, static_cast<std::size_t>(shape.rank)));
  return text;
}

/// What the port takes: [1..8,3,224,224].
std::string range_text(const Port& port) {
  std::string text = "[";
  for (std::size_t a = 0; a < port.max.size(); ++a) {
    if (a > 0) text += ',';
    append_number(text, port.min[a]);
    if (port.max[a] != port.min[a]) {
      text += "..";
      append_number(text, port.max[a]);
    }
  }
  return text + "]";
}

/// Whether the input has as many bytes as it takes. Strings are as long as they are: how many they are is looked at
/// when they are at hand.
void check_size(const RequestedInput& input, std::int64_t wanted) {
  const std::int64_t sent = input.has_data   ? static_cast<std::int64_t>(input.data.size())
                            : input.binary() ? input.binary_bytes
                                             : static_cast<std::int64_t>(input.shared.bytes);
  const bool strings = input.dtype == DType::string;
  if (strings && static_cast<std::uint64_t>(sent) > kMostBytesTensor)
    fail_with(413, "input '{}' has {} bytes, and {} are the most of BYTES", input.name, sent, kMostBytesTensor);
  if (!strings && sent != wanted)
    fail_with(400, "input '{}' of shape {} takes {} bytes, and the request has {}", input.name, shape_text(input.shape),
              wanted, sent);
}

}  // namespace

bool names_a_batch(std::string_view dimension) {
  std::string lower(dimension);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower == "n" || lower == "bs" || lower.find("batch") != lower.npos;
}

ServedModel::ServedModel(std::string name, Engine engine, const BatchRule& rule, std::int64_t version,
                         const QueuePolicy& policy)
    : name_(std::move(name)), version_(version), policy_(policy), engine_(std::move(engine)) {
  for (const TensorInfo& info : engine_.inputs()) inputs_.push_back(port_of(info, "input"));
  for (const TensorInfo& info : engine_.outputs()) outputs_.push_back(port_of(info, "output"));
  decide_batches(rule);
}

std::string ServedModel::obstacle(bool asked) const {
  const auto first_symbol = [](const TensorInfo& info) {
    return info.max.empty() || info.symbols.empty() ? std::string_view() : std::string_view(info.symbols[0]);
  };
  if (inputs_.empty()) return "the model has no inputs";
  const TensorInfo& lead = engine_.inputs()[0];
  const std::string symbol(first_symbol(lead));
  if (lead.max.empty() || lead.min[0] == lead.max[0] || symbol.empty())
    return message("the first dimension of input '{}' is fixed", lead.name);
  if (lead.min[0] > 1) return message("input '{}' takes no single row", lead.name);
  for (const auto* list : {&engine_.inputs(), &engine_.outputs()})
    for (const TensorInfo& info : *list)
      if (first_symbol(info) != symbol)
        return message("the first dimension of '{}' is not '{}', as that of input '{}' is", info.name, symbol,
                       lead.name);
  for (const auto* list : {&engine_.inputs(), &engine_.outputs()})
    for (const TensorInfo& info : *list)
      if (std::count(info.symbols.begin(), info.symbols.end(), symbol) > 1)
        return message("'{}' is more than one dimension of '{}'", symbol, info.name);
  if (!asked && !names_a_batch(symbol))
    return message("the first dimension is called '{}', and may be something else than a batch", symbol);
  return "";
}

void ServedModel::decide_batches(const BatchRule& rule) {
  why_not_batched_ = rule.rows == 1 ? "it was asked for" : obstacle(rule.asked());
  if (!why_not_batched_.empty() && rule.rows > 1)
    fail_hint("leave --max-batch out, or export the model with an open first dimension",
              "requests cannot share runs of '{}': {}", name_, why_not_batched_);
  if (!why_not_batched_.empty()) return;
  const std::int64_t largest = inputs_[0].max[0];
  if (rule.rows > largest)
    fail_hint(message("build the engine for it: --max-shape {}={}", engine_.inputs()[0].symbols[0], rule.rows),
              "the engine of '{}' takes {} rows at most, not {}", name_, largest, rule.rows);
  batches_ = true;
  max_rows_ = rule.asked() ? rule.rows : largest;
  for (auto* list : {&inputs_, &outputs_})
    for (Port& port : *list) {
      Shape row = shape_of(port.max);
      row[0] = 1;
      port.most_row_bytes = storage_bytes(port.dtype, row);
    }
}

ServedModel::Fit ServedModel::fit(const InferRequest& request) const {
  Fit fit;
  const std::size_t none = request.inputs.size();
  fit.inputs.assign(inputs_.size(), {none, {}, 0});
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    const std::string& name = request.inputs[i].name;
    std::size_t k = 0;
    while (k < inputs_.size() && inputs_[k].name != name) ++k;
    if (k == inputs_.size()) fail_with(400, "the model has no input '{}'", name);
    if (fit.inputs[k].source != none) fail_with(400, "input '{}' comes twice", name);
    fit.inputs[k].source = i;
  }
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    const Port& port = inputs_[k];
    Fit::Input& input = fit.inputs[k];
    if (input.source == none) fail_with(400, "input '{}' is missing", port.name);
    const RequestedInput& given = request.inputs[input.source];
    if (given.dtype != port.dtype)
      fail_with(400, "input '{}' is {}, and the request has {}", port.name, datatype_name(port.dtype),
                datatype_name(given.dtype));
    bool fits = static_cast<std::size_t>(given.shape.rank) == port.max.size();
    for (std::size_t a = 0; fits && a < port.max.size(); ++a)
      fits = given.shape.dim[a] >= port.min[a] && given.shape.dim[a] <= port.max[a];
    if (!fits)
      fail_with(400, "input '{}' has the shape {}, and the model takes {}", port.name, shape_text(given.shape),
                range_text(port));
    input.row = given.shape;
    if (batches_) {
      if (k > 0 && given.shape[0] != fit.rows)
        fail_with(400, "the inputs '{}' and '{}' differ in the first dimension: {} and {}", inputs_[0].name, port.name,
                  fit.rows, given.shape[0]);
      fit.rows = given.shape[0];
      if (fit.rows > max_rows_)
        fail_with(400, "the request has {} rows, and {} are the most of one", fit.rows, max_rows_);
      if (fit.rows == 0) fail_with(400, "input '{}' has no rows", port.name);
      input.row[0] = 1;
    }
    input.row_bytes = storage_bytes(port.dtype, input.row);
    check_size(given, input.row_bytes * fit.rows);
  }
  std::vector<bool> named(outputs_.size());  // an answer is no larger than all outputs
  for (const RequestedOutput& output : request.outputs) {
    const std::size_t k = output_index(output.name);
    if (named[k]) fail_with(400, "output '{}' is named twice", output.name);
    if (output.classes > 0 && element_access(outputs_[k].dtype).load == nullptr)
      fail_with(400, "output '{}' is {}, which has no largest elements", output.name, datatype_name(outputs_[k].dtype));
    named[k] = true;
  }
  return fit;
}

std::size_t ServedModel::output_index(std::string_view name) const {
  for (std::size_t k = 0; k < outputs_.size(); ++k)
    if (outputs_[k].name == name) return k;
  fail_with(400, "the model has no output '{}'", name);
}

std::vector<std::int64_t> declared_shape(const Port& port, bool without_rows) {
  std::vector<std::int64_t> shape;
  for (std::size_t a = without_rows ? 1 : 0; a < port.max.size(); ++a)
    shape.push_back(port.min[a] == port.max[a] ? port.max[a] : -1);
  return shape;
}

namespace {

/// What metadata and config call the same things.
struct PortWords {
  std::string_view type, shape;
  bool config, without_rows;
};

/// ,"key":[{"name":...,type:...,shape:[...]},...]
void append_ports(std::string& out, std::string_view key, const std::vector<Port>& ports, const PortWords& words) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", key);
  for (const Port& port : ports) {
    if (&port != ports.data()) out += ',';
    out += "{\"name\":";
    append_json_string(out, port.name);
    fmt::format_to(std::back_inserter(out), ",\"{}\":\"{}\",\"{}\":", words.type,
                   words.config ? config_type_name(port.dtype) : datatype_name(port.dtype), words.shape);
    append_json_list(out, declared_shape(port, words.without_rows));
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string ServedModel::metadata_json(const std::vector<std::int64_t>& versions) const {
  std::string out = "{\"name\":";
  append_json_string(out, name_);
  fmt::format_to(std::back_inserter(out), ",\"versions\":[\"{}\"],\"platform\":\"monza\"",
                 fmt::join(versions, "\",\""));
  append_ports(out, "inputs", inputs_, {"datatype", "shape", false, false});
  append_ports(out, "outputs", outputs_, {"datatype", "shape", false, false});
  return out += '}';
}

std::string ServedModel::config_json() const {
  std::string out = "{\"name\":";
  append_json_string(out, name_);
  out += ",\"platform\":\"monza\",\"backend\":\"monza\",\"max_batch_size\":";
  append_number(out, batches_ ? max_rows_ : 0);
  append_ports(out, "input", inputs_, {"data_type", "dims", true, batches_});
  append_ports(out, "output", outputs_, {"data_type", "dims", true, batches_});
  if (batches_) out += ",\"dynamic_batching\":{}";
  return out += '}';
}

}  // namespace monza::serve
