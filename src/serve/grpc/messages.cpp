#include "serve/grpc/messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "inference.pb.h"
#include "serve/bytes_tensor.h"
#include "serve/datatype.h"
#include "serve/infer_answer.h"
#include "serve/request_error.h"

namespace monza::serve {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

/// Two bytes of a message can be an object of a hundred: of what is parsed into objects, this is the most.
constexpr std::size_t kMostHead = 16 << 20;
constexpr std::size_t kMostAnswer = (std::size_t{1} << 31) - (1 << 20);
constexpr int kInputs = 5, kOutputs = 6, kRaw = 7;  // fields of ModelInferRequest
constexpr int kRawOutputs = 6;                      // of ModelInferResponse
constexpr int kError = 1, kAnswer = 2;              // of ModelStreamInferResponse

/// The message without its raw tensors, and where those are.
class Split {
 public:
  explicit Split(const Pieces& message) : message_(message) {
    std::deque<google::protobuf::io::ArrayInputStream> arrays;
    std::vector<google::protobuf::io::ZeroCopyInputStream*> streams;
    for (const std::string_view piece : message)
      if (!piece.empty()) streams.push_back(&arrays.emplace_back(piece.data(), static_cast<int>(piece.size())));
    google::protobuf::io::ConcatenatingInputStream joined(streams.data(), static_cast<int>(streams.size()));
    CodedInputStream in(&joined);
    walk(in);
  }
  std::string head;
  std::vector<RawContent> raw;

 private:
  void walk(CodedInputStream& in) {
    std::size_t kept = 0, tensors = 0;  // what is before `kept` is in the head, or is a tensor
    for (;;) {
      const std::size_t before = static_cast<std::size_t>(in.CurrentPosition());
      const std::uint32_t tag = in.ReadTag();
      if (tag == 0) {
        // Inside of a message the end has no tag; a zero byte is none either.
        if (!in.ConsumedEntireMessage()) broken();
        keep(kept, before);
        return;
      }
      const int field = WireFormatLite::GetTagFieldNumber(tag);
      if (field != kRaw) {
        if ((field == kInputs || field == kOutputs) && ++tensors > 2 * kMaxTensors)
          fail_with(400, "the request has more than {} tensors", 2 * kMaxTensors);
        if (!WireFormatLite::SkipField(&in, tag)) broken();
        continue;
      }
      std::uint32_t size = 0;
      if (tag != WireFormatLite::MakeTag(kRaw, WireFormatLite::WIRETYPE_LENGTH_DELIMITED) || !in.ReadVarint32(&size))
        broken();
      const std::size_t at = static_cast<std::size_t>(in.CurrentPosition());
      if (size > INT32_MAX || !in.Skip(static_cast<int>(size))) broken();
      if (raw.size() == kMaxTensors) fail_with(400, "the request has more than {} raw tensors", kMaxTensors);
      raw.push_back({at, size});
      keep(kept, before);
      kept = at + size;
    }
  }
  void keep(std::size_t from, std::size_t to) {
    const std::size_t old = head.size();
    if (to - from > kMostHead - old)
      fail_with(413, "what is not raw_input_contents is more than {} MiB", kMostHead >> 20);
    head.resize(old + to - from);
    copy_from(message_, from, std::as_writable_bytes(std::span(head).subspan(old)));
  }
  [[noreturn]] static void broken() { fail_with(400, "the request is no ModelInferRequest"); }

