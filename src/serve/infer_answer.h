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

/// One output of an answer.
struct AnsweredOutput {
  const RequestedOutput* asked = nullptr;  ///< null: all were asked for, none by name
  std::string_view name;
  DType dtype = DType::invalid;
  Shape shape;
  std::span<const std::byte> data;  ///< in the slot's batch, or `text`
  std::string text;                 ///< of classes: a tensor of BYTES
};

/// The outputs that a request asked for: classes are picked, and what belongs into shared memory is written there.
/// Throws RequestError.
std::vector<AnsweredOutput> answered_outputs(const ServedModel& model, const InferRequest& request, const Slot& slot);

/// Appends the JSON to `json`, and to `binary` the outputs that were asked for as bytes, which lie where `outputs` say:
/// nothing is copied. `input`: how long the request took to arrive. Throws RequestError for floats that JSON has no
/// form for.
void write_infer_answer(const ServedModel& model, const InferRequest& request, const Slot& slot,
                        const std::vector<AnsweredOutput>& outputs, Clock::duration input, std::string& json,
                        std::vector<std::span<const std::byte>>& binary);

}  // namespace monza::serve
