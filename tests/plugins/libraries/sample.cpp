// Small operators that use all of the plugin interface, and one that fails in every way there is.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "monza/plugin.h"

namespace {

const float* floats(const monza_tensor& t) { return static_cast<const float*>(t.data); }
bool same_shape(const monza_tensor& a, const monza_tensor& b) {
  return a.rank == b.rank && std::equal(a.shape, a.shape + a.rank, b.shape);
}

// --- Positive(x: f32[n]) -> values: f32[k], indices: i64[k]: the elements above `threshold`, k reported
// ---------------

struct PositiveParams {
  double threshold;
};

const char* infer_positive(const monza_plugin_host* host, monza_plugin_node* node) {
  if (host->input_dtype(node, 0) != MONZA_F32 || host->input_rank(node, 0) != 1) return "x must be a list of f32";
  const monza_plugin_extent k = host->reported_extent(node, host->input_extent(node, 0, 0));
  host->set_output(node, 0, MONZA_F32, 1, &k);
  host->set_output(node, 1, MONZA_I64, 1, &k);
  return nullptr;
}

const char* params_positive(const monza_plugin_host* host, monza_plugin_node* node, void* params) {
  static_cast<PositiveParams*>(params)->threshold = host->number(node, "threshold");
  return nullptr;
}

const char* verify_positive(const monza_plugin_call* call) {
  const monza_tensor &x = call->inputs[0], &values = call->outputs[0];
  if (x.dtype != MONZA_F32 || values.dtype != MONZA_F32 || x.rank != 1 || values.rank != 1)
    return "x is no list of f32";
  if (values.shape[0] < x.shape[0]) return "there is no room for all elements";
  if (call->output_count < 2 || call->outputs[1].dtype == MONZA_INVALID) return nullptr;
  return call->outputs[1].dtype == MONZA_I64 && same_shape(call->outputs[1], values) ? nullptr : "indices are no list";
}

const char* run_positive(const monza_plugin_call* call) {
  const double threshold = static_cast<const PositiveParams*>(call->params)->threshold;
  auto* indices = call->output_count > 1 ? static_cast<std::int64_t*>(call->outputs[1].data) : nullptr;
  std::int64_t k = 0;
  for (std::int64_t i = 0; i < call->inputs[0].shape[0]; ++i) {
    const float v = floats(call->inputs[0])[i];
    if (!(v > threshold)) continue;
    static_cast<float*>(call->outputs[0].data)[k] = v;
    if (indices != nullptr) indices[k] = i;
    ++k;
  }
  call->extents[0] = k;
  return nullptr;
}

constexpr monza_plugin_attribute kThreshold = {sizeof kThreshold, "threshold", MONZA_PLUGIN_NUMBER};
constexpr const monza_plugin_attribute* kPositiveAttributes[] = {&kThreshold};
constexpr monza_plugin_operator kPositive = {.struct_size = sizeof kPositive,
                                             .domain = "test.sample",
                                             .name = "Positive",
                                             .version = 3,
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .min_outputs = 1,
                                             .max_outputs = 2,
                                             .extent_count = 1,
                                             .attributes = kPositiveAttributes,
                                             .attribute_count = 1,
                                             .params_bytes = sizeof(PositiveParams),
                                             .infer = infer_positive,
                                             .params = params_positive,
                                             .verify = verify_positive,
                                             .run = run_positive};

// --- Widen(x: f32[rows, n], times?: i64[1]) -> f32[rows, times * n]: x * gain repeated, plus `shift` by repetition.
// Rows are tasks; a thread's scratch memory holds a row. -------------------------------------------------------------

struct WidenParams {
  std::int64_t times;
  double gain;
  double shift[4];
  std::int64_t shifts, keep[2];
  std::int32_t backwards;
};

const char* infer_widen(const monza_plugin_host* host, monza_plugin_node* node) {
  if (host->input_rank(node, 0) != 2) return "x must have rows and columns";
  const monza_plugin_extent times = host->has_input(node, 1) != 0 ? host->input_element(node, 1, 0)
                                                                  : host->constant(node, host->integer(node, "times"));
  std::int64_t known = 0;
  if (host->known(node, times, &known) != 0 && known < 1) return "times must be above 0";
  const monza_plugin_extent shape[] = {host->input_extent(node, 0, 0),
                                       host->combine(node, MONZA_PLUGIN_MUL, times, host->input_extent(node, 0, 1))};
  host->set_output(node, 0, host->input_dtype(node, 0), 2, shape);
  return nullptr;
}

const char* params_widen(const monza_plugin_host* host, monza_plugin_node* node, void* params) {
  auto& p = *static_cast<WidenParams*>(params);
  p.times = host->integer(node, "times");
  p.gain = host->number(node, "gain");
  const double* shift = nullptr;
  p.shifts = host->numbers(node, "shift", &shift);
  if (p.shifts > 4) return "shift has more than 4 numbers";
  std::copy(shift, shift + p.shifts, p.shift);
  const std::int64_t* keep = nullptr;
  if (host->integers(node, "keep", &keep) == 2) std::copy(keep, keep + 2, p.keep);
  const std::string_view order = host->string(node, "order");
  if (order != "forwards" && order != "backwards") return "order must be forwards or backwards";
  p.backwards = order == "backwards" ? 1 : 0;
  return nullptr;
}

const char* verify_widen(const monza_plugin_call* call) {
  const auto& p = *static_cast<const WidenParams*>(call->params);
  const monza_tensor &x = call->inputs[0], &y = call->outputs[0];
  if (x.dtype != MONZA_F32 || y.dtype != MONZA_F32 || x.rank != 2 || y.rank != 2) return "x and y are no tables of f32";
  if (p.shifts < 0 || p.shifts > 4) return "the parameters are damaged";
  if (x.shape[0] != y.shape[0] || (x.shape[1] == 0 ? y.shape[1] != 0 : y.shape[1] % x.shape[1] != 0))
    return "x and y do not fit each other";
  return nullptr;
}

std::int64_t workspace_widen(const monza_plugin_call* call) {
  return call->threads * call->inputs[0].shape[1] * static_cast<std::int64_t>(sizeof(float));
}

const char* run_widen(const monza_plugin_call* call) {
  const auto task = [](void* user, std::int64_t row, std::int32_t thread) {
    const auto* call = static_cast<const monza_plugin_call*>(user);
    const auto& p = *static_cast<const WidenParams*>(call->params);
    const std::int64_t n = call->inputs[0].shape[1], wide = call->outputs[0].shape[1];
    const float* x = floats(call->inputs[0]) + row * n;
    float* y = static_cast<float*>(call->outputs[0].data) + row * wide;
    float* scaled = static_cast<float*>(call->workspace) + thread * n;
    for (std::int64_t i = 0; i < n; ++i) scaled[i] = x[p.backwards != 0 ? n - 1 - i : i] * static_cast<float>(p.gain);
    for (std::int64_t i = 0; i < wide; ++i)
      y[i] = scaled[i % n] + static_cast<float>(p.shifts > 0 ? p.shift[i / n % p.shifts] : 0);
  };
  call->parallel_for(call, call->inputs[0].shape[0], task, const_cast<monza_plugin_call*>(call));
  return nullptr;
}

constexpr monza_plugin_attribute kTimes = {sizeof kTimes, "times", MONZA_PLUGIN_INTEGER, 0, 2};
constexpr monza_plugin_attribute kGain = {sizeof kGain, "gain", MONZA_PLUGIN_NUMBER, 1};
constexpr monza_plugin_attribute kShift = {sizeof kShift, "shift", MONZA_PLUGIN_NUMBERS};
constexpr monza_plugin_attribute kKeep = {sizeof kKeep, "keep", MONZA_PLUGIN_INTEGERS};
constexpr monza_plugin_attribute kOrder = {sizeof kOrder, "order", MONZA_PLUGIN_STRING, 0, 0, 0, "forwards"};
constexpr const monza_plugin_attribute* kWidenAttributes[] = {&kTimes, &kGain, &kShift, &kKeep, &kOrder};
constexpr monza_plugin_operator kWiden = {.struct_size = sizeof kWiden,
                                          .domain = "test.sample",
                                          .name = "Widen",
                                          .version = 1,
                                          .first_opset = 2,
                                          .last_opset = 3,
                                          .min_inputs = 1,
                                          .max_inputs = 2,
                                          .min_outputs = 1,
                                          .max_outputs = 1,
                                          .flags = MONZA_PLUGIN_BATCH_INVARIANT,
                                          .attributes = kWidenAttributes,
                                          .attribute_count = 5,
                                          .params_bytes = sizeof(WidenParams),
                                          .infer = infer_widen,
                                          .params = params_widen,
                                          .verify = verify_widen,
                                          .workspace = workspace_widen,
                                          .run = run_widen};

// --- Faulty(x: f32[n]) -> f32[k], k reported: what `how` says goes wrong
// ------------------------------------------------

struct FaultyParams {
  char how[32];
};

const char* infer_faulty(const monza_plugin_host* host, monza_plugin_node* node) {
  const std::string_view how = host->string(node, "how");
  const monza_plugin_extent n = host->input_extent(node, 0, 0);
  if (how == "infer says why") return "this is what the plugin says";
  if (how == "infer throws") throw std::runtime_error("an exception of infer");
  if (how == "infer throws a number") throw 3;
  if (how == "no output") return host->reported_extent(node, n) >= 0 ? nullptr : "no extent";
  if (how == "no extent") return host->set_output(node, 0, MONZA_F32, 1, &n), nullptr;
  if (how == "absent input") host->input_rank(node, 1);
  if (how == "axis") host->input_extent(node, 0, 7);
  if (how == "attribute") host->integer(node, "no_such");
  if (how == "kind") host->integer(node, "how");
  if (how == "arithmetic") host->combine(node, 99, n, n);
  if (how == "foreign extent") host->combine(node, MONZA_PLUGIN_ADD, n, 1234);
  if (how == "many extents")
    for (int i = 0; i < 70000; ++i) host->constant(node, i);
  if (how == "element") host->input_element(node, 0, 0);
  if (how == "element index") host->input_element(node, 1, 9);
  const monza_plugin_extent k = host->reported_extent(node, n);
  host->set_output(node, how == "rank" ? -1 : 0, how == "type" ? 16 : MONZA_F32, 1, &k);
  return nullptr;
}

const char* params_faulty(const monza_plugin_host* host, monza_plugin_node* node, void* params) {
  const std::string_view how = host->string(node, "how");
  if (how == "params says why") return "these parameters do not fit";
  if (how == "shapes in params") {
    const monza_plugin_extent one = host->constant(node, 1);
    host->set_output(node, 0, MONZA_F32, 1, &one);
  }
  std::memcpy(params, how.data(), std::min<std::size_t>(how.size(), 31));
  return nullptr;
}

bool is(const monza_plugin_call* call, std::string_view how) {
  return how == static_cast<const FaultyParams*>(call->params)->how;
}

const char* verify_faulty(const monza_plugin_call* call) {
  if (static_cast<const FaultyParams*>(call->params)->how[31] != 0) return "`how` has no end";
  if (is(call, "verify throws")) throw std::runtime_error("an exception of verify");
  return is(call, "verify says why") ? "verify does not take it" : nullptr;
}

std::int64_t workspace_faulty(const monza_plugin_call* call) {
  if (is(call, "workspace throws")) throw std::runtime_error("an exception of workspace");
  return is(call, "negative workspace") ? -1 : 0;
}

const char* run_faulty(const monza_plugin_call* call) {
  if (is(call, "run says why")) return "the data is not what it should be";
  if (is(call, "run throws")) throw std::runtime_error("an exception of run");
  if (is(call, "task throws"))
    call->parallel_for(
        call, 8, [](void*, std::int64_t, std::int32_t) { throw std::runtime_error("an exception of a task"); },
        nullptr);
  if (is(call, "silent")) return nullptr;
  call->extents[0] = is(call, "extent too large") ? call->inputs[0].shape[0] + 1000 : 0;
  return nullptr;
}

constexpr monza_plugin_attribute kHow = {sizeof kHow, "how", MONZA_PLUGIN_STRING, 1};
constexpr const monza_plugin_attribute* kFaultyAttributes[] = {&kHow};
constexpr monza_plugin_operator kFaulty = {.struct_size = sizeof kFaulty,
                                           .domain = "test.sample",
                                           .name = "Faulty",
                                           .version = 1,
                                           .min_inputs = 1,
                                           .max_inputs = 2,
                                           .min_outputs = 1,
                                           .max_outputs = 1,
                                           .extent_count = 1,
                                           .attributes = kFaultyAttributes,
                                           .attribute_count = 1,
                                           .params_bytes = sizeof(FaultyParams),
                                           .infer = infer_faulty,
                                           .params = params_faulty,
                                           .verify = verify_faulty,
                                           .workspace = workspace_faulty,
                                           .run = run_faulty};

// --- OnGpu(x) -> x: an entry for GPUs alone, which writes down the stream
// ---------------------------------------------

const char* infer_on_gpu(const monza_plugin_host* host, monza_plugin_node* node) {
  const monza_plugin_extent n = host->input_extent(node, 0, 0);
  host->set_output(node, 0, host->input_dtype(node, 0), 1, &n);
  return nullptr;
}

const char* verify_on_gpu(const monza_plugin_call* call) {
  return same_shape(call->inputs[0], call->outputs[0]) ? nullptr : "x and y differ";
}

const char* run_on_gpu(const monza_plugin_call* call) {
  if (call->device != MONZA_CUDA) return "it is not called for a GPU";
  static_cast<void**>(call->outputs[0].data)[0] = call->stream;
  return nullptr;
}

constexpr monza_plugin_operator kOnGpu = {.struct_size = sizeof kOnGpu,
                                          .domain = "test.sample",
                                          .name = "OnGpu",
                                          .version = 1,
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .min_outputs = 1,
                                          .max_outputs = 1,
                                          .infer = infer_on_gpu,
                                          .verify = verify_on_gpu,
                                          .run_cuda = run_on_gpu};

constexpr const monza_plugin_operator* kOperators[] = {&kPositive, &kWiden, &kFaulty, &kOnGpu};
constexpr monza_plugin kPlugin = {sizeof kPlugin, MONZA_PLUGIN_ABI, "sample 1.0", kOperators, 4};

}  // namespace

const monza_plugin* monza_plugin_get() { return &kPlugin; }
