// The C API without the compiler: loading, contexts, running.
#include "engine/run/c_api.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/limits.h"
#include "monza/load_plugin.h"

namespace monza::c_api {
namespace {

thread_local std::string last_error;
/// Shown when not even the message could be kept.
thread_local bool lost = false;

/// The status of a run or a binding, with the context's words for it.
monza_status report(const Context& context, const Status& status) noexcept {
  if (status) return MONZA_OK;
  const auto code = static_cast<monza_status>(status.code());
  // A context that is running is not asked for details: its thread is writing them.
  if (status.code() == StatusCode::unavailable) return fail_with(code, status.message());
  try {
    return fail_with(code, context.describe(status));
  } catch (...) {
    return fail_with(code, status.message());
  }
}

/// The same of what belongs to no context.
monza_status report(const Status& status) noexcept {
  return status ? MONZA_OK : fail_with(static_cast<monza_status>(status.code()), status.message());
}

const TensorInfo* find(const std::vector<TensorInfo>& list, const char* name) noexcept {
  const auto it = std::find_if(list.begin(), list.end(), [&](const TensorInfo& t) { return t.name == name; });
  return it == list.end() ? nullptr : &*it;
}

monza_status unknown(const char* kind, const char* name, const std::vector<TensorInfo>& list) noexcept {
  (void)guarded([&] {
    std::string known;
    for (const TensorInfo& t : list) known += (known.empty() ? "'" : ", '") + t.name + "'";
    throw Error("the model has no " + std::string(kind) + " '" + name + "'", "one of " + known);
  });
  return MONZA_INVALID_ARGUMENT;
}

monza_status describe(const std::vector<TensorInfo>& list, std::size_t index, monza_tensor_info* info) noexcept {
  if (info == nullptr) return null_argument("monza_engine_input or monza_engine_output", "info");
  if (index >= list.size()) return fail_with(MONZA_INVALID_ARGUMENT, "the engine has no input or output of that index");
  const TensorInfo& from = list[index];
  *info = {};
  info->name = from.name.c_str();
  info->dtype = static_cast<std::int32_t>(from.dtype);
  info->rank = static_cast<std::int32_t>(from.min.size());
  std::copy(from.min.begin(), from.min.end(), info->min);
  std::copy(from.opt.begin(), from.opt.end(), info->opt);
  std::copy(from.max.begin(), from.max.end(), info->max);
  return MONZA_OK;
}

/// The tensor that `given` describes, checked. Throws bad_alloc.
monza_status tensor_ref(const monza_tensor& given, std::int32_t device, TensorRef& ref) {
  if (given.rank < 0 || given.rank > MONZA_MAX_RANK)
    return fail_with(MONZA_INVALID_ARGUMENT, "the tensor's rank is not in 0..8");
  if (given.dtype < 0 || given.dtype > 255) return fail_with(MONZA_INVALID_ARGUMENT, "the tensor's dtype is unknown");
  if (device < MONZA_CPU || device > MONZA_CUDA)
    return fail_with(MONZA_INVALID_ARGUMENT, "the tensor's device is no monza_device");
  ref.device = static_cast<Device>(device);
  ref.dtype = static_cast<DType>(given.dtype);
  ref.shape.assign(given.shape, given.shape + given.rank);
  ref.data = given.data;
  ref.bytes = given.bytes;
  return MONZA_OK;
}

template <typename Bind>
monza_status bind(const char* function, monza_context* context, const char* name, const monza_tensor* tensor,
                  std::int32_t device, bool input, Bind&& bind_to) noexcept {
  if (context == nullptr) return null_argument(function, "context");
  if (name == nullptr) return null_argument(function, "name");
  if (tensor == nullptr) return null_argument(function, "tensor");
  const auto& list = input ? context->inputs : context->outputs;
  if (find(list, name) == nullptr) return unknown(input ? "input" : "output", name, list);
  monza_status status = MONZA_OK;
  const monza_status guard = guarded([&] {
    TensorRef ref;
    status = tensor_ref(*tensor, device, ref);
    if (status == MONZA_OK) status = report(context->context, bind_to(ref));
  });
  return guard != MONZA_OK ? guard : status;
}

}  // namespace

monza_status fail_with(monza_status status, std::string_view message) noexcept {
  try {
    last_error.assign(message);
    lost = false;
  } catch (...) {
    lost = true;
  }
  return status;
}

monza_status null_argument(const char* function, const char* argument) noexcept {
  (void)guarded([&] { throw Error(std::string(function) + ": " + argument + " is NULL"); });
  return MONZA_INVALID_ARGUMENT;
}

monza_engine* make_handle(Engine engine) {
  auto metadata = engine.metadata();
  return new monza_engine{std::move(engine), std::move(metadata)};
}

}  // namespace monza::c_api

