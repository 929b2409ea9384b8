#include "runtime/executor.h"

#include <algorithm>
#include <chrono>

#include "base/cpu.h"
#include "base/error.h"
#include "kernel/check.h"
#include "kernel/nothing.h"
#include "memory/poison.h"
#include "plan/data/reach.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::runtime {
namespace {

using plan::Base;
using plan::Operand;
using plan::Step;

std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int thread_count(std::span<const Program* const> programs, int wanted) {
  // Scratch memory was sized for plan.threads workers.
  int most = std::max(1, programs[0]->plan.threads);
  for (const Program* p : programs) most = std::min(most, std::max(1, p->plan.threads));
  return wanted > 0 ? std::min(wanted, most) : std::min(most, cpu_info().usable_threads);
}

/// Alignment that kernels may count on in the caller's memory: that of the element.
bool aligned(const void* data, DType dtype) noexcept {
  const std::uintptr_t bytes = static_cast<std::uintptr_t>(std::min(dtype_bits(dtype), 64)) / 8;
  return bytes < 2 || reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

/// Bytes of a dense tensor without throwing; -1 when the size overflows.
std::int64_t dense_bytes(DType dtype, const Shape& shape) noexcept {
  TensorView v;
  v.shape = shape;
  return plan::dense_reach(dtype, v);
}

}  // namespace

ExecutorMemory::ExecutorMemory(std::span<const Program* const> programs, const ExecutorOptions& options)
    : workers(options.workers != nullptr
                  ? options.workers
                  : std::make_shared<ThreadPool>(
                        ThreadPool::Options{.threads = thread_count(programs, options.threads), .pin = options.pin})),
      team(workers, {.threads = thread_count(programs, options.threads), .priority = options.priority}),
      captured_shapes(static_cast<std::size_t>(std::max(options.captured_shapes, 0))),
      prefault(options.prefault) {
  const std::vector<Devices::Open>& devices = programs[0]->devices->list;
  for (std::size_t d = 0; d < devices.size(); ++d) {
    std::int64_t bytes = 0;
    std::size_t count = 0;
    backend::QueueOptions queue;
    for (const Program* p : programs) {
      bytes = std::max(bytes, p->plan.devices[d].arena_bytes);
      count = std::max<std::size_t>(count, p->plan.devices[d].queues);
      for (const Step& s : p->plan.steps)
        queue.most_operands = std::max(queue.most_operands, static_cast<int>(s.inputs.count + s.outputs.count));
    }
    arenas.push_back(
        devices[d].device->allocate(bytes, {.prefault = options.prefault, .huge_pages = options.huge_pages}));
    queues.emplace_back();
    capture_queues.emplace_back();
    for (std::size_t q = 0; d > 0 && q < count; ++q) {
      queue_teams.push_back(
          std::make_unique<Team>(workers, Team::Options{.threads = team.threads(), .priority = options.priority}));
      queue.parallel = queue_teams.back().get();
      queues[d].push_back(devices[d].device->make_queue(queue));
      has_queues = true;
    }
    const bool by_shape = std::any_of(programs.begin(), programs.end(), [&](const Program* p) {
      return std::any_of(p->plan.segments.begin(), p->plan.segments.end(), [&](const plan::Segment& s) {
        return s.device == d && s.capturable == plan::Capturable::by_shape;
      });
    });
    if (d > 0 && by_shape && captured_shapes > 0) {
      capture_queues[d] = std::make_shared<CaptureQueue>();
      capture_queues[d]->queue = devices[d].device->make_queue(queue);
    }
  }
}

namespace {
std::shared_ptr<ExecutorMemory> memory_of(const Program* program, const ExecutorOptions& options) {
  return std::make_shared<ExecutorMemory>(std::span(&program, 1), options);
}
}  // namespace

Executor::Executor(std::shared_ptr<const Program> program, const ExecutorOptions& options)
    : Executor(memory_of(program.get(), options), program, options.max_pool_bytes) {}

Executor::Executor(std::shared_ptr<ExecutorMemory> memory, std::shared_ptr<const Program> program,
                   std::int64_t max_pool_bytes)
    : program_(std::move(program)), plan_(program_->plan), memory_(std::move(memory)) {
  registers_.assign(plan_.registers.begin(), plan_.registers.end());
  inputs_.resize(plan_.inputs.size());
  outputs_.resize(plan_.outputs.size());
  set_up_values(max_pool_bytes);
  set_up_operands();
  set_up_steps();
  set_up_ports();
  if (memory_->has_queues) {
    set_up_events();
    capture_segments();
  }
}

/// Where ports may lie, and memory for outputs that no caller binds.
void Executor::set_up_ports() {
  const Devices& devices = *program_->devices;
  const PortUses uses = uses_of_ports(plan_, devices);
  for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i].use = uses.inputs[i];
  std::vector<std::int64_t> bytes(outputs_.size(), 64);
  for (const Operand& o : plan_.operands)
    if (o.base == Base::output) {
      std::int64_t& most = bytes[static_cast<std::size_t>(o.index)];
      most = std::max(most, o.byte_offset + o.byte_bound);
    }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    outputs_[i].use = uses.outputs[i];
    // The device that writes it knows which memory of the host it likes best.
    backend::Device* writer = devices.list[0].device.get();
    for (const Devices::Open& d : devices.list)
      if (uses.outputs[i].copied.contains(d.device->kind())) writer = d.device.get();
    outputs_[i].own = writer->allocate_on_host(bytes[i], {.prefault = memory_->prefault});
    place(outputs_[i], outputs_[i].own.data, outputs_[i].own.bytes);
  }
}

