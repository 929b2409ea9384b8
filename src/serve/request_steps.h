// What is done with a request whatever carries it: a place in a batch, its elements put there, its end counted.
#pragma once

#include "serve/infer_request.h"
#include "serve/scheduler.h"

namespace monza::serve {

/// A place for a request that came at `started`, to be begun until the earlier of `deadline` and its own timeout.
/// Throws RequestError: 429 when the model's queue is full, 504 when it would be late.
Slot& take_slot(Scheduler& scheduler, ModelQueue& queue, const ServedModel::Fit& fit, const InferRequest& request,
                Clock::time_point started, Completion& waits, Clock::time_point deadline = Clock::time_point::max());

/// What is said of a request that memory was missing for: 503.
inline constexpr const char* kNoMemory = "the server has no memory for the request";

/// As what a request is counted that was refused before it ran.
Reason refusal_reason(int status);

/// Puts the numbers that stood in the request itself, or lie in shared memory, into its place, and gives their memory
/// back. Strings in shared memory are copied to where point_to_strings() finds them. Throws RequestError.
void put_elements(InferRequest& request, const ServedModel::Fit& fit, const Slot& slot);

/// Throws RequestError where a completed slot has no outputs: 504, 400 or 500.
void require_outputs(const Slot& slot);

/// Counts an answer with outputs that was handed to the network now.
void count_answer(ModelMetrics& metrics, const Slot& slot, Clock::time_point started);

}  // namespace monza::serve