using namespace monza;         // NOLINT(google-build-using-namespace)
using namespace monza::c_api;  // NOLINT(google-build-using-namespace)

monza::Limits monza::c_api::limits_of(const monza_limits* given) {
  const monza_limits o = options_of(given, "monza_limits");
  Limits limits;
  const std::pair<std::int64_t Limits::*, std::int64_t> fields[] = {
      {&Limits::file_bytes, o.file_bytes},
      {&Limits::weight_bytes, o.weight_bytes},
      {&Limits::nodes, o.nodes},
      {&Limits::values, o.values},
      {&Limits::depth, o.depth},
      {&Limits::attribute_bytes, o.attribute_bytes},
      {&Limits::name_bytes, o.name_bytes},
      {&Limits::expression_bytes, o.expression_bytes},
      {&Limits::value_bytes, o.value_bytes},
      {&Limits::trips, o.trips},
      {&Limits::fold_bytes, o.fold_bytes},
      {&Limits::fold_operations, o.fold_operations},
      {&Limits::timing_bytes, o.timing_bytes},
      {&Limits::fold_seconds, o.fold_seconds},
  };
  for (const auto& [field, value] : fields)
    if (value != 0) limits.*field = value;
  check_limits(limits);
  return limits;
}

extern "C" {

std::int32_t monza_api_version(void) { return MONZA_API_VERSION; }

const char* monza_last_error(void) { return lost ? "out of memory" : last_error.c_str(); }

monza_status monza_plugin_load(const char* plugin_path) {
  if (plugin_path == nullptr) return null_argument("monza_plugin_load", "plugin_path");
  return guarded([&] { (void)load_plugin(plugin_path); });
}

monza_status monza_engine_load(const char* engine_path, const monza_load_options* options, monza_engine** engine) {
  if (engine == nullptr) return null_argument("monza_engine_load", "engine");
  *engine = nullptr;
  if (engine_path == nullptr) return null_argument("monza_engine_load", "engine_path");
  return guarded([&] {
    const monza_load_options o = options_of(options, "monza_load_options");
    *engine = make_handle(Engine::load(
        engine_path, {.verify = o.verify != 0, .prefault = o.prefault != 0, .limits = limits_of(o.limits)}));
  });
}

monza_status monza_engine_save(const monza_engine* engine, const char* engine_path) {
  if (engine == nullptr) return null_argument("monza_engine_save", "engine");
  if (engine_path == nullptr) return null_argument("monza_engine_save", "engine_path");
  return guarded([&] { engine->engine.save(engine_path); });
}

void monza_engine_release(monza_engine* engine) { delete engine; }

std::size_t monza_engine_input_count(const monza_engine* engine) {
  return engine == nullptr ? 0 : engine->engine.inputs().size();
}
std::size_t monza_engine_output_count(const monza_engine* engine) {
  return engine == nullptr ? 0 : engine->engine.outputs().size();
}
monza_status monza_engine_input(const monza_engine* engine, std::size_t index, monza_tensor_info* info) {
  if (engine == nullptr) return null_argument("monza_engine_input", "engine");
  return describe(engine->engine.inputs(), index, info);
}
monza_status monza_engine_output(const monza_engine* engine, std::size_t index, monza_tensor_info* info) {
  if (engine == nullptr) return null_argument("monza_engine_output", "engine");
  return describe(engine->engine.outputs(), index, info);
}
const char* monza_engine_metadata(const monza_engine* engine, const char* key) {
  if (engine == nullptr || key == nullptr) return nullptr;
  const auto it = std::find_if(engine->metadata.begin(), engine->metadata.end(),
                               [&](const auto& entry) { return entry.first == key; });
  return it == engine->metadata.end() ? nullptr : it->second.c_str();
}

monza_status monza_workers_create(const monza_workers_options* options, monza_workers** workers) {
  if (workers == nullptr) return null_argument("monza_workers_create", "workers");
  *workers = nullptr;
  return guarded([&] {
    const monza_workers_options o = options_of(options, "monza_workers_options");
    WorkersOptions made{.threads = o.threads, .pin = o.pin != 0};
    if (o.spin_microseconds != 0) made.spin = std::chrono::microseconds(std::max(o.spin_microseconds, 0));
    *workers = new monza_workers{Workers(made)};
  });
}

void monza_workers_release(monza_workers* workers) { delete workers; }

monza_status monza_context_create(const monza_engine* engine, const monza_context_options* options,
                                  monza_context** context) {
  if (context == nullptr) return null_argument("monza_context_create", "context");
  *context = nullptr;
  if (engine == nullptr) return null_argument("monza_context_create", "engine");
  return guarded([&] {
    const monza_context_options o = options_of(options, "monza_context_options");
    if (o.threads < 0) throw Error("monza_context_options.threads is negative", "0 for as many as were planned for");
    ContextOptions made;
    made.threads = o.threads;
    made.pin = o.pin != 0;
    made.prefault = o.prefault != 0;
    made.huge_pages = o.no_huge_pages == 0;
    if (o.workers != nullptr) made.workers = o.workers->workers;
    made.priority = o.priority;
    if (o.max_sequences < 0) throw Error("monza_context_options.max_sequences is negative", "0 for the default");
    if (o.max_sequences > 0) made.max_sequences = o.max_sequences;
    *context = new monza_context{.context = engine->engine.create_context(made),
                                 .inputs = engine->engine.inputs(),
                                 .outputs = engine->engine.outputs()};
  });
}

void monza_context_release(monza_context* context) { delete context; }

monza_status monza_context_bind_input(monza_context* context, const char* name, const monza_tensor* tensor) {
  return bind("monza_context_bind_input", context, name, tensor, MONZA_CPU, true,
              [&](const TensorRef& ref) { return context->context.bind_input(name, ref); });
}
monza_status monza_context_bind_input_on(monza_context* context, const char* name, const monza_tensor* tensor,
                                         std::int32_t device) {
  return bind("monza_context_bind_input_on", context, name, tensor, device, true,
              [&](const TensorRef& ref) { return context->context.bind_input(name, ref); });
}
monza_status monza_context_bind_output(monza_context* context, const char* name, const monza_tensor* tensor) {
  return bind("monza_context_bind_output", context, name, tensor, MONZA_CPU, false,
              [&](const TensorRef& ref) { return context->context.bind_output(name, ref); });
}
monza_status monza_context_bind_output_on(monza_context* context, const char* name, const monza_tensor* tensor,
                                          std::int32_t device) {
  return bind("monza_context_bind_output_on", context, name, tensor, device, false,
              [&](const TensorRef& ref) { return context->context.bind_output(name, ref); });
}
monza_status monza_context_unbind_output(monza_context* context, const char* name) {
  if (context == nullptr) return null_argument("monza_context_unbind_output", "context");
  if (name == nullptr) return null_argument("monza_context_unbind_output", "name");
  if (find(context->outputs, name) == nullptr) return unknown("output", name, context->outputs);
  context->context.unbind_output(name);
  return MONZA_OK;
}

monza_status monza_host_memory_create(const monza_engine* engine, std::size_t bytes, monza_host_memory** memory) {
  if (memory == nullptr) return null_argument("monza_host_memory_create", "memory");
  *memory = nullptr;
  if (engine == nullptr) return null_argument("monza_host_memory_create", "engine");
  if (bytes > static_cast<std::size_t>(INT64_MAX))
    return fail_with(MONZA_INVALID_ARGUMENT, "monza_host_memory_create: there is no memory of that size");
  return guarded([&] {
    *memory = new monza_host_memory{engine->engine.host_tensor(DType::u8, {static_cast<std::int64_t>(bytes)})};
  });
}
void monza_host_memory_release(monza_host_memory* memory) { delete memory; }
void* monza_host_memory_data(const monza_host_memory* memory) {
  return memory == nullptr ? nullptr : memory->bytes.ref().data;
}

monza_status monza_sequence_pool_create(const monza_engine* engine, const monza_sequence_pool_options* options,
                                        monza_sequence_pool** pool) {
  if (pool == nullptr) return null_argument("monza_sequence_pool_create", "pool");
  *pool = nullptr;
  if (engine == nullptr) return null_argument("monza_sequence_pool_create", "engine");
  return guarded([&] {
    const monza_sequence_pool_options o = options_of(options, "monza_sequence_pool_options");
    if (o.blocks < 0 || o.block_length < 0 || o.max_positions < 0)
      throw Error("a number of monza_sequence_pool_options is negative", "0 for its default");
    SequencePoolOptions made;
    if (o.blocks > 0) made.blocks = o.blocks;
    if (o.block_length > 0) made.block_length = o.block_length;
    if (o.max_positions > 0) made.max_positions = o.max_positions;
    *pool = new monza_sequence_pool{SequencePool(engine->engine, made)};
  });
}

void monza_sequence_pool_release(monza_sequence_pool* pool) { delete pool; }

std::int32_t monza_sequence_pool_free_blocks(const monza_sequence_pool* pool) {
  return pool == nullptr ? 0 : pool->pool.free_blocks();
}

monza_status monza_sequence_create(const monza_sequence_pool* pool, monza_sequence** sequence) {
  if (sequence == nullptr) return null_argument("monza_sequence_create", "sequence");
  *sequence = nullptr;
  if (pool == nullptr) return null_argument("monza_sequence_create", "pool");
  return guarded([&] { *sequence = new monza_sequence{pool->pool.create()}; });
}

monza_status monza_sequence_fork(const monza_sequence* sequence, monza_sequence** fork) {
  if (fork == nullptr) return null_argument("monza_sequence_fork", "fork");
  *fork = nullptr;
  if (sequence == nullptr) return null_argument("monza_sequence_fork", "sequence");
  return guarded([&] { *fork = new monza_sequence{sequence->sequence.fork()}; });
}

void monza_sequence_release(monza_sequence* sequence) { delete sequence; }

std::int64_t monza_sequence_length(const monza_sequence* sequence) {
  return sequence == nullptr ? 0 : sequence->sequence.length();
}
std::int64_t monza_sequence_capacity(const monza_sequence* sequence) {
  return sequence == nullptr ? 0 : sequence->sequence.capacity();
}
monza_status monza_sequence_reserve(monza_sequence* sequence, std::int64_t positions) {
  if (sequence == nullptr) return null_argument("monza_sequence_reserve", "sequence");
  return report(sequence->sequence.reserve(positions));
}
monza_status monza_sequence_truncate(monza_sequence* sequence, std::int64_t length) {
  if (sequence == nullptr) return null_argument("monza_sequence_truncate", "sequence");
  return report(sequence->sequence.truncate(length));
}

monza_status monza_context_bind_sequence(monza_context* context, monza_sequence* sequence) {
  if (context == nullptr) return null_argument("monza_context_bind_sequence", "context");
  if (sequence == nullptr) return null_argument("monza_context_bind_sequence", "sequence");
  return report(context->context, context->context.bind_sequence(sequence->sequence));
}
monza_status monza_context_bind_sequences(monza_context* context, const monza_sequence_run* batch, std::size_t count) {
  if (context == nullptr) return null_argument("monza_context_bind_sequences", "context");
  if (batch == nullptr && count > 0) return null_argument("monza_context_bind_sequences", "batch");
  for (std::size_t i = 0; i < count; ++i)
    if (batch[i].sequence == nullptr) return null_argument("monza_context_bind_sequences", "a sequence of the batch");
  monza_status status = MONZA_OK;
  const monza_status guard = guarded([&] {
    std::vector<SequenceRun> runs;
    for (std::size_t i = 0; i < count; ++i) runs.push_back({&batch[i].sequence->sequence, batch[i].positions});
    status = report(context->context, context->context.bind_sequences(runs));
  });
  return guard != MONZA_OK ? guard : status;
}
monza_status monza_context_unbind_sequences(monza_context* context) {
  if (context == nullptr) return null_argument("monza_context_unbind_sequences", "context");
  context->context.unbind_sequences();
  return MONZA_OK;
}

monza_status monza_context_run(monza_context* context) {
  if (context == nullptr) return null_argument("monza_context_run", "context");
  return report(context->context, context->context.run());
}

monza_status monza_context_submit(monza_context* context, void (*callback)(void* user, monza_status status),
                                  void* user) {
  if (context == nullptr) return null_argument("monza_context_submit", "context");
  if (context->submitted && !context->ticket.done())
    return fail_with(MONZA_UNAVAILABLE, "another run of this context is in progress");
  monza_context::Callback& mine = context->callbacks[context->next_callback++ % 2];
  mine = {callback, user};
  context->submitted = true;
  context->ticket = context->context.submit(
      [](void* handle, Status status) {
        const auto* to = static_cast<const monza_context::Callback*>(handle);
        if (to->call != nullptr) to->call(to->user, static_cast<monza_status>(status.code()));
      },
      &mine);
  return MONZA_OK;
}

monza_status monza_context_wait(monza_context* context) {
  if (context == nullptr) return null_argument("monza_context_wait", "context");
  if (!context->submitted) return fail_with(MONZA_INVALID_ARGUMENT, "nothing was submitted to this context");
  return report(context->context, context->ticket.wait());
}

monza_status monza_context_wait_for(monza_context* context, std::int64_t microseconds, std::int32_t* done) {
  if (context == nullptr) return null_argument("monza_context_wait_for", "context");
  if (done == nullptr) return null_argument("monza_context_wait_for", "done");
  if (!context->submitted) return fail_with(MONZA_INVALID_ARGUMENT, "nothing was submitted to this context");
  *done = context->ticket.wait_for(std::chrono::microseconds(std::max<std::int64_t>(0, microseconds))) ? 1 : 0;
  return *done != 0 ? report(context->context, context->ticket.wait()) : MONZA_OK;
}

monza_status monza_context_output(const monza_context* context, const char* name, monza_tensor* tensor) {
  if (context == nullptr) return null_argument("monza_context_output", "context");
  if (name == nullptr) return null_argument("monza_context_output", "name");
  if (tensor == nullptr) return null_argument("monza_context_output", "tensor");
  if (find(context->outputs, name) == nullptr) return unknown("output", name, context->outputs);
  return guarded([&] {
    const TensorRef ref = context->context.output(name);
    *tensor = {};
    tensor->dtype = static_cast<std::int32_t>(ref.dtype);
    tensor->rank = static_cast<std::int32_t>(ref.shape.size());
    std::copy(ref.shape.begin(), ref.shape.end(), tensor->shape);
    tensor->data = ref.data;
    tensor->bytes = ref.bytes;
  });
}

monza_status monza_context_set_profiling(monza_context* context, std::int32_t on) {
  if (context == nullptr) return null_argument("monza_context_set_profiling", "context");
  context->context.set_profiling(on != 0);
  return MONZA_OK;
}

monza_status monza_context_profile(monza_context* context, const monza_step_profile** steps, std::size_t* count) {
  if (context == nullptr) return null_argument("monza_context_profile", "context");
  if (steps == nullptr) return null_argument("monza_context_profile", "steps");
  if (count == nullptr) return null_argument("monza_context_profile", "count");
  *steps = nullptr;
  *count = 0;
  return guarded([&] {
    context->profile = context->context.profile();
    context->steps.clear();
    for (const StepProfile& s : context->profile)
      context->steps.push_back(
          {s.name.c_str(), s.op.c_str(), s.kernel.c_str(), s.best_us, s.mean_us, s.flops, s.bytes, s.runs});
    *steps = context->steps.data();
    *count = context->steps.size();
  });
}

}  // extern "C"
