// Contexts: bindings, runs, tickets.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/run/context_impl.h"
#include "tensor/storage.h"

namespace monza {
namespace {

int index_of(const std::vector<TensorInfo>& ports, std::string_view name) noexcept {
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == name) return static_cast<int>(i);
  return -1;
}

constexpr Status kBusy{StatusCode::unavailable, "the context is still running what was submitted"};

}  // namespace

Context::Impl::Impl(std::shared_ptr<const Engine::Impl> engine_, const ContextOptions& options)
    : engine(std::move(engine_)), states(engine->image.plan.states.size()) {
  if (options.max_sequences < 1)
    fail("a context takes a sequence at least, but ContextOptions::max_sequences is {}", options.max_sequences);
  if (!states.empty()) {
    const auto most = static_cast<std::size_t>(options.max_sequences);
    sequences.reserve(most);
    starts.reserve(most + 1);
    rows.resize(states.size() * most);
  }
  std::vector<const runtime::Program*> programs;
  for (const Engine::Impl::Profile& p : engine->profiles) programs.push_back(p.program.get());
  const auto memory = std::make_shared<runtime::ExecutorMemory>(
      programs, runtime::ExecutorOptions{.threads = options.threads,
                                         .pin = options.pin,
                                         .prefault = options.prefault,
                                         .huge_pages = options.huge_pages,
                                         .captured_shapes = options.captured_shapes,
                                         .max_pool_bytes = options.max_pool_bytes,
                                         .workers = options.workers ? options.workers->pool() : nullptr,
                                         .priority = options.priority});
  for (const Engine::Impl::Profile& p : engine->profiles)
    executors.push_back(std::make_unique<runtime::Executor>(memory, p.program, options.max_pool_bytes));
  executor = executors[0].get();
  if (executors.size() > 1) {
    inputs.resize(engine->inputs.size());
    outputs.resize(engine->outputs.size());
  }
  errand = {.run = [](void* impl) noexcept { static_cast<Impl*>(impl)->serve_submit(); },
            .context = this,
            .priority = options.priority};
}

Context::Impl::~Impl() {
  // A run that was submitted is finished, and its callback has returned, before the context goes.
  std::unique_lock lock(mutex);
  served.wait(lock, [&] { return !serving; });
}

Status Context::Impl::choose_profile() noexcept {
  if (executors.size() == 1) return {};
  no_profile = false;
  at_fault = nullptr;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].bound) {
      at_fault = &engine->inputs[i];
      return {StatusCode::invalid_argument, "an input is not bound"};
    }
  for (const std::size_t k : engine->by_size) {
    const std::vector<TensorInfo>& ports = engine->profile_infos[k].inputs;
    bool fits = true;
    for (std::size_t i = 0; i < inputs.size() && fits; ++i)
      for (int a = 0; a < inputs[i].shape.rank && fits; ++a) {
        const auto axis = static_cast<std::size_t>(a);
        fits = inputs[i].shape[a] >= ports[i].min[axis] && inputs[i].shape[a] <= ports[i].max[axis];
      }
    if (!fits) continue;
    profile = k;
    executor = executors[k].get();
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (Status s = executor->bind_input(static_cast<int>(i), inputs[i].dtype, inputs[i].shape, inputs[i].data,
                                          inputs[i].bytes, inputs[i].device);
          !s)
        return s;
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      if (outputs[o].data == nullptr) {
        executor->unbind_output(static_cast<int>(o));
        continue;
      }
      if (Status s = executor->bind_output(static_cast<int>(o), outputs[o].dtype, outputs[o].data, outputs[o].bytes,
                                           outputs[o].device);
          !s)
        return s;
    }
    return {};
  }
  no_profile = true;
  return {StatusCode::invalid_argument, "the shapes of the inputs fit no profile of the engine"};
}

Status Context::Impl::run_bound() noexcept {
  if (Status s = choose_profile(); !s) return s;
  if (sequences.empty()) {
    executor->bind_states(nullptr);
    return executor->run();
  }
  bind_states();
  // What a run that fails has appended stays behind the lengths: as if it had not been.
  if (Status s = executor->run(); !s) return s;
  return commit_states();
}

