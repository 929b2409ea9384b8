// Steps of other devices: what is put into their queues, and when the host waits for it.
#include <algorithm>

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
  by_shape_.resize(plan_.segments.size());
  shape_registers_.resize(plan_.segments.size());
  std::size_t most = 0;
  for (std::size_t k = 0; k < captured_.size(); ++k) {
    const plan::Segment& segment = plan_.segments[k];
    if (segment.device == 0 || segment.capturable == plan::Capturable::never) continue;
    if (segment.capturable == plan::Capturable::always) capture(k);
    else if (memory_->captured_shapes > 0) capture_by_shape(k);
    else continue;
    segment_at_.resize(steps_.size(), -1);
    segment_at_[segment.steps.begin] = static_cast<std::int32_t>(k);
    most = std::max(most, shape_registers_[k].size());
  }
  shape_.reserve(most);
}

void Executor::capture(std::size_t k) {
  const plan::Range steps = plan_.segments[k].steps;
  backend::Queue& queue = *steps_[steps.begin].queue;
  queue.begin_capture();
  for (std::uint32_t i = steps.begin; i < steps.begin + steps.count; ++i)
    (void)queue.launch(*steps_[i].kernel, steps_[i].context, static_cast<std::int32_t>(i));
  captured_[k] = queue.end_capture();
}

void Executor::capture_by_shape(std::size_t k) {
  const plan::Segment& segment = plan_.segments[k];
  std::vector<plan::Register>& registers = shape_registers_[k];
  int most_operands = 0;
  for (std::uint32_t i = segment.steps.begin; i < segment.steps.begin + segment.steps.count; ++i) {
    const Step& step = plan_.steps[i];
    most_operands = std::max(most_operands, static_cast<int>(step.inputs.count + step.outputs.count));
    for (const plan::Range& range : {step.inputs, step.outputs})
      for (const plan::Operand& o : plan_.operands.subspan(range.begin, range.count)) {
        if (o.base == plan::Base::none || o.is_static != 0) continue;
        registers.insert(registers.end(), o.extent, o.extent + o.rank);
        registers.insert(registers.end(), o.stride, o.stride + o.rank);
        if (o.element_offset != plan::kNoRegister) registers.push_back(o.element_offset);
      }
  }
  std::sort(registers.begin(), registers.end());
  registers.erase(std::unique(registers.begin(), registers.end()), registers.end());
  by_shape_[k] = std::make_unique<ShapeCaptures>(memory_->workers, memory_->capture_queues[segment.device],
                                                 ShapeCaptures::Options{.shapes = memory_->captured_shapes,
                                                                        .registers = registers.size(),
                                                                        .launches = segment.steps.count,
                                                                        .most_operands = most_operands});
}

Status Executor::run_segment(std::size_t k) noexcept {
  return captured_[k] != nullptr ? replay(plan_.segments[k], *captured_[k]) : run_shape(k);
}

Status Executor::run_shape(std::size_t k) noexcept {
  const plan::Segment& segment = plan_.segments[k];
  const std::uint32_t end = segment.steps.begin + segment.steps.count;
  // No step of it computes what the extents of another depend on.
  for (std::uint32_t i = segment.steps.begin; i < end; ++i)
    if (Status s = run_program(plan_.steps[i].program); !s) return s.at_step(static_cast<std::int32_t>(i));
  shape_.clear();
  for (const plan::Register r : shape_registers_[k]) shape_.push_back(registers_[static_cast<std::size_t>(r)]);
  if (backend::CapturedWork* work = by_shape_[k]->find(shape_)) return replay(segment, *work);
  if (by_shape_[k]->begin(shape_)) noting_ = by_shape_[k].get();
  Status status;
  for (std::uint32_t i = segment.steps.begin; i < end && status; ++i) {
    status = run_step(static_cast<std::int32_t>(i));
    if (!status && status.step() < 0) status = status.at_step(static_cast<std::int32_t>(i));
  }
  if (noting_ != nullptr) noting_->end(status.ok());
  noting_ = nullptr;
  return status;
}

/// The first step waits and the last one signals (plan/data/segments.h).
Status Executor::replay(const plan::Segment& segment, backend::CapturedWork& work) noexcept {
  const Step& first = plan_.steps[segment.steps.begin];
  const Step& last = plan_.steps[segment.steps.begin + segment.steps.count - 1];
  const StepState& state = steps_[segment.steps.begin];
  if (Status s = await(first, state); !s) return s;
  if (Status s = state.queue->replay(work); !s) return s;
  ++replayed_;
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
  if (noting_ != nullptr) noting_->note(*state.kernel, state.context, index);
  if (profiling_) return state.queue->launch_timed(*state.kernel, state.context, index, device_us_);
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
  const plan::Operand &source = plan_.operands[step.inputs.begin], &target = plan_.operands[step.outputs.begin];
  using Direction = backend::Queue::Direction;
  const Direction direction = bound_elsewhere(source) || bound_elsewhere(target) ? Direction::on_device
                              : target.device == 0                               ? Direction::to_host
                                                                                 : Direction::to_device;
  return steps_[static_cast<std::size_t>(index)].queue->copy(to.data, from.data, bytes, direction);
}

/// The caller bound memory that is not the host's, where the plan has a port of the host.
bool Executor::bound_elsewhere(const plan::Operand& o) const noexcept {
  if (o.base != plan::Base::input && o.base != plan::Base::output) return false;
  const std::vector<Binding>& ports = o.base == plan::Base::input ? inputs_ : outputs_;
  return ports[static_cast<std::size_t>(o.index)].device != DeviceKind::cpu;
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