void Executor::set_up_operands() {
  views_.resize(plan_.operands.size());
  changed_.resize(plan_.operands.size());
  for (std::size_t i = 0; i < views_.size(); ++i) {
    const Operand& o = plan_.operands[i];
    TensorView& v = views_[i];
    if (o.base == Base::none) continue;
    v.dtype = o.dtype;
    v.layout = o.layout;
    v.shape.rank = o.rank;
    if (o.base == Base::state || !o.is_static) continue;
    std::vector<Binding>* ports = o.base == Base::input ? &inputs_ : o.base == Base::output ? &outputs_ : nullptr;
    if (ports == nullptr) {
      if (Status s = resolve(static_cast<std::int32_t>(i)); !s) fail("operand {} of the plan: {}", i, s.message());
      continue;
    }
    Binding& b = (*ports)[static_cast<std::size_t>(o.index)];
    for (int a = 0; a < o.rank; ++a) {
      v.shape[a] = registers_[static_cast<std::size_t>(o.extent[a])];
      v.stride[a] = registers_[static_cast<std::size_t>(o.stride[a])];
    }
    const std::int64_t offset = o.element_offset >= 0 ? registers_[static_cast<std::size_t>(o.element_offset)] : 0;
    const std::int64_t end = plan::reach(o.dtype, o.layout, v.shape, v.stride, offset);
    if (end < 0 || end > o.byte_bound) fail("operand {} of the plan reaches past its bound", i);
    b.needed = std::max(b.needed, o.byte_offset + end);
    b.statics.push_back(static_cast<std::int32_t>(i));
  }
}