/// The sequences as they are now: between runs they grow, are cut, and forked from.
void Context::Impl::bind_states() noexcept {
  for (std::size_t s = 0; s < states.size(); ++s) {
    StateRow* const first = rows.data() + s * (rows.size() / states.size());
    states[s] = {.rows = first,
                 .row_count = static_cast<std::int64_t>(sequences.size()),
                 .starts = one_sequence ? nullptr : starts.data(),
                 .block_length = sequences[0]->impl().table->layout().block_length,
                 .format = (*sequences[0]->impl().formats)[s]};
    for (std::size_t r = 0; r < sequences.size(); ++r) {
      const SequenceTable& table = *sequences[r]->impl().table;
      first[r] = {.blocks = table.blocks(s), .length = table.length(), .capacity = table.capacity()};
    }
  }
  executor->bind_states(states.data());
}

/// All rows or none.
Status Context::Impl::commit_states() noexcept {
  for (std::size_t r = 0; r < sequences.size(); ++r)
    for (const StateView& state : states)
      if (state.rows[r].appended != states[0].rows[r].appended)
        return Status(StatusCode::internal, "the states of a sequence grew by different lengths")
            .at_row(static_cast<std::int64_t>(r));
  for (std::size_t r = 0; r < sequences.size(); ++r) sequences[r]->impl().table->commit(states[0].rows[r].appended);
  return {};
}

/// Notes the batch when all of it fits the engine, each other and the context; else nothing is bound.
Status Context::Impl::bind_batch(std::span<const SequenceRun> batch) noexcept {
  sequences.clear();
  starts.clear();
  executor->bind_states(nullptr);  // and nothing that failed before is what describe() tells of
  at_fault = nullptr;
  no_profile = false;
  if (batch.empty()) return {StatusCode::invalid_argument, "the batch has no sequence"};
  if (states.empty()) return {StatusCode::invalid_argument, "the sequence belongs to another engine"};
  if (batch.size() > sequences.capacity())
    return {StatusCode::resource_exhausted,
            "the batch has more sequences than the context was made for: ContextOptions::max_sequences"};
  Status status;
  std::int64_t all = 0;
  starts.push_back(0);
  for (const SequenceRun& run : batch) {
    status = add_to_batch(run, &all);
    if (!status) break;
  }
  for (Sequence* s : sequences) s->impl().in_batch = false;
  if (status) return {};
  status = status.at_row(static_cast<std::int64_t>(sequences.size()));
  sequences.clear();
  return status;
}

Status Context::Impl::add_to_batch(const SequenceRun& run, std::int64_t* all) noexcept {
  if (run.sequence == nullptr) return {StatusCode::invalid_argument, "a sequence of the batch is null"};
  Sequence::Impl& s = run.sequence->impl();
  if (s.program != engine->profiles[0].program)
    return {StatusCode::invalid_argument, "the sequence belongs to another engine"};
  if (s.in_batch) return {StatusCode::invalid_argument, "a sequence comes twice in one batch"};
  if (!sequences.empty() && s.table->layout().block_length != sequences[0]->impl().table->layout().block_length)
    return {StatusCode::invalid_argument, "the sequences of a batch come from pools with blocks of different lengths"};
  if (run.positions < 0 || __builtin_add_overflow(*all, run.positions, all))
    return {StatusCode::invalid_argument, "a number of new positions is negative, or all together are too many"};
  s.in_batch = true;
  sequences.push_back(run.sequence);
  starts.push_back(*all);
  return {};
}

void Context::Impl::serve_submit() noexcept {
  const Status status = run_bound();
  const auto call = callback;
  void* const with = user;
  ticket.complete(status);
  if (call != nullptr) call(with, status);
  const std::lock_guard lock(mutex);
  // In the queue again instead of at once: others may wait there. The pool's threads run already, so it takes it.
  serving = pending && workers().post(errand);
  pending = false;
  if (!serving) served.notify_all();  // under the lock: the context may be gone when it is released
}

