#include "serve/infer_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "serve/bytes_tensor.h"
#include "serve/datatype.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::serve {
namespace {

/// The elements in a flat list, floats with as many digits as tell them from their neighbours.
void append_elements(std::string& json, const AnsweredOutput& output) {
  const ElementAccess& access = element_access(output.dtype);
  const std::int64_t count = output.shape.numel();
  json += '[';
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    if (is_float(output.dtype)) {
      const double value = access.load(output.data.data(), i);
      if (!std::isfinite(value))
        fail_with(422, "output '{}' holds NaN or an infinity, which JSON has no form for: ask for binary_data",
                  output.name);
      if (output.dtype == DType::f64) fmt::format_to(std::back_inserter(json), "{}", value);
      else fmt::format_to(std::back_inserter(json), "{}", static_cast<float>(value));
    } else if (output.dtype == DType::boolean) {
      json += access.load_int(output.data.data(), i) != 0 ? "true" : "false";
    } else if (output.dtype == DType::u64) {
      append_number(json, static_cast<std::uint64_t>(access.load_int(output.data.data(), i)));
    } else {
      append_number(json, access.load_int(output.data.data(), i));
    }
  }
  json += ']';
}

/// Of a tensor of BYTES.
void append_strings(std::string& json, std::string_view tensor) {
  json += '[';
  while (!tensor.empty()) {
    append_json_string(json, take_bytes_element(tensor, "output"));
    if (!tensor.empty()) json += ',';
  }
  json += ']';
}

/// "value:index" of the largest elements of each row, the largest first: Triton's classification extension.
void pick_classes(bool rows_apart, AnsweredOutput& output) {
  const ElementAccess& access = element_access(output.dtype);
  const std::int64_t rows = rows_apart && output.shape.rank > 0 ? output.shape[0] : 1;
  const std::int64_t width = rows > 0 ? output.shape.numel() / rows : 0;
  const std::int64_t most = std::min(output.asked->classes, width);
  std::vector<std::int64_t> order(static_cast<std::size_t>(width));
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto value = [&](std::int64_t i) {
      const double v = access.load(output.data.data(), row * width + i);
      return std::isnan(v) ? -std::numeric_limits<double>::infinity() : v;  // NaN has no place in an order
    };
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + most, order.end(), [&](std::int64_t a, std::int64_t b) {
      return value(a) != value(b) ? value(a) > value(b) : a < b;
    });
    for (std::int64_t i = 0; i < most; ++i)
      append_bytes_element(output.text, fmt::format("{:f}:{}", value(order[i]), order[i]));
  }
  output.shape = {};
  if (rows_apart) output.shape.dim[output.shape.rank++] = rows;
  output.shape.dim[output.shape.rank++] = most;
  output.dtype = DType::string;
  output.data = std::as_bytes(std::span(output.text));
}

void append_us(std::string& json, std::string_view name, Clock::duration time) {
  fmt::format_to(std::back_inserter(json), "\"{}\":{:.3f}", name,
                 std::chrono::duration<double, std::micro>(time).count());
}

}  // namespace

std::vector<AnsweredOutput> answered_outputs(const ServedModel& model, const InferRequest& request, const Slot& slot) {
  const std::size_t count = request.outputs.empty() ? model.outputs().size() : request.outputs.size();
  std::vector<AnsweredOutput> outputs(count);
  for (std::size_t i = 0; i < count; ++i) {
    AnsweredOutput& output = outputs[i];
    output.asked = request.outputs.empty() ? nullptr : &request.outputs[i];
    const std::size_t k = output.asked == nullptr ? i : model.output_index(output.asked->name);
    output.name = model.outputs()[k].name;
    output.dtype = model.outputs()[k].dtype;
    output.shape = slot.outputs[k].shape;
    output.data = {slot.outputs[k].data, slot.outputs[k].bytes};
    if (output.asked == nullptr) continue;
    if (output.asked->classes > 0) pick_classes(model.batches(), output);
    const SharedPlace& shared = output.asked->shared;
    if (shared.region == nullptr) continue;
    if (output.data.size() > shared.bytes)
      fail_with(400, "output '{}' has {} bytes, and its place in shared memory {}", output.name, output.data.size(),
                shared.bytes);
    shared.region->write(shared.offset, output.data);
  }
  return outputs;
}

void write_infer_answer(const ServedModel& model, const InferRequest& request, const Slot& slot,
                        const std::vector<AnsweredOutput>& outputs, Clock::duration input, std::string& json,
                        std::vector<std::span<const std::byte>>& binary) {
  json += "{\"model_name\":";
  append_json_string(json, model.name());
  json += ",\"model_version\":\"";
  append_number(json, model.version());
  json += '"';
  if (!request.id.empty()) {
    json += ",\"id\":";
    append_json_string(json, request.id);
  }
  if (request.times) {
    json += ",\"parameters\":{";
    append_us(json, "input_us", input);
    json += ',';
    append_us(json, "queue_us", slot.begun_at - slot.ready_at);
    json += ',';
    append_us(json, "compute_us", slot.ended_at - slot.begun_at);
    json += ",\"batch_rows\":";
    append_number(json, slot.batch_rows);
    json += '}';
  }
  json += ",\"outputs\":[";
  for (const AnsweredOutput& output : outputs) {
    if (&output != outputs.data()) json += ',';
    json += "{\"name\":";
    append_json_string(json, output.name);
    json += ",\"datatype\":\"";
    json += datatype_name(output.dtype);
    json += "\",\"shape\":";
    append_json_list(json, std::span(output.shape.dim, static_cast<std::size_t>(output.shape.rank)));
    const RequestedOutput* asked = output.asked;
    if (asked != nullptr && asked->shared.region != nullptr) {
      json += ",\"parameters\":{\"shared_memory_region\":";
      append_json_string(json, asked->shared.name);
      json += ",\"shared_memory_byte_size\":";
      append_number(json, output.data.size());
      json += "}}";
    } else if (asked != nullptr && asked->binary_said ? asked->binary : request.binary_outputs) {
      json += ",\"parameters\":{\"binary_data_size\":";
      append_number(json, output.data.size());
      json += "}}";
      binary.push_back(output.data);
    } else {
      json += ",\"data\":";
      if (output.dtype == DType::string)
        append_strings(json, {reinterpret_cast<const char*>(output.data.data()), output.data.size()});
      else append_elements(json, output);
      json += '}';
    }
  }
  json += "]}";
}

}  // namespace monza::serve
