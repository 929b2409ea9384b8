#include "serve/bytes_tensor.h"

#include <algorithm>
#include <cstring>

#include "serve/batch.h"
#include "serve/served_model.h"

namespace monza::serve {

void append_bytes_element(std::string& tensor, std::string_view element) {
  const auto size = static_cast<std::uint32_t>(element.size());
  tensor.append(reinterpret_cast<const char*>(&size), sizeof size).append(element);
}

std::string_view take_bytes_element(std::string_view& tensor, std::string_view input) {
  std::uint32_t size = 0;
  if (tensor.size() < sizeof size) fail_with(400, "input '{}' ends inside an element's length", input);
  std::memcpy(&size, tensor.data(), sizeof size);
  tensor.remove_prefix(sizeof size);
  if (size > tensor.size())
    fail_with(400, "input '{}' has an element of {} bytes, and {} are left", input, size, tensor.size());
  const std::string_view element = tensor.substr(0, size);
  tensor.remove_prefix(size);
  return element;
}

std::span<std::byte> make_place(RequestedInput& input, std::uint64_t bytes) {
  input.received = Region(static_cast<std::int64_t>(bytes));
  return {input.received.data(), static_cast<std::size_t>(bytes)};
}

void point_to_strings(const InferRequest& request, const ServedModel& model, const Slot& slot) {
  for (std::size_t k = 0; k < model.inputs().size(); ++k) {
    const Port& port = model.inputs()[k];
    if (port.dtype != DType::string) continue;
    const auto given = std::find_if(request.inputs.begin(), request.inputs.end(),
                                    [&](const RequestedInput& one) { return one.name == port.name; });
    const std::span<const std::byte> bytes = given->elements();
    std::string_view left(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::span<std::byte> place = slot.input(k);
    auto* to = reinterpret_cast<StringRef*>(place.data());
    for (StringRef* const end = to + place.size() / sizeof(StringRef); to != end; ++to) {
      const std::string_view element = take_bytes_element(left, port.name);
      *to = {element.data(), element.size()};
    }
    if (!left.empty()) fail_with(400, "input '{}' has more elements than its shape", port.name);
  }
}

}  // namespace monza::serve
