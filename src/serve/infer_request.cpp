// A reader over the parser's events, not over a tree: elements go into the tensor's bytes as they are read.
#include "serve/infer_request.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "serve/datatype.h"
#include "serve/request_error.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::serve {
namespace {

using Json = nlohmann::json;

/// Where in the object the reader is. What is between braces and brackets that it does not know is `other`.
enum class Place : std::uint8_t {
  outside,
  request,
  request_parameters,
  inputs,
  input,
  shape,
  data,
  input_parameters,
  outputs,
  output,
  output_parameters,
  other
};

class RequestReader final : public nlohmann::json_sax<Json> {
 public:
  /// `late`: of each input, whether its type stands behind its data, which the first reading skips and the second one
  /// (`again`) reads alone.
  RequestReader(InferRequest& request, std::vector<bool>& late, bool again)
      : request_(request), late_(late), again_(again) {}

  bool null() override { return value("null"); }
  bool boolean(bool v) override {
    if (place() == Place::data) return element(v ? 1 : 0, true);
    if (again_) return true;
    if (place() == Place::request_parameters && key_ == "binary_data_output") request_.binary_outputs = v;
    else if (place() == Place::request_parameters && key_ == "monza_times") request_.times = v;
    else if (place() == Place::output_parameters && key_ == "binary_data") {
      request_.outputs.back().binary = v;
      request_.outputs.back().binary_said = true;
    } else if (place() == Place::request_parameters && (key_ == "sequence_start" || key_ == "sequence_end") && !v) {
      // what a client says of every request that belongs to no sequence
    } else return value("a boolean");
    return true;
  }
  bool number_integer(number_integer_t v) override { return integer(v); }
  bool number_unsigned(number_unsigned_t v) override {
    if (place() == Place::data) return unsigned_element(v);
    if (v > static_cast<number_unsigned_t>(INT64_MAX)) fail_with(400, "'{}' is {}: too large", key_, v);
    return integer(static_cast<std::int64_t>(v));
  }
  bool number_float(number_float_t v, const string_t& /*text*/) override {
    if (place() != Place::data) return value("a fraction");
    RequestedInput& input = request_.inputs[input_];
    if (!reading_data_) return true;
    refuse_no_string(input);
    if (!is_float(input.dtype))
      fail_with(400, "input '{}' is {}, and its data holds {}", input.name, datatype_name(input.dtype), v);
    element_access(input.dtype).store(append(input), 0, v);
    return true;
  }
  bool string(string_t& v) override {
    switch (place()) {
      case Place::data: {
        RequestedInput& input = request_.inputs[input_];
        if (!reading_data_) return true;
        if (input.dtype != DType::string)
          fail_with(400, "input '{}' is {}, and its data holds a string", input.name, datatype_name(input.dtype));
        append_string(input, v);
        return true;
      }
      case Place::request:
        if (key_ != "id") break;
        if (!again_) request_.id = v;
        return true;
      case Place::input:
        if (again_) return true;
        if (key_ == "name") request_.inputs[input_].name = v;
        else if (key_ == "datatype") {
          request_.inputs[input_].dtype = parse_datatype(v);
          if (request_.inputs[input_].dtype == DType::invalid) fail_with(400, "'{}' is no datatype", v);
        } else break;
        return true;
      case Place::output:
        if (key_ != "name") break;
        if (!again_) request_.outputs.back().name = v;
        return true;
      case Place::input_parameters:
      case Place::output_parameters:
        if (key_ != "shared_memory_region") break;
        if (!again_) shared().name = v;
        return true;
      default: break;
    }
    return value("a string");
  }
  bool binary(binary_t& /*v*/) override { return value("bytes"); }

  bool start_object(std::size_t /*elements*/) override {
    switch (place()) {
      case Place::outside: return enter(Place::request);
      case Place::request: return enter(key_ == "parameters" ? Place::request_parameters : opaque("an object"));
      case Place::inputs:
        input_ = seen_inputs_++;
        if (!again_) {
          if (input_ == kMaxTensors) fail_with(400, "the request has more than {} inputs", kMaxTensors);
          request_.inputs.emplace_back();
          late_.push_back(false);
        }
        return enter(Place::input);
      case Place::input: return enter(key_ == "parameters" ? Place::input_parameters : opaque("an object"));
      case Place::outputs:
        if (!again_) {
          if (request_.outputs.size() == kMaxTensors)
            fail_with(400, "the request has more than {} outputs", kMaxTensors);
          request_.outputs.emplace_back();
        }
        return enter(Place::output);
      case Place::output: return enter(key_ == "parameters" ? Place::output_parameters : opaque("an object"));
      default: return enter(opaque("an object"));
    }
  }
  bool key(string_t& v) override {
    key_ = v;
    return true;
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t /*elements*/) override {
    switch (place()) {
      case Place::request:
        if (key_ == "inputs" || key_ == "outputs") {
          bool& seen = key_ == "inputs" ? has_inputs_ : has_outputs_;
          if (seen) fail_with(400, "'{}' comes twice", key_);
          seen = true;
          return enter(key_ == "inputs" ? Place::inputs : Place::outputs);
        }
        return enter(opaque("a list"));
      case Place::input:
        if (key_ == "shape") {
          if (!again_) request_.inputs[input_].shape = {};
          return enter(Place::shape);
        }
        if (key_ == "data") {
          begin_data();
          return enter(Place::data);
        }
        return enter(opaque("a list"));
      case Place::data: return enter(Place::data);  // nested lists are their elements, row by row
      default: return enter(opaque("a list"));
    }
  }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& /*e*/) override {
    // The parser's own words repeat what was sent.
    fail_with(400, "the request is no JSON: an error at byte {}", position);
  }