void Executor::set_up_steps() {
  steps_.resize(plan_.steps.size());
  times_.resize(plan_.steps.size());
  std::uint32_t scanned = 0;
  for (const plan::LoopInfo& loop : plan_.loops) {
    scanned_begin_.push_back(scanned);
    scanned += loop.scanned.count;
  }
  scanned_.resize(scanned);
  std::size_t reported = 0, states = 0;
  for (const Step& step : plan_.steps) {
    reported += step.extents.count;
    for (std::uint32_t i = 0; i < step.inputs.count; ++i)
      states += plan_.operands[step.inputs.begin + i].base == Base::state;
  }
  reported_.resize(reported);
  state_views_.reserve(states);
  reported = 0;
  bool any_check = false;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = plan_.steps[i];
    StepState& state = steps_[i];
    state.dynamic.begin = static_cast<std::uint32_t>(dynamic_operands_.size());
    for (const plan::Range& range : {step.inputs, step.outputs})
      for (std::uint32_t k = range.begin; k < range.begin + range.count; ++k) {
        const Operand& o = plan_.operands[k];
        if (o.base != Base::none && o.base != Base::state && !o.is_static)
          dynamic_operands_.push_back(static_cast<std::int32_t>(k));
      }
    state.dynamic.count = static_cast<std::uint32_t>(dynamic_operands_.size()) - state.dynamic.begin;
    if (step.device != 0) state.queue = memory_->queues[step.device][step.queue].get();
    if (step.kind != plan::StepKind::kernel) continue;
    state.kernel = program_->kernels[static_cast<std::size_t>(step.kernel)];
    if (!program_->checks.empty()) state.check = program_->checks[static_cast<std::size_t>(step.kernel)];
    any_check |= state.dynamic.count > 0;
    for (std::uint32_t k = 0; k < std::min(step.inputs.count, 32u); ++k)
      if (plan_.operands[step.inputs.begin + k].base == Base::state) state.state_inputs |= 1u << k;
    for (std::uint32_t k = 0; k < std::min(step.outputs.count, 32u); ++k)
      if (plan_.operands[step.outputs.begin + k].base == Base::state) state.state_outputs |= 1u << k;
    state.states.begin = static_cast<std::uint32_t>(state_views_.size());
    for (std::uint32_t k = step.inputs.begin; k < step.inputs.begin + step.inputs.count; ++k)
      if (plan_.operands[k].base == Base::state) {
        state_refs_.push_back(plan_.operands[k].index);
        state_views_.emplace_back();
      }
    state.states.count = static_cast<std::uint32_t>(state_views_.size()) - state.states.begin;
    KernelContext& c = state.context;
    c.params = plan_.params.data() + step.params.begin;
    c.in = views_.data() + step.inputs.begin;
    c.in_count = static_cast<int>(step.inputs.count);
    c.out = views_.data() + step.outputs.begin;
    c.out_count = static_cast<int>(step.outputs.count);
    c.scratch = step.scratch_bytes > 0 ? memory_->arenas[step.device].data + step.scratch_offset : nullptr;
    c.parallel = &memory_->team;
    c.pool = has_values_ ? &values_ : nullptr;
    c.extents = step.extents.count > 0 ? reported_.data() + reported : nullptr;
    reported += step.extents.count;
    c.state = state.states.count > 0 ? state_views_.data() + state.states.begin : nullptr;
    c.state_count = static_cast<int>(state.states.count);
  }
  if (any_check) {
    descs_.resize(views_.size());
    for (const Operand& o : plan_.operands) bounds_.push_back(o.byte_bound);
  }
}

void Executor::place(Binding& binding, std::byte* data, std::int64_t bytes) noexcept {
  binding.data = data;
  binding.device = DeviceKind::cpu;
  binding.bytes = bytes;
  for (std::int32_t i : binding.statics) {
    const Operand& o = plan_.operands[static_cast<std::size_t>(i)];
    const std::int64_t offset = o.element_offset >= 0 ? registers_[static_cast<std::size_t>(o.element_offset)] : 0;
    views_[static_cast<std::size_t>(i)].data =
        data == nullptr ? nullptr : data + o.byte_offset + offset * dtype_bits(o.dtype) / 8;
  }
}

