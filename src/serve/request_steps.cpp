#include "serve/request_steps.h"

#include <algorithm>
#include <cstring>

#include "serve/bytes_tensor.h"
#include "serve/request_error.h"

namespace monza::serve {

Slot& take_slot(Scheduler& scheduler, ModelQueue& queue, const ServedModel::Fit& fit, const InferRequest& request,
                Clock::time_point started, Completion& waits, Clock::time_point deadline) {
  const QueuePolicy& policy = queue.model().policy();
  const std::int64_t timeout = request.timeout_us > 0 ? request.timeout_us : policy.timeout_us;
  if (timeout > 0)
    deadline =
        std::min(deadline, started + std::chrono::microseconds(std::min<std::int64_t>(timeout, INT64_C(1) << 40)));
  const std::int64_t priority = request.priority > 0 ? request.priority : policy.usual_priority;
  bool late = false;
  Slot* slot = scheduler.reserve(queue, fit, waits, {deadline, priority}, late);
  if (late) fail_with(504, "the request would wait longer than its timeout");
  if (slot == nullptr) fail_with(429, "the model's queue is full: try again");
  return *slot;
}

Reason refusal_reason(int status) {
  return status == 429 ? Reason::queue_full : status == 504 ? Reason::timed_out : Reason::invalid;
}

void put_elements(InferRequest& request, const ServedModel::Fit& fit, const Slot& slot) {
  for (std::size_t k = 0; k < fit.inputs.size(); ++k) {
    RequestedInput& input = request.inputs[fit.inputs[k].source];
    const bool strings = input.dtype == DType::string;
    const std::span<std::byte> place = strings ? make_place(input, input.shared.bytes) : slot.input(k);
    if (input.shared.region != nullptr) input.shared.region->read(input.shared.offset, place);
    if (strings || !input.has_data || input.data.empty()) continue;
    std::memcpy(place.data(), input.data.data(), place.size());
    std::vector<std::byte>().swap(input.data);
  }
}

void require_outputs(const Slot& slot) {
  if (slot.timed_out) fail_with(504, "the request waited longer than its timeout");
  if (slot.status) return;
  // Its words are Monza's own; which node of the model it was in is for the operator's log.
  const bool theirs =
      slot.status.code() == StatusCode::invalid_argument || slot.status.code() == StatusCode::out_of_range;
  fail_with(theirs ? 400 : 500, "the model cannot be run on this: {}", slot.status.message());
}

void count_answer(ModelMetrics& metrics, const Slot& slot, Clock::time_point started) {
  const Clock::time_point now = Clock::now();
  metrics.phase(Phase::input).add(slot.ready_at - started);
  metrics.phase(Phase::queue).add(slot.begun_at - slot.ready_at);
  metrics.phase(Phase::compute).add(slot.ended_at - slot.begun_at);
  metrics.phase(Phase::output).add(now - slot.ended_at);
  metrics.phase(Phase::total).add(now - started);
  metrics.rows.fetch_add(slot.rows, std::memory_order_relaxed);
  metrics.last_unix_ms.store(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count(),
      std::memory_order_relaxed);
}

}  // namespace monza::serve
