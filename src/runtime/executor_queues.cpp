// Steps of other devices: what is put into their queues, and when the host waits for it.
#include "plan/data/reach.h"
#include "runtime/executor.h"

namespace monza::runtime {

using plan::Step;

/// An event is of the device whose step signals it; what nothing signals nobody waits for.
void Executor::set_up_events() {
  events_.resize(static_cast<std::size_t>(plan_.event_count));
  for (const Step& step : plan_.steps)
    if (step.signals >= 0)
      events_[static_cast<std::size_t>(step.signals)] = program_->devices->list[step.device].device->make_event();
}

void Executor::capture_segments() {
  captured_.resize(plan_.segments.size());
  for (std::size_t k = 0; k < captured_.size(); ++k) {
    const plan::Segment& segment = plan_.segments[k];
    if (segment.device == 0 || segment.capturable == 0) continue;
    segment_at_.resize(steps_.size(), -1);
    segment_at_[segment.steps.begin] = static_cast<std::int32_t>(k);
    backend::Queue& queue = *steps_[segment.steps.begin].queue;
    queue.begin_capture();
    for (std::uint32_t i = segment.steps.begin; i < segment.steps.begin + segment.steps.count; ++i)
      (void)queue.launch(*steps_[i].kernel, steps_[i].context, static_cast<std::int32_t>(i));
    captured_[k] = queue.end_capture();
  }
}

/// The first step waits and the last one signals (plan/data/segments.h).
Status Executor::replay(const plan::Segment& segment) noexcept {
  const Step& first = plan_.steps[segment.steps.begin];
  const Step& last = plan_.steps[segment.steps.begin + segment.steps.count - 1];
  const StepState& state = steps_[segment.steps.begin];
  if (Status s = await(first, state); !s) return s;
  if (Status s = state.queue->replay(*captured_[static_cast<std::size_t>(&segment - plan_.segments.data())]); !s)
    return s;
  return last.signals < 0 ? Status{} : state.queue->record(*events_[static_cast<std::size_t>(last.signals)]);
}

Status Executor::await(const Step& step, const StepState& state) noexcept {
  for (std::uint32_t i = 0; i < step.waits.count; ++i) {
    backend::Event& event = *events_[static_cast<std::size_t>(plan_.events[step.waits.begin + i])];
    if (Status s = state.queue != nullptr ? state.queue->wait(event) : event.wait(); !s) return s;
  }
  return {};
}

Status Executor::launch(std::int32_t index) noexcept {
  StepState& state = steps_[static_cast<std::size_t>(index)];
  if (Status s = state.queue->launch(*state.kernel, state.context, index); !s) return s;
  // The registers of what it reports are the host's.
  return plan_.steps[static_cast<std::size_t>(index)].extents.count > 0 ? state.queue->synchronise() : Status{};
}

Status Executor::run_copy(std::int32_t index) noexcept {
  const Step& step = plan_.steps[static_cast<std::size_t>(index)];
  const TensorView &from = views_[step.inputs.begin], &to = views_[step.outputs.begin];
  if (!(from.shape == to.shape) || !from.dense() || !to.dense())
    return {StatusCode::internal, "a copy between devices is not of dense tensors of one shape"};
  const std::int64_t bytes = plan::reach(from.dtype, Layout::strided, from.shape, from.stride, 0);
  const bool arrives = plan_.operands[step.outputs.begin].device == 0;
  return steps_[static_cast<std::size_t>(index)].queue->copy(
      to.data, from.data, bytes, arrives ? backend::Queue::Direction::to_host : backend::Queue::Direction::to_device);
}

/// A run is over when nothing of it is under way. What failed in a queue is why the host failed later, if it did.
Status Executor::drain(Status status) noexcept {
  Status first;
  for (const auto& queues : memory_->queues)
    for (const std::unique_ptr<backend::Queue>& queue : queues)
      if (const Status s = queue->synchronise(); first && !s) first = s;
  if (!first) failure_ = {.step = first.step()};
  return first ? status : first;
}

/// Where the host finds the elements of a constant of any device.
const void* Executor::host_copy(const plan::Operand& o, const void* data) const noexcept {
  if (o.device == 0) return data;
  return program_->weights.data() + plan_.devices[o.device].weights_offset +
         (static_cast<const std::byte*>(data) - program_->devices->list[o.device].weights.data);
}

}  // namespace monza::runtime
