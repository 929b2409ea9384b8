// Tensors of BYTES as KServe v2 carries them: of each element its length, as four bytes (little endian), and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "serve/infer_request.h"
#include "serve/request_error.h"

namespace monza::serve {

struct Slot;
class ServedModel;

/// Most bytes of such a tensor: those that are in the message are bounded by ServiceLimits, too.
inline constexpr std::uint64_t kMostBytesTensor = std::uint64_t{256} << 20;

/// Adds an element to the end of a tensor.
void append_bytes_element(std::string& tensor, std::string_view element);

/// Takes the first element off the front of what is left of a tensor, of which `input` is the name. Throws RequestError
/// 400 when there is no whole one.
std::string_view take_bytes_element(std::string_view& tensor, std::string_view input);

/// Where an input of BYTES of that size is received that does not stand in the JSON: RequestedInput::received.
std::span<std::byte> make_place(RequestedInput& input, std::uint64_t bytes);

/// Has the slot's inputs of strings point to the elements that the request holds, which must stay as they are until
/// the slot's run is done. Throws RequestError 400 where those are not as many as the shape says.
void point_to_strings(const InferRequest& request, const ServedModel& model, const Slot& slot);

}  // namespace monza::serve