/// Hands the run to the pool and gives its number; 0 when the pool has no thread for it and none can be started.
std::uint64_t Context::Impl::begin_submit(Ticket::State::Callback call, void* with) noexcept {
  const std::lock_guard lock(mutex);
  callback = call;
  user = with;
  const std::uint64_t run = ticket.begin();
  if (serving) {
    pending = true;
    return run;
  }
  serving = workers().post(errand);
  if (serving) return run;
  ticket.complete({StatusCode::unavailable, "nothing was submitted"});
  return 0;
}

Context::Context(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

Status Context::bind_input(std::string_view name, const TensorRef& tensor) noexcept {
  const int index = index_of(impl_->engine->inputs, name);
  if (index < 0) return {StatusCode::invalid_argument, "the model has no input of that name"};
  return bind_input(static_cast<std::size_t>(index), tensor);
}

Status Context::bind_input(std::size_t index, const TensorRef& tensor) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  if (index >= impl_->engine->inputs.size())
    return {StatusCode::invalid_argument, "the model has no input of that number"};
  if (tensor.shape.size() > kMaxRank) return {StatusCode::invalid_argument, "the input has more than 8 axes"};
  if (tensor.bytes > static_cast<std::size_t>(INT64_MAX))
    return {StatusCode::invalid_argument, "the input's memory has no size"};
  Shape shape;
  shape.rank = static_cast<std::int32_t>(tensor.shape.size());
  for (int a = 0; a < shape.rank; ++a) shape[a] = tensor.shape[static_cast<std::size_t>(a)];
  const auto bytes = static_cast<std::int64_t>(tensor.bytes);
  if (impl_->inputs.empty())
    return impl_->executor->bind_input(static_cast<int>(index), tensor.dtype, shape, tensor.data, bytes, tensor.device);
  const TensorInfo& info = impl_->engine->inputs[index];
  Impl::Input& input = impl_->inputs[index];
  input.bound = false;
  impl_->at_fault = &info;
  if (tensor.dtype != info.dtype) return {StatusCode::invalid_argument, "the input has another type than the model's"};
  if (tensor.shape.size() != info.max.size())
    return {StatusCode::invalid_argument, "the input has another rank than the model's"};
  input = {tensor.dtype, shape, tensor.data, bytes, tensor.device, true};
  impl_->at_fault = nullptr;
  return {};
}

Status Context::bind_input_list(std::string_view name, std::span<const TensorRef> tensors) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  const int index = index_of(impl_->engine->inputs, name);
  if (index < 0) return {StatusCode::invalid_argument, "the model has no input of that name"};
  if (!impl_->inputs.empty()) {
    impl_->at_fault = &impl_->engine->inputs[static_cast<std::size_t>(index)];
    return {StatusCode::invalid_argument, "sequences and optionals are inputs of engines with one profile"};
  }
  return impl_->executor->bind_list(index, tensors);
}

Status Context::bind_input_absent(std::string_view name) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  const int index = index_of(impl_->engine->inputs, name);
  if (index < 0) return {StatusCode::invalid_argument, "the model has no input of that name"};
  if (!impl_->inputs.empty()) {
    impl_->at_fault = &impl_->engine->inputs[static_cast<std::size_t>(index)];
    return {StatusCode::invalid_argument, "sequences and optionals are inputs of engines with one profile"};
  }
  return impl_->executor->bind_absent(index);
}

Status Context::bind_output(std::string_view name, const TensorRef& tensor) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  const int index = index_of(impl_->engine->outputs, name);
  if (index < 0) return {StatusCode::invalid_argument, "the model has no output of that name"};
  if (tensor.bytes > static_cast<std::size_t>(INT64_MAX))
    return {StatusCode::invalid_argument, "the output's memory has no size"};
  const auto bytes = static_cast<std::int64_t>(tensor.bytes);
  if (impl_->outputs.empty())
    return impl_->executor->bind_output(index, tensor.dtype, tensor.data, bytes, tensor.device);
  const TensorInfo& info = impl_->engine->outputs[static_cast<std::size_t>(index)];
  impl_->at_fault = &info;
  if (tensor.dtype != info.dtype) return {StatusCode::invalid_argument, "the output has another type than the model's"};
  if (tensor.data == nullptr) return {StatusCode::invalid_argument, "the output has no memory"};
  impl_->outputs[static_cast<std::size_t>(index)] = {tensor.dtype, tensor.data, bytes, tensor.device};
  impl_->at_fault = nullptr;
  return {};
}