 private:
  Place place() const { return places_.empty() ? Place::outside : places_.back(); }
  bool enter(Place place) {
    // A list of lists costs a byte a level here and a bit in the parser.
    places_.push_back(place);
    return true;
  }
  bool leave() {
    places_.pop_back();
    return true;
  }

  /// A value that nothing above took: an error where the reader knows the key, else skipped.
  bool value(const char* what) {
    const bool known = place() == Place::outside || place() == Place::inputs || place() == Place::outputs ||
                       place() == Place::shape || place() == Place::data ||
                       (place() == Place::request && (key_ == "id" || key_ == "inputs" || key_ == "outputs")) ||
                       (place() == Place::input && (key_ == "name" || key_ == "datatype" || key_ == "shape" ||
                                                    key_ == "data" || key_ == "parameters")) ||
                       (place() == Place::output && (key_ == "name" || key_ == "parameters"));
    if (known) fail_with(400, "{} is not what belongs at {}", what, where());
    refuse_unsupported();
    return true;
  }
  Place opaque(const char* what) {
    value(what);
    return Place::other;
  }
  std::string where() const {
    switch (place()) {
      case Place::outside: return "the top of the request";
      case Place::inputs: return "'inputs'";
      case Place::outputs: return "'outputs'";
      case Place::shape: return "'shape'";
      case Place::data: return "'data'";
      default: return "'" + key_ + "'";
    }
  }
  /// Parameters that ask for what is not done here must not be passed over.
  void refuse_unsupported() const {
    if (again_) return;
    const bool tensor = place() == Place::input_parameters || place() == Place::output_parameters;
    if (place() == Place::request_parameters && key_.starts_with("sequence_")) refuse_sequence();
    if ((tensor && key_.starts_with("shared_memory")) ||
        (place() == Place::input_parameters && key_ == "binary_data_size") ||
        (place() == Place::output_parameters && (key_ == "binary_data" || key_ == "classification")) ||
        (place() == Place::request_parameters &&
         (key_ == "binary_data_output" || key_ == "timeout" || key_ == "priority" || key_ == "monza_times")))
      fail_with(400, "parameter '{}' has a value of the wrong kind", key_);
  }

  bool integer(std::int64_t v) {
    switch (place()) {
      case Place::data: return element(v, false);
      case Place::shape: {
        if (again_) return true;
        auto& shape = request_.inputs[input_].shape;
        if (shape.rank == kMaxRank) fail_with(400, "a shape has more than {} dimensions", kMaxRank);
        if (v < 0) fail_with(400, "a shape holds {}", v);
        shape.dim[shape.rank++] = v;
        return true;
      }
      case Place::input_parameters:
      case Place::output_parameters:
        if (!tensor_parameter(v)) break;
        return true;
      case Place::request_parameters:
        if (key_ == "timeout" || key_ == "priority") {
          if (v < 0) fail_with(400, "{} is {}", key_, v);
          if (!again_) (key_ == "timeout" ? request_.timeout_us : request_.priority) = v;
          return true;
        }
        // 0 is what a client says of a request that belongs to no sequence
        if (v == 0 && key_ == "sequence_id") return true;
        break;
      default: break;
    }
    return value("a number");
  }

  /// The tensor's whose parameters these are.
  SharedPlace& shared() {
    return place() == Place::input_parameters ? request_.inputs[input_].shared : request_.outputs.back().shared;
  }
  /// False for a key that is none.
  bool tensor_parameter(std::int64_t v) {
    const bool input = place() == Place::input_parameters;
    const bool of_input = input && key_ == "binary_data_size", of_output = !input && key_ == "classification";
    const bool size = key_ == "shared_memory_byte_size", offset = key_ == "shared_memory_offset";
    if (!of_input && !of_output && !size && !offset) return false;
    if (v < 0) fail_with(400, "{} is {}", key_, v);
    if (again_) return true;
    if (of_input) request_.inputs[input_].binary_bytes = v;
    else if (of_output) request_.outputs.back().classes = v;
    else (size ? shared().bytes : shared().offset) = static_cast<std::uint64_t>(v);
    return true;
  }

  void begin_data() {
    RequestedInput& input = request_.inputs[input_];
    if (again_) {
      reading_data_ = late_[input_];
      if (reading_data_ && input.dtype == DType::invalid) fail_with(400, "input '{}' has no datatype", input.name);
    } else {
      if (input.has_data) fail_with(400, "'data' comes twice in an input");
      input.has_data = true;
      reading_data_ = input.dtype != DType::invalid;
      late_[input_] = !reading_data_;
    }
  }