Status Executor::bind_input(int index, DType dtype, const Shape& shape, void* data, std::int64_t bytes,
                            DeviceKind device) noexcept {
  failure_ = {};
  if (index < 0 || index >= static_cast<int>(inputs_.size())) return {StatusCode::invalid_argument, "no such input"};
  const plan::ModelPort& port = plan_.inputs[static_cast<std::size_t>(index)];
  Binding& b = inputs_[static_cast<std::size_t>(index)];
  place(b, nullptr, 0);
  failure_.port = index;
  if (port.kind != 0) return {StatusCode::invalid_argument, "the input is a sequence or optional: bind a list to it"};
  if (dtype != port.dtype) return {StatusCode::invalid_argument, "the input has another type than the model's"};
  if (shape.rank != port.rank) return {StatusCode::invalid_argument, "the input has another rank than the model's"};
  for (int a = 0; a < shape.rank; ++a)
    if (shape[a] < port.min[a] || shape[a] > port.max[a]) {
      failure_.axis = a;
      failure_.value = shape[a];
      failure_.low = port.min[a];
      failure_.high = port.max[a];
      return {StatusCode::invalid_argument, "an extent of the input lies outside what the engine was built for"};
    }
  const std::int64_t held = dense_bytes(dtype, shape);
  if (bytes < held) return {StatusCode::invalid_argument, "the input's memory is smaller than its shape says"};
  if (bytes < b.needed) return {StatusCode::invalid_argument, "the model takes more of the input than its shape holds"};
  if (data == nullptr && std::max(held, b.needed) > 0) return {StatusCode::invalid_argument, "the input has no memory"};
  if (!aligned(data, dtype))
    return {StatusCode::invalid_argument, "the input's memory is not aligned to its element type"};
  if (Status s = may_lie_on(device, b.use, *program_->devices); !s) return s;
  b.shape = shape;
  if (dtype == DType::string) {
    if (device != DeviceKind::cpu) return {StatusCode::invalid_argument, "strings lie in the host's memory alone"};
    b.strings = static_cast<const StringRef*>(data);
    place(b, b.own.data, b.own.bytes);
  } else {
    place(b, data == nullptr ? nothing_ : static_cast<std::byte*>(data), bytes);
    if (data != nullptr) b.device = device;
  }
  failure_ = {};
  return {};
}

Status Executor::bind_output(int index, DType dtype, void* data, std::int64_t bytes, DeviceKind device) noexcept {
  failure_ = {};
  if (index < 0 || index >= static_cast<int>(outputs_.size())) return {StatusCode::invalid_argument, "no such output"};
  failure_.port = index;
  failure_.output = true;
  Binding& b = outputs_[static_cast<std::size_t>(index)];
  if (plan_.outputs[static_cast<std::size_t>(index)].kind != 0)
    return {StatusCode::invalid_argument, "no memory can be bound to an output that is a sequence or optional"};
  if (dtype != plan_.outputs[static_cast<std::size_t>(index)].dtype)
    return {StatusCode::invalid_argument, "the output has another type than the model's"};
  if (bytes < b.needed) return {StatusCode::invalid_argument, "the memory bound to an output is too small"};
  if (data == nullptr) return {StatusCode::invalid_argument, "the output has no memory"};
  if (!aligned(data, dtype))
    return {StatusCode::invalid_argument, "the output's memory is not aligned to its element type"};
  if (Status s = may_lie_on(device, b.use, *program_->devices); !s) return s;
  place(b, static_cast<std::byte*>(data), bytes);
  b.device = device;
  failure_ = {};
  return {};
}

void Executor::unbind_output(int index) noexcept {
  if (index < 0 || index >= static_cast<int>(outputs_.size())) return;
  Binding& b = outputs_[static_cast<std::size_t>(index)];
  place(b, b.own.data, b.own.bytes);
}

std::byte* Executor::base_of(const Operand& o, std::int64_t* limit) noexcept {
  *limit = o.byte_bound;
  const Binding* b = nullptr;
  switch (o.base) {
    case Base::arena: return memory_->arenas[o.device].data + o.byte_offset;
    case Base::weights: return program_->devices->list[o.device].weights.data + o.byte_offset;
    case Base::input: b = &inputs_[static_cast<std::size_t>(o.index)]; break;
    case Base::output: b = &outputs_[static_cast<std::size_t>(o.index)]; break;
    case Base::none:
    case Base::state: *limit = -1; return nullptr;
  }
  // An empty view may begin anywhere, also behind the last byte.
  *limit = std::clamp<std::int64_t>(b->bytes - o.byte_offset, 0, *limit);
  return b->data + o.byte_offset;
}