void Context::unbind_output(std::string_view name) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return;
  const int index = index_of(impl_->engine->outputs, name);
  if (impl_->outputs.empty()) impl_->executor->unbind_output(index);
  else if (index >= 0) impl_->outputs[static_cast<std::size_t>(index)] = {};
}

Status Context::bind_sequence(Sequence& sequence) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  const SequenceRun alone{&sequence, 0};
  impl_->one_sequence = true;
  const Status status = impl_->bind_batch({&alone, 1});
  return status ? status : Status(status.code(), status.message());  // no row: there is one
}

Status Context::bind_sequences(std::span<const SequenceRun> batch) noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  impl_->one_sequence = false;
  return impl_->bind_batch(batch);
}

void Context::unbind_sequences() noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return;
  impl_->sequences.clear();
}

Status Context::run() noexcept {
  if (impl_->ticket.busy.load(std::memory_order_acquire)) return kBusy;
  return impl_->run_bound();
}

Ticket Context::submit(void (*callback)(void* user, Status status), void* user) noexcept {
  Impl& impl = *impl_;
  Status refusal = kBusy;
  if (!impl.ticket.busy.exchange(true, std::memory_order_acq_rel)) {
    if (const std::uint64_t run = impl.begin_submit(callback, user); run != 0) return Ticket(&impl.ticket, run);
    refusal = {StatusCode::unavailable, "the thread for submitted runs cannot be started"};
  }
  if (callback != nullptr) callback(user, refusal);
  return Ticket(refusal);
}

Ticket::Ticket() : Ticket(Status(StatusCode::unavailable, "nothing was submitted")) {}

bool Ticket::done() const noexcept {
  if (state_ == nullptr) return true;
  const std::lock_guard lock(state_->mutex);
  return state_->completed >= run_;
}

Status Ticket::wait() noexcept {
  if (state_ == nullptr) return refusal_;
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->completed >= run_; });
  if (state_->completed > run_)
    return {StatusCode::unavailable, "the run is done, and a later one too: its status is gone"};
  return state_->status;
}

bool Ticket::wait_for(std::chrono::microseconds timeout) noexcept {
  if (state_ == nullptr) return true;
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, timeout, [&] { return state_->completed >= run_; });
}

TensorRef Context::output(std::string_view name) const {
  const int index = index_of(impl_->engine->outputs, name);
  if (index < 0) fail("the model has no output '{}'", name);
  return output(static_cast<std::size_t>(index));
}

TensorRef Context::output(std::size_t index) const {
  if (index >= impl_->engine->outputs.size()) fail("the model has no output {}", index);
  if (impl_->engine->outputs[index].kind != ValueKind::tensor)
    fail("output '{}' is a sequence or optional: output_list() gives its tensors", impl_->engine->outputs[index].name);
  const TensorView v = impl_->executor->output(static_cast<int>(index));
  TensorRef ref;
  ref.dtype = v.dtype;
  ref.shape.assign(v.shape.dim, v.shape.dim + v.shape.rank);
  ref.data = v.data;
  ref.bytes = static_cast<std::size_t>(storage_bytes(v.dtype, v.shape));
  ref.device = impl_->executor->output_device(static_cast<int>(index));
  return ref;
}

