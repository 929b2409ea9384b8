// Inference requests and answers as protobuf messages. Knows no sockets.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/batch.h"
#include "serve/infer_request.h"

namespace monza::serve {

/// A message in the pieces in which it was received, one behind the other.
using Pieces = std::vector<std::string_view>;

/// Where a tensor's bytes stand in a message.
struct RawContent {
  std::size_t at = 0, size = 0;
};

/// A ModelInferRequest but for the bytes of its tensors.
struct RpcInferRequest {
  std::string model, version;
  InferRequest request;
  std::vector<RawContent> raw;  ///< by input; of those that have data in the request: empty
};

/// Reads a ModelInferRequest: what JSON says, too, is refused alike. Tensors in raw_input_contents are found, not read;
/// those that are written out are limited to 16 MiB. Throws RequestError.
RpcInferRequest read_infer_message(const Pieces& message);

/// Copies to.size() bytes from place `at` on.
void copy_from(const Pieces& message, std::size_t at, std::span<std::byte> to);

/// The ModelInferResponse. `input`: how long the request took to arrive.
std::string infer_answer_message(const ServedModel& model, const InferRequest& request, const Slot& slot,
                                 Clock::duration input);

/// A ModelStreamInferResponse around such a message, or with an error's words.
std::string stream_answer_message(std::string_view answer);
std::string stream_error_message(std::string_view id, std::string_view words);

}  // namespace monza::serve