  const Pieces& message_;
};

/// Protobuf's own words go to stderr, a line for each broken string: strangers would fill it.
[[maybe_unused]] const auto quiet_protobuf = google::protobuf::SetLogHandler(nullptr);

using Parameters = google::protobuf::Map<std::string, rpc::Parameter>;

std::int64_t integer_of(const std::string& name, const rpc::Parameter& value) {
  if (value.has_int64_param()) return value.int64_param();
  if (value.has_uint64_param() && value.uint64_param() <= static_cast<std::uint64_t>(INT64_MAX))
    return static_cast<std::int64_t>(value.uint64_param());
  fail_with(400, "parameter '{}' has a value of the wrong kind", name);
}

void read_parameters(const Parameters& parameters, InferRequest& request) {
  for (const auto& [name, value] : parameters) {
    if (name == "timeout" || name == "priority") {
      const std::int64_t number = integer_of(name, value);
      if (number < 0) fail_with(400, "{} is {}", name, number);
      (name == "timeout" ? request.timeout_us : request.priority) = number;
    } else if (name == "monza_times") {
      request.times = value.bool_param();
    } else if (name == "sequence_start" || name == "sequence_end") {
      if (value.bool_param()) refuse_sequence();
    } else if (name == "sequence_id") {
      if (value.has_string_param() || integer_of(name, value) != 0) refuse_sequence();
    }
  }
}

std::uint64_t unsigned_of(const std::string& name, const rpc::Parameter& value) {
  const std::int64_t number = integer_of(name, value);
  if (number < 0) fail_with(400, "{} is {}", name, number);
  return static_cast<std::uint64_t>(number);
}

/// Where the tensor lies, and for an output (`classes` not null) of how many classes it is.
void read_tensor_parameters(const Parameters& parameters, SharedPlace& shared, std::int64_t* classes) {
  for (const auto& [name, value] : parameters) {
    if (name == "shared_memory_region") shared.name = value.string_param();
    else if (name == "shared_memory_byte_size") shared.bytes = unsigned_of(name, value);
    else if (name == "shared_memory_offset") shared.offset = unsigned_of(name, value);
    else if (name == "classification" && classes != nullptr)
      *classes = static_cast<std::int64_t>(unsigned_of(name, value));
  }
}

RequestedInput read_input(const rpc::Tensor& tensor) {
  RequestedInput input;
  input.name = tensor.name();
  input.dtype = parse_datatype(tensor.datatype());
  if (input.dtype == DType::invalid) fail_with(400, "'{}' is no datatype", tensor.datatype());
  if (tensor.shape_size() > kMaxRank) fail_with(400, "a shape has more than {} dimensions", kMaxRank);
  for (const std::int64_t extent : tensor.shape()) {
    if (extent < 0) fail_with(400, "a shape holds {}", extent);
    input.shape.dim[input.shape.rank++] = extent;
  }
  read_tensor_parameters(tensor.parameters(), input.shared, nullptr);
  return input;
}

/// The elements of the lists that are written out, as the engine takes them.
template <typename To, typename List>
void append_elements(const RequestedInput& input, const List& list, std::vector<std::byte>& data) {
  data.resize(static_cast<std::size_t>(list.size()) * sizeof(To));
  std::byte* to = data.data();
  for (const auto value : list) {
    const To element = static_cast<To>(value);
    if (static_cast<decltype(value)>(element) != value && value == value)  // not of a NaN
      fail_with(400, "input '{}' is {}, and its contents hold {}", input.name, datatype_name(input.dtype), value);
    std::memcpy(to, &element, sizeof element);
    to += sizeof element;
  }
}

void read_contents(const rpc::TensorContents& contents, RequestedInput& input) {
  input.has_data = true;
  const auto take = [&]<typename To>(To, const auto& list) { append_elements<To>(input, list, input.data); };
  switch (input.dtype) {
    case DType::boolean: return take(std::uint8_t{}, contents.bool_contents());
    case DType::i8: return take(std::int8_t{}, contents.int_contents());
    case DType::i16: return take(std::int16_t{}, contents.int_contents());
    case DType::i32: return take(std::int32_t{}, contents.int_contents());
    case DType::i64: return take(std::int64_t{}, contents.int64_contents());
    case DType::u8: return take(std::uint8_t{}, contents.uint_contents());
    case DType::u16: return take(std::uint16_t{}, contents.uint_contents());
    case DType::u32: return take(std::uint32_t{}, contents.uint_contents());
    case DType::u64: return take(std::uint64_t{}, contents.uint64_contents());
    case DType::f32: return take(float{}, contents.fp32_contents());
    case DType::f64: return take(double{}, contents.fp64_contents());
    case DType::string: {
      std::string tensor;
      for (const std::string& element : contents.bytes_contents()) append_bytes_element(tensor, element);
      const std::span<const std::byte> bytes = std::as_bytes(std::span(tensor));
      input.data.assign(bytes.begin(), bytes.end());
      return;
    }
    default:
      fail_with(400, "input '{}' is {}, which the protocol takes in raw_input_contents alone", input.name,
                datatype_name(input.dtype));
  }
}

void append_field(std::string& out, int field, std::string_view bytes) {
  std::uint8_t head[16];
  std::uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), head);
  end = CodedOutputStream::WriteVarint64ToArray(bytes.size(), end);
  out.append(reinterpret_cast<const char*>(head), static_cast<std::size_t>(end - head));
  out += bytes;
}

void set_us(google::protobuf::Map<std::string, rpc::Parameter>& parameters, const char* name, Clock::duration time) {
  parameters[name].set_double_param(std::chrono::duration<double, std::micro>(time).count());
}

}  // namespace

void copy_from(const Pieces& message, std::size_t at, std::span<std::byte> to) {
  for (const std::string_view piece : message) {
    if (to.empty()) return;
    if (at >= piece.size()) {
      at -= piece.size();
      continue;
    }
    const std::size_t n = std::min(to.size(), piece.size() - at);
    std::memcpy(to.data(), piece.data() + at, n);
    to = to.subspan(n);
    at = 0;
  }
}