std::optional<std::vector<Tensor>> Context::output_list(std::string_view name) const {
  const int index = index_of(impl_->engine->outputs, name);
  if (index < 0) fail("the model has no output '{}'", name);
  if (impl_->engine->outputs[static_cast<std::size_t>(index)].kind == ValueKind::tensor)
    fail("output '{}' is a tensor, not a sequence or optional", name);
  const std::int64_t length = impl_->executor->output_length(index);
  if (length < 0) return std::nullopt;
  std::vector<Tensor> tensors;
  for (std::int64_t i = 0; i < length; ++i) {
    TensorView v;
    if (Status s = impl_->executor->output_element(index, i, &v); !s)
      fail("tensor {} of output '{}': {}", i, name, s.message());
    const std::vector<std::int64_t> shape(v.shape.dim, v.shape.dim + v.shape.rank);
    const auto bytes = static_cast<std::size_t>(storage_bytes(v.dtype, v.shape));
    if (v.dtype != DType::string) {
      tensors.push_back(Tensor::copy_of({v.dtype, shape, v.data, bytes}));
      continue;
    }
    std::vector<std::string_view> strings(static_cast<std::size_t>(v.shape.numel()));
    for (std::size_t k = 0; k < strings.size(); ++k)
      if (Status s = impl_->executor->values().read(v.as<Handle>()[k], &strings[k]); !s)
        fail("tensor {} of output '{}': {}", i, name, s.message());
    tensors.push_back(Tensor::of_strings(strings, shape));
  }
  return tensors;
}

void Context::set_profiling(bool on) noexcept {
  for (const auto& executor : impl_->executors) executor->set_profiling(on);
}

std::size_t Context::profile_index() const noexcept { return impl_->profile; }

std::vector<StepProfile> Context::profile() const {
  const runtime::Program& program = impl_->executor->program();
  std::vector<StepProfile> list;
  for (std::size_t i = 0; i < program.plan.steps.size(); ++i) {
    const plan::Step& step = program.plan.steps[i];
    const runtime::StepTimes& t = impl_->executor->times()[i];
    StepProfile p;
    p.name = std::string(program.plan.text(step.name));
    p.nodes = program.plan.nodes_of(step);
    if (step.kind == plan::StepKind::kernel) {
      const Kernel& kernel = *program.kernels[static_cast<std::size_t>(step.kernel)];
      p.op = kernel.op;
      p.kernel = kernel.name;
    } else {
      p.op = work_of(program.plan, step);
    }
    p.best_us = t.best_us;
    p.mean_us = t.runs > 0 ? t.total_us / static_cast<double>(t.runs) : 0;
    p.start_us = t.start_us;
    p.flops = step.flops;
    p.bytes = step.bytes;
    p.runs = t.runs;
    list.push_back(std::move(p));
  }
  return list;
}

std::string Context::describe(const Status& status) const {
  if (status.ok()) return "ok";
  std::string text = status.message();
  if (const TensorInfo* info = impl_->at_fault) {
    const std::vector<TensorInfo>& all = impl_->engine->inputs;
    const bool input = std::any_of(all.begin(), all.end(), [&](const TensorInfo& i) { return &i == info; });
    return text + fmt::format(": {} '{}' ({}, rank {})", input ? "input" : "output", info->name, name_of(info->dtype),
                              info->max.size());
  }
  if (impl_->no_profile) {
    // What was asked for, and what there is.
    text += ":";
    for (std::size_t i = 0; i < impl_->inputs.size(); ++i)
      text +=
          fmt::format("{} '{}' {}", i > 0 ? "," : "", impl_->engine->inputs[i].name, to_string(impl_->inputs[i].shape));
    for (std::size_t k = 0; k < impl_->executors.size(); ++k)
      text += fmt::format("\n  profile {}: {}", k, plan::to_string(impl_->engine->image.info.profiles[k]));
    return text;
  }
  const plan::Plan& plan = impl_->executor->program().plan;
  if (status.step() >= 0 && status.step() < static_cast<std::int32_t>(plan.steps.size())) {
    const plan::Step& step = plan.steps[static_cast<std::size_t>(status.step())];
    text += fmt::format(" (in '{}', step {})", plan.text(step.name), status.step());
  }
  if (status.row() >= 0) text += fmt::format(" (sequence {} of the batch)", status.row());
  if (const std::string more = impl_->executor->explain(); !more.empty()) text += ": " + more;
  return text;
}

std::int64_t Context::arena_bytes() const noexcept { return impl_->executor->arena_bytes(); }

}  // namespace monza