Status Executor::resolve(std::int32_t index) noexcept {
  const Operand& o = plan_.operands[static_cast<std::size_t>(index)];
  TensorView& v = views_[static_cast<std::size_t>(index)];
  bool changed = false;
  for (int a = 0; a < o.rank; ++a) {
    const std::int64_t extent = registers_[static_cast<std::size_t>(o.extent[a])],
                       stride = registers_[static_cast<std::size_t>(o.stride[a])];
    changed |= v.shape[a] != extent || v.stride[a] != stride;
    v.shape[a] = extent;
    v.stride[a] = stride;
  }
  std::int64_t offset = o.element_offset >= 0 ? registers_[static_cast<std::size_t>(o.element_offset)] : 0;
  std::int64_t limit;
  std::byte* base = base_of(o, &limit);
  const std::int64_t end = plan::reach(o.dtype, o.layout, v.shape, v.stride, offset);
  if (end == 0) offset = 0;  // nothing will be read there
  const std::int64_t bits = dtype_bits(o.dtype);
  if (end < 0 || end > limit || (bits < 8 && offset * bits % 8 != 0)) {
    if (o.base == Base::output && end > limit && end <= o.byte_bound)
      return {StatusCode::invalid_argument, "the memory bound to an output is too small for this run's shape"};
    if (std::any_of(v.shape.dim, v.shape.dim + v.shape.rank, [](std::int64_t e) { return e < 0; }))
      return {StatusCode::out_of_range, "a tensor would have a negative extent for these inputs"};
    return {StatusCode::out_of_range, "a tensor outgrows the memory planned for it"};
  }
  std::byte* const data = base + offset * bits / 8;
  changed |= v.data != data && (o.base == Base::arena || o.base == Base::output);
  v.data = data;
  if (changed) changed_[static_cast<std::size_t>(index)] = ++shape_clock_;
  return {};
}

Status Executor::run() noexcept {
  failure_ = {};
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (inputs_[i].data == nullptr) {
      failure_.port = static_cast<std::int32_t>(i);
      return {StatusCode::invalid_argument, "an input is not bound"};
    }
  if (!plan_.states.empty()) {
    if (states_ == nullptr) return {StatusCode::invalid_argument, "the model keeps state, and no sequence is bound"};
    for (std::size_t i = 0; i < plan_.states.size(); ++i)
      for (std::int64_t r = 0; r < states_[i].row_count; ++r) states_[i].rows[r].appended = 0;
    for (std::size_t i = 0; i < state_views_.size(); ++i)
      state_views_[i] = states_[static_cast<std::size_t>(state_refs_[i])];
  }
  // Registers that a region not taken leaves unwritten must not keep values of an earlier run.
  if (!plan_.program.empty()) std::copy(plan_.registers.begin(), plan_.registers.end(), registers_.begin());
  if (profiling_) run_start_ns_ = now_ns();
  if (has_values_)
    if (Status s = load_values(); !s) return s;
  Status status = run_region(0);
  if (memory_->has_queues) status = drain(status);
  if (!status) return status;
  // What the caller reads is what the registers say, and must lie within the output's memory.
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    if (!output(static_cast<int>(i)).present())
      return {StatusCode::out_of_range, "an output's shape does not fit the memory planned for it"};
  return has_values_ ? store_values() : Status{};
}

Status Executor::run_region(std::int32_t index) noexcept {
  const plan::Region& region = plan_.regions[static_cast<std::size_t>(index)];
  for (std::uint32_t i = region.steps.begin; i < region.steps.begin + region.steps.count; ++i) {
    if (!segment_at_.empty() && segment_at_[i] >= 0 && !profiling_) {
      const auto segment = static_cast<std::size_t>(segment_at_[i]);
      if (Status s = run_segment(segment); !s) return s.step() >= 0 ? s : s.at_step(static_cast<std::int32_t>(i));
      i += plan_.segments[segment].steps.count - 1;
      continue;
    }
    if (Status s = run_step(static_cast<std::int32_t>(i)); !s)
      return s.step() >= 0 ? s : s.at_step(static_cast<std::int32_t>(i));
  }
  return run_program(region.program);
}

