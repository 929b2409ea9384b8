#include "serve/infer_answer.h"

#include <fmt/format.h>

#include <cmath>

#include "serve/datatype.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::serve {
namespace {

/// The elements in a flat list, floats with as many digits as tell them from their neighbours.
void append_elements(std::string& json, const Port& port, const Slot::Output& output) {
  const ElementAccess& access = element_access(port.dtype);
  const std::int64_t count = output.shape.numel();
  json += '[';
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    if (is_float(port.dtype)) {
      const double value = access.load(output.data, i);
      if (!std::isfinite(value))
        fail_with(422, "output '{}' holds NaN or an infinity, which JSON has no form for: ask for binary_data",
                  port.name);
      if (port.dtype == DType::f64) fmt::format_to(std::back_inserter(json), "{}", value);
      else fmt::format_to(std::back_inserter(json), "{}", static_cast<float>(value));
    } else if (port.dtype == DType::boolean) {
      json += access.load_int(output.data, i) != 0 ? "true" : "false";
    } else if (port.dtype == DType::u64) {
      append_number(json, static_cast<std::uint64_t>(access.load_int(output.data, i)));
    } else {
      append_number(json, access.load_int(output.data, i));
    }
  }
  json += ']';
}

void append_us(std::string& json, std::string_view name, Clock::duration time) {
  fmt::format_to(std::back_inserter(json), "\"{}\":{:.3f}", name,
                 std::chrono::duration<double, std::micro>(time).count());
}

}  // namespace

void write_infer_answer(const ServedModel& model, const InferRequest& request, const Slot& slot, Clock::duration input,
                        std::string& json, std::vector<std::span<const std::byte>>& binary) {
  json += "{\"model_name\":";
  append_json_string(json, model.name());
  json += ",\"model_version\":\"1\"";
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
  const auto add = [&](std::size_t index, bool as_bytes) {
    const Port& port = model.outputs()[index];
    const Slot::Output& output = slot.outputs[index];
    json += "{\"name\":";
    append_json_string(json, port.name);
    json += ",\"datatype\":\"";
    json += datatype_name(port.dtype);
    json += "\",\"shape\":";
    append_json_list(json, std::span(output.shape.dim, static_cast<std::size_t>(output.shape.rank)));
    if (as_bytes) {
      json += ",\"parameters\":{\"binary_data_size\":";
      append_number(json, output.bytes);
      json += "}}";
      binary.emplace_back(output.data, output.bytes);
    } else {
      json += ",\"data\":";
      append_elements(json, port, output);
      json += '}';
    }
  };
  if (request.outputs.empty()) {
    for (std::size_t k = 0; k < model.outputs().size(); ++k) {
      if (k > 0) json += ',';
      add(k, request.binary_outputs);
    }
  } else {
    for (const RequestedOutput& output : request.outputs) {
      if (&output != request.outputs.data()) json += ',';
      add(model.output_index(output.name), output.binary_said ? output.binary : request.binary_outputs);
    }
  }
  json += "]}";
}

}  // namespace monza::serve
