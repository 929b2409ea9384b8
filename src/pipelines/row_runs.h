// Rows through a model's queue, from a thread that waits for them.
#pragma once

#include <functional>
#include <vector>

#include "serve/infer_request.h"
#include "serve/service.h"

namespace monza::pipelines {

/// Rows of one shape that go into one run.
struct RowGroup {
  serve::InferRequest request;                        ///< names, types and shapes of the inputs
  std::function<void(const serve::Slot& slot)> fill;  ///< writes the inputs, which slot.input(k) has room for
  std::function<void(const serve::Slot& slot)> use;   ///< reads the outputs
};

/// An input of a group.
serve::RequestedInput row_input(const serve::Port& port, std::int64_t rows, std::vector<std::int64_t> row);

/// Runs the groups, a few at a time in the queue, and uses each as it is done, in their order. Throws RequestError: 429
/// when the queue is full, what the model refuses, and what `use` throws.
void run_groups(serve::Scheduler& scheduler, serve::ModelQueue& queue, std::vector<RowGroup>& groups);

}  // namespace monza::pipelines