Status Executor::run_step(std::int32_t index) noexcept {
  const Step& step = plan_.steps[static_cast<std::size_t>(index)];
  StepState& state = steps_[static_cast<std::size_t>(index)];
  if (step.waits.count > 0 && memory_->has_queues)
    if (Status s = await(step, state); !s) return s;
  if (step.program.count > 0)
    if (Status s = run_program(step.program); !s) return s;
  for (std::uint32_t i = 0; i < state.dynamic.count; ++i)
    if (Status s = resolve(dynamic_operands_[state.dynamic.begin + i]); !s) {
      failure_.operand = dynamic_operands_[state.dynamic.begin + i];
      return s;
    }
  const std::int64_t start = profiling_ ? now_ns() : 0;
  device_us_ = -1;
  Status status;
  switch (step.kind) {
    case plan::StepKind::kernel:
      status = run_kernel(index);
      if (!status) failure_.step = index;
      break;
    case plan::StepKind::branch: status = run_branch(step); break;
    case plan::StepKind::loop: status = run_loop(plan_.loops[static_cast<std::size_t>(step.loop)]); break;
    case plan::StepKind::copy: status = run_copy(index); break;
    case plan::StepKind::wait: break;
  }
  if (status && step.signals >= 0 && state.queue != nullptr)
    status = state.queue->record(*events_[static_cast<std::size_t>(step.signals)]);
  // A time is of the work itself, not of handing it out.
  if (profiling_ && status && state.queue != nullptr) status = state.queue->synchronise();
  if (profiling_) {
    StepTimes& t = times_[static_cast<std::size_t>(index)];
    const double us = device_us_ >= 0 ? device_us_ : static_cast<double>(now_ns() - start) * 1e-3;
    t.start_us = static_cast<double>(start - run_start_ns_) * 1e-3;
    t.best_us = t.runs == 0 ? us : std::min(t.best_us, us);
    t.total_us += us;
    ++t.runs;
  }
  return status;
}

Status Executor::run_kernel(std::int32_t index) noexcept {
  const Step& step = plan_.steps[static_cast<std::size_t>(index)];
  StepState& state = steps_[static_cast<std::size_t>(index)];
  if (stale(state))
    if (Status s = check_step(step, state); !s) return s;
  // What reports extents or keeps state runs all the same.
  if (state.dynamic.count > 0 && !state.kernel->reference && step.extents.count == 0 && state.states.count == 0 &&
      gives_nothing(state.context.out, state.context.out_count))
    return {};
  for (std::uint32_t i = 0; i < step.extents.count; ++i) state.context.extents[i] = -1;

  // Copies of other queues touch the arena while a kernel of the host runs.
  const bool fenced = kPoisons && !memory_->has_queues;
  if (fenced) fence(step, true);
  const Status status = state.queue != nullptr ? launch(index) : state.kernel->run(state.context);
  if (fenced) fence(step, false);
  if (!status) return status;

  for (std::uint32_t i = 0; i < step.extents.count; ++i) {
    if (state.context.extents[i] < 0) return {StatusCode::internal, "a kernel did not report an extent"};
    registers_[step.extents.begin + i] = state.context.extents[i];
  }
  return {};
}

/// Under the address sanitizer a kernel may touch its own operands and scratch memory in the arena, and nothing else.
void Executor::fence(const Step& step, bool up) noexcept {
  const backend::DeviceMemory& arena = memory_->arenas[step.device];
  if (!up) return unpoison(arena.data, static_cast<std::size_t>(arena.bytes));
  poison(arena.data, static_cast<std::size_t>(arena.bytes));
  for (const plan::Range& range : {step.inputs, step.outputs})
    for (std::uint32_t k = range.begin; k < range.begin + range.count; ++k) {
      const Operand& o = plan_.operands[k];
      if (o.base != Base::arena) continue;
      const std::int64_t offset = o.element_offset >= 0 ? registers_[static_cast<std::size_t>(o.element_offset)] : 0;
      const std::int64_t end = plan::reach(o.dtype, o.layout, views_[k].shape, views_[k].stride, offset);
      if (end > 0) unpoison(memory_->arenas[o.device].data + o.byte_offset, static_cast<std::size_t>(end));
    }
  if (step.scratch_bytes > 0) unpoison(arena.data + step.scratch_offset, static_cast<std::size_t>(step.scratch_bytes));
}