  std::byte* append(RequestedInput& input) {
    const std::size_t at = input.data.size(), size = static_cast<std::size_t>(dtype_bits(input.dtype)) / 8;
    input.data.resize(at + size);
    return input.data.data() + at;
  }
  static void refuse_no_string(const RequestedInput& input) {
    if (input.dtype == DType::string) fail_with(400, "input '{}' is BYTES, and its data holds no string", input.name);
  }
  static void append_string(RequestedInput& input, std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());  // of a JSON of megabytes
    const std::span<const std::byte> head = std::as_bytes(std::span(&size, 1)), bytes = std::as_bytes(std::span(text));
    input.data.insert(input.data.end(), head.begin(), head.end());
    input.data.insert(input.data.end(), bytes.begin(), bytes.end());
  }
  bool element(std::int64_t v, bool boolean) {
    RequestedInput& input = request_.inputs[input_];
    if (!reading_data_) return true;
    refuse_no_string(input);
    if (boolean != (input.dtype == DType::boolean) && !(input.dtype == DType::boolean && (v == 0 || v == 1)))
      fail_with(400, "input '{}' is {}, and its data holds {}", input.name, datatype_name(input.dtype),
                boolean ? "a boolean" : "a number");
    if (is_float(input.dtype)) {
      element_access(input.dtype).store(append(input), 0, static_cast<double>(v));
      return true;
    }
    if (is_integer(input.dtype)) {
      const int bits = dtype_bits(input.dtype);
      const bool sign = is_signed(input.dtype);
      const std::int64_t low = !sign ? 0 : bits == 64 ? INT64_MIN : -(std::int64_t{1} << (bits - 1));
      const std::int64_t high = bits == 64 ? INT64_MAX : (std::int64_t{1} << (sign ? bits - 1 : bits)) - 1;
      if (v < low || v > high)
        fail_with(400, "input '{}' is {}, and its data holds {}", input.name, datatype_name(input.dtype), v);
    }
    element_access(input.dtype).store_int(append(input), 0, v);
    return true;
  }
  bool unsigned_element(std::uint64_t v) {
    if (v <= static_cast<std::uint64_t>(INT64_MAX)) return element(static_cast<std::int64_t>(v), false);
    RequestedInput& input = request_.inputs[input_];
    if (!reading_data_) return true;
    refuse_no_string(input);
    if (is_float(input.dtype)) element_access(input.dtype).store(append(input), 0, static_cast<double>(v));
    else if (input.dtype == DType::u64)
      element_access(input.dtype).store_int(append(input), 0, static_cast<std::int64_t>(v));
    else fail_with(400, "input '{}' is {}, and its data holds {}", input.name, datatype_name(input.dtype), v);
    return true;
  }

  InferRequest& request_;
  std::vector<bool>& late_;
  const bool again_;
  std::vector<Place> places_;
  std::string key_;
  std::size_t input_ = 0, seen_inputs_ = 0;
  bool has_inputs_ = false, has_outputs_ = false, reading_data_ = false;
};

}  // namespace

void check_input(const RequestedInput& input) {
  if (input.name.empty()) fail_with(400, "an input has no name");
  if (input.dtype == DType::invalid) fail_with(400, "input '{}' has no datatype", input.name);
  const bool shared = !input.shared.name.empty(), binary = input.binary_bytes >= 0;
  if (input.has_data && binary) fail_with(400, "input '{}' has both data and binary_data_size", input.name);
  if (shared && (input.has_data || binary)) fail_with(400, "input '{}' has both data and shared memory", input.name);
  if (!input.has_data && !binary && !shared)
    fail_with(400, "input '{}' has neither data nor binary_data_size", input.name);
}

void check_output(const RequestedOutput& output) {
  if (output.name.empty()) fail_with(400, "an output has no name");
  if (!output.shared.name.empty() && output.classes > 0)
    fail_with(400, "output '{}' is asked for as classes and in shared memory", output.name);
}

void find_regions(InferRequest& request, const SharedMemory& memory) {
  const auto find = [&](SharedPlace& place) {
    if (place.name.empty()) return;
    place.region = memory.find(place.name);
    place.region->require(place.offset, place.bytes);
  };
  for (RequestedInput& input : request.inputs) find(input.shared);
  for (RequestedOutput& output : request.outputs) find(output.shared);
}

void refuse_sequence() { fail_with(501, "sequences are not supported: this model keeps no state between requests"); }

InferRequest parse_infer_request(std::string_view json) {
  InferRequest request;
  std::vector<bool> late;
  RequestReader reader(request, late, false);
  Json::sax_parse(json.begin(), json.end(), &reader);
  if (std::find(late.begin(), late.end(), true) != late.end()) {
    RequestReader second(request, late, true);
    Json::sax_parse(json.begin(), json.end(), &second);
  }
  for (const RequestedInput& input : request.inputs) check_input(input);
  for (const RequestedOutput& output : request.outputs) check_output(output);
  return request;
}

}  // namespace monza::serve