RpcInferRequest read_infer_message(const Pieces& message) {
  const Split split(message);
  rpc::InferRequestHead head;
  if (!head.ParseFromString(split.head)) fail_with(400, "the request is no ModelInferRequest");
  RpcInferRequest read{head.model_name(), head.model_version(), {}, {}};
  InferRequest& request = read.request;
  request.id = head.id();
  request.binary_outputs = true;
  read_parameters(head.parameters(), request);
  std::size_t raw = 0;
  for (const rpc::Tensor& tensor : head.inputs()) {
    if (request.inputs.size() == kMaxTensors) fail_with(400, "the request has more than {} inputs", kMaxTensors);
    RequestedInput& input = request.inputs.emplace_back(read_input(tensor));
    read.raw.emplace_back();
    const bool shared = !input.shared.name.empty();
    if (tensor.has_contents() || (split.raw.empty() && !shared)) {
      if (!split.raw.empty()) fail_with(400, "input '{}' has contents beside raw_input_contents", input.name);
      read_contents(tensor.contents(), input);
    } else if (!shared) {
      if (raw == split.raw.size())
        fail_with(400, "the request has {} raw_input_contents, and more inputs", split.raw.size());
      read.raw.back() = split.raw[raw++];
      input.binary_bytes = static_cast<std::int64_t>(read.raw.back().size);
    }
    check_input(input);
  }
  if (raw < split.raw.size())
    fail_with(400, "the request has {} raw_input_contents, and {} inputs", split.raw.size(), raw);
  for (const rpc::RequestedOutputTensor& tensor : head.outputs()) {
    RequestedOutput& output = request.outputs.emplace_back(RequestedOutput{.name = tensor.name()});
    read_tensor_parameters(tensor.parameters(), output.shared, &output.classes);
    check_output(output);
  }
  return read;
}

std::string infer_answer_message(const ServedModel& model, const InferRequest& request, const Slot& slot,
                                 Clock::duration input) {
  rpc::InferResponseHead head;
  head.set_model_name(model.name());
  head.set_model_version(std::to_string(model.version()));
  head.set_id(request.id);
  if (request.times) {
    auto& parameters = *head.mutable_parameters();
    set_us(parameters, "input_us", input);
    set_us(parameters, "queue_us", slot.begun_at - slot.ready_at);
    set_us(parameters, "compute_us", slot.ended_at - slot.begun_at);
    parameters["batch_rows"].set_int64_param(slot.batch_rows);
  }
  const std::vector<AnsweredOutput> outputs = answered_outputs(model, request, slot);
  const auto in_message = [](const AnsweredOutput& output) {
    return output.asked == nullptr || output.asked->shared.region == nullptr;
  };
  std::size_t bytes = 0;
  for (const AnsweredOutput& output : outputs) {
    rpc::Tensor& tensor = *head.add_outputs();
    tensor.set_name(std::string(output.name));
    tensor.set_datatype(std::string(datatype_name(output.dtype)));
    tensor.mutable_shape()->Add(output.shape.dim, output.shape.dim + output.shape.rank);
    if (in_message(output)) {
      bytes += output.data.size();
      continue;
    }
    (*tensor.mutable_parameters())["shared_memory_region"].set_string_param(output.asked->shared.name);
    (*tensor.mutable_parameters())["shared_memory_byte_size"].set_int64_param(
        static_cast<std::int64_t>(output.data.size()));
  }
  if (bytes > kMostAnswer) fail_with(413, "the outputs are more than a message of gRPC can hold");
  std::string message;
  message.reserve(head.ByteSizeLong() + bytes + outputs.size() * 16);
  head.AppendToString(&message);
  // One for each output, so that clients can count: empty for those that are elsewhere.
  for (const AnsweredOutput& output : outputs) {
    const std::span<const std::byte> data = in_message(output) ? output.data : std::span<const std::byte>();
    append_field(message, kRawOutputs, {reinterpret_cast<const char*>(data.data()), data.size()});
  }
  return message;
}

std::string stream_answer_message(std::string_view answer) {
  std::string message;
  message.reserve(answer.size() + 16);
  append_field(message, kAnswer, answer);
  return message;
}

std::string stream_error_message(std::string_view id, std::string_view words) {
  rpc::InferResponseHead head;
  head.set_id(std::string(id));
  std::string message;
  append_field(message, kError, words);
  append_field(message, kAnswer, head.SerializeAsString());
  return message;
}

}  // namespace monza::serve
