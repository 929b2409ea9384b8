// The answer to an inference request: JSON, and the outputs that follow it as bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "serve/batch.h"
#include "serve/infer_request.h"
#include "serve/served_model.h"

namespace monza::serve {

/// Appends the JSON to `json`, and to `binary` the outputs that were asked for as bytes, which lie in the slot's batch:
/// nothing is copied. `input`: how long the request took to arrive. Throws RequestError for floats that JSON has no
/// form for.
void write_infer_answer(const ServedModel& model, const InferRequest& request, const Slot& slot, Clock::duration input,
                        std::string& json, std::vector<std::span<const std::byte>>& binary);

}  // namespace monza::serve
