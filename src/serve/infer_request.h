// What an inference request of KServe v2 says: the JSON object that is its body, or that stands before binary tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/region.h"
#include "monza/dtype.h"
#include "serve/shared_memory.h"
#include "tensor/shape.h"

namespace monza::serve {

/// Where a tensor lies that is not in the message.
struct SharedPlace {
  std::string name;  ///< of a registered region; "": the tensor is in the message
  std::uint64_t offset = 0, bytes = 0;
  std::shared_ptr<const SharedRegion> region;  ///< once find_regions() has found it
};

/// An input as the request describes it.
struct RequestedInput {
  std::string name;
  DType dtype = DType::invalid;
  Shape shape;
  std::int64_t binary_bytes = -1;  ///< of the binary part of the body that are this tensor; -1: `data` has it
  std::vector<std::byte> data;  ///< the elements that stood in the JSON, as the engine takes them; BYTES as KServe does
  bool has_data = false;
  /// BYTES that were not in the JSON. Its pages are committed as bytes come, not by what a length promises.
  Region received;
  SharedPlace shared;

  /// Its bytes follow the request.
  bool binary() const { return !has_data && shared.name.empty(); }
  /// Of BYTES: all of them, when they are at hand.
  std::span<const std::byte> elements() const {
    if (has_data) return data;
    return {received.data(), static_cast<std::size_t>(received.bytes())};
  }
};

/// An output that the request names.
struct RequestedOutput {
  std::string name;
  bool binary = false;
  bool binary_said = false;  ///< else InferRequest::binary_outputs decides
  std::int64_t classes =
      0;  ///< parameter classification: so many of the largest elements, as strings; 0: all, as they are
  SharedPlace shared;
};

struct InferRequest {
  std::string id;
  std::vector<RequestedInput> inputs;
  std::vector<RequestedOutput> outputs;  ///< empty: all of the model's
  bool binary_outputs = false;           ///< parameter binary_data_output
  bool times = false;                    ///< parameter monza_times: the answer says how long each phase took
  std::int64_t priority = 0;             ///< parameter priority: 1 is run first; 0: the model's usual one
  std::int64_t timeout_us = 0;           ///< parameter timeout: refused rather than begun later than this; 0: none
};

/// Most inputs, and most outputs, of a request.
inline constexpr std::size_t kMaxTensors = 1024;

/// Reads `json`. What the protocol leaves open (unknown keys) is skipped; what it knows and this server does not do
/// (sequences) is refused. Elements are checked against their type here; names, shapes
/// and sizes against a model by ServedModel. Memory taken is at most a few times json.size(). Throws RequestError.
InferRequest parse_infer_request(std::string_view json);

/// Throws RequestError 400 for what no protocol may say of an input or output.
void check_input(const RequestedInput& input);
void check_output(const RequestedOutput& output);

/// Looks up the regions that the request names, and checks that its places are inside. Throws RequestError.
void find_regions(InferRequest& request, const SharedMemory& memory);

/// What the protocol knows and this server does not do: throws RequestError, 501.
[[noreturn]] void refuse_sequence();

}  // namespace monza::serve