bool Executor::stale(const StepState& state) const noexcept {
  if (state.dynamic.count == 0) return false;  // checked when the engine was loaded
  if (state.checked_at < 0) return true;
  for (std::uint32_t i = 0; i < state.dynamic.count; ++i)
    if (changed_[static_cast<std::size_t>(dynamic_operands_[state.dynamic.begin + i])] > state.checked_at) return true;
  return false;
}

Status Executor::check_step(const Step& step, StepState& state) noexcept {
  state.checked_at = -1;
  const plan::Range ranges[] = {step.inputs, step.outputs};
  for (const plan::Range& range : ranges)
    for (std::uint32_t k = range.begin; k < range.begin + range.count; ++k) {
      const TensorView& v = views_[k];
      OperandDesc& d = descs_[k];
      d.dtype = v.dtype;
      const bool input = &range == &ranges[0];
      d.layout =
          asked_layout((input ? state.kernel->in : state.kernel->out)[static_cast<int>(k - range.begin)], v.layout);
      d.shape = v.shape;
      d.constant = plan_.operands[k].base == Base::weights;
      d.data = d.constant && v.layout != Layout::packed ? host_copy(plan_.operands[k], v.data) : nullptr;
    }
  StepQuery query;
  query.operands = {.params = state.context.params,
                    .in = state.context.in,
                    .in_count = state.context.in_count,
                    .out = state.context.out,
                    .out_count = state.context.out_count,
                    .extents = static_cast<int>(step.extents.count),
                    .state_inputs = state.state_inputs,
                    .state_outputs = state.state_outputs};
  query.in = descs_.data() + step.inputs.begin;
  query.out = descs_.data() + step.outputs.begin;
  query.in_bytes = bounds_.data() + step.inputs.begin;
  query.scratch_bytes = step.scratch_bytes;
  query.threads = memory_->team.threads();
  if (const Refusal r = refuse_step(*state.kernel, state.check, query)) return {StatusCode::out_of_range, r};
  for (std::uint32_t i = 0; i < step.inputs.count; ++i)
    for (std::uint32_t o = 0; o < step.outputs.count; ++o) {
      const Operand &in = plan_.operands[step.inputs.begin + i], &out = plan_.operands[step.outputs.begin + o];
      if (!plan::same_memory(in, out)) continue;
      if (const Refusal r = refuse_overlap(*state.kernel, state.context.in[i], static_cast<int>(i),
                                           state.context.out[o], static_cast<int>(o)))
        return {StatusCode::out_of_range, r};
    }
  state.checked_at = shape_clock_;
  return {};
}

Status Executor::run_branch(const Step& step) noexcept {
  std::int64_t condition;
  if (Status s = load_element(static_cast<std::int32_t>(step.inputs.begin), 0, &condition); !s) return s;
  return run_region(plan_.region_refs[step.regions.begin + (condition != 0 ? 0 : 1)]);
}

TensorView Executor::output(int index) const noexcept {
  if (index < 0 || index >= static_cast<int>(outputs_.size())) return {};
  const Operand& o = plan_.operands[static_cast<std::size_t>(plan_.outputs[static_cast<std::size_t>(index)].operand)];
  TensorView v;
  v.dtype = o.dtype;
  v.shape.rank = o.rank;
  for (int a = 0; a < o.rank; ++a) v.shape[a] = registers_[static_cast<std::size_t>(o.extent[a])];
  const Binding& b = outputs_[static_cast<std::size_t>(index)];
  if (const std::int64_t bytes = plan::dense_reach(v.dtype, v); bytes < 0 || bytes > b.bytes) return {};
  v.data = b.data;
  return v;
}

void Executor::set_profiling(bool on) noexcept {
  if (on) std::fill(times_.begin(), times_.end(), StepTimes{});
  profiling_ = on;
}

std::int64_t Executor::arena_bytes() const noexcept {
  std::int64_t total = 0;
  for (const backend::DeviceMemory& arena : memory_->arenas) total += arena.bytes;
  return total;
}

}  // namespace monza::runtime
