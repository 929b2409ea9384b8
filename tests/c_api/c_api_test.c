/* The C API as a C program sees it: c_api_test MODEL.onnx WORK_FOLDER PLUGIN.so. MODEL is y = relu(x w + b), x 2x16, y
 * 2x8. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monza/monza.h"

static int failures = 0;

#define EXPECT(condition)                                                                                        \
  do {                                                                                                           \
    if (!(condition)) {                                                                                          \
      ++failures;                                                                                                \
      fprintf(stderr, "line %d: %s does not hold (last error: %s)\n", __LINE__, #condition, monza_last_error()); \
    }                                                                                                            \
  } while (0)

/* The call ended with `status` and left exactly `message`. */
#define EXPECT_ERROR(call, status, message)                                                               \
  do {                                                                                                    \
    const monza_status got_ = (call);                                                                     \
    if (got_ != (status) || strcmp(monza_last_error(), (message)) != 0) {                                 \
      ++failures;                                                                                         \
      fprintf(stderr, "line %d: status %d, expected %d, with:\n%s\n", __LINE__, (int)got_, (int)(status), \
              monza_last_error());                                                                        \
    }                                                                                                     \
  } while (0)

static float x[32], y[16];

static void fill(void) {
  for (int i = 0; i < 32; ++i) x[i] = 0.25f * (float)(i % 5) - 0.5f;
}

/* The model's own formula (tests/install/make_model.cpp). */
static float expected(int row, int column) {
  float sum = 0.125f * (float)(column % 7 - 3);
  for (int k = 0; k < 16; ++k) sum += x[row * 16 + k] * 0.125f * (float)((k * 8 + column) % 7 - 3);
  return sum > 0 ? sum : 0;
}
static int is_expected(const float* values) {
  for (int i = 0; i < 16; ++i)
    if (fabsf(values[i] - expected(i / 8, i % 8)) > 1e-5f) return 0;
  return 1;
}

static int progress_calls = 0;
static void on_progress(void* user, const char* stage, double fraction) {
  if (user == &progress_calls && stage[0] != 0 && fraction >= 0 && fraction <= 1) ++progress_calls;
}

/* wait may return before the callback does. */
static atomic_int first_status = MONZA_INTERNAL, callback_status = MONZA_INTERNAL;
static void on_done(void* user, monza_status status) { *(atomic_int*)user = status; }

/* Waits for the stage 1. */
static void on_done_wait(void* user, monza_status status) {
  if (status != MONZA_OK) ++failures;
  while (*(atomic_int*)user != 1) {
  }
}

static void versions(void) {
  EXPECT(monza_api_version() == MONZA_API_VERSION);
  EXPECT(strcmp(monza_last_error(), "") == 0);
}

static monza_engine* build(const char* model) {
  monza_engine* engine = NULL;
  monza_build_options options = {.struct_size = sizeof options, .threads = 1, .no_tune = 1};
  options.progress = on_progress;
  options.user = &progress_calls;
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_OK);
  EXPECT(progress_calls > 2);
  return engine;
}

static void ports(const monza_engine* engine) {
  monza_tensor_info info;
  EXPECT(monza_engine_input_count(engine) == 1 && monza_engine_output_count(engine) == 1);
  EXPECT(monza_engine_input(engine, 0, &info) == MONZA_OK);
  EXPECT(strcmp(info.name, "x") == 0 && info.dtype == MONZA_F32 && info.rank == 2);
  EXPECT(info.min[0] == 2 && info.opt[1] == 16 && info.max[1] == 16 && info.max[2] == 0);
  EXPECT(monza_engine_output(engine, 0, &info) == MONZA_OK);
  EXPECT(strcmp(info.name, "y") == 0 && info.max[1] == 8);
  EXPECT_ERROR(monza_engine_output(engine, 1, &info), MONZA_INVALID_ARGUMENT,
               "the engine has no input or output of that index");
  EXPECT_ERROR(monza_engine_input(engine, 0, NULL), MONZA_INVALID_ARGUMENT,
               "monza_engine_input or monza_engine_output: info is NULL");
  EXPECT(monza_engine_metadata(engine, "nothing") == NULL);
}

static void run(const monza_engine* engine) {
  monza_context* context = NULL;
  const monza_context_options options = {.struct_size = sizeof options, .threads = 1};
  EXPECT(monza_context_create(engine, &options, &context) == MONZA_OK);
  const monza_tensor in = {MONZA_F32, 2, {2, 16}, x, sizeof x}, mine = {MONZA_F32, 2, {2, 8}, y, sizeof y};
  monza_tensor out;
  EXPECT_ERROR(monza_context_wait(context), MONZA_INVALID_ARGUMENT, "nothing was submitted to this context");
  EXPECT_ERROR(monza_context_run(context), MONZA_INVALID_ARGUMENT, "an input is not bound: input 'x' (f32, rank 2)");
  const monza_context_options negative = {.struct_size = sizeof negative, .threads = -1};
  monza_context* none = NULL;
  EXPECT_ERROR(monza_context_create(engine, &negative, &none), MONZA_REFUSED,
               "monza_context_options.threads is negative\n  try: 0 for as many as were planned for");
  const monza_context_options fewer = {.struct_size = sizeof fewer, .max_sequences = -1};
  EXPECT_ERROR(monza_context_create(engine, &fewer, &none), MONZA_REFUSED,
               "monza_context_options.max_sequences is negative\n  try: 0 for the default");
  EXPECT(monza_context_bind_input(context, "x", &in) == MONZA_OK);
  EXPECT(monza_context_set_profiling(context, 1) == MONZA_OK);
  EXPECT(monza_context_run(context) == MONZA_OK);
  EXPECT(monza_context_output(context, "y", &out) == MONZA_OK);
  EXPECT(out.dtype == MONZA_F32 && out.rank == 2 && out.shape[0] == 2 && out.shape[1] == 8 && out.bytes == 64);
  EXPECT(is_expected(out.data));

  const monza_step_profile* steps = NULL;
  size_t count = 0;
  EXPECT(monza_context_profile(context, &steps, &count) == MONZA_OK);
  EXPECT(count >= 1 && steps[0].runs == 1 && steps[0].best_us > 0 && steps[0].name[0] != 0);

  EXPECT(monza_context_bind_output(context, "y", &mine) == MONZA_OK);
  EXPECT(monza_context_submit(context, on_done, &first_status) == MONZA_OK);
  EXPECT(monza_context_wait(context) == MONZA_OK);
  int32_t done = 0;
  EXPECT(monza_context_wait_for(context, 0, &done) == MONZA_OK && done == 1);
  EXPECT(is_expected(y));
  /* The callback of the first run holds its thread: the second run waits there, and a third is refused. Each run has
     its own callback. */
  atomic_int stage = 0;
  EXPECT(monza_context_submit(context, on_done_wait, &stage) == MONZA_OK);
  EXPECT(monza_context_wait(context) == MONZA_OK);
  EXPECT(monza_context_submit(context, on_done, &callback_status) == MONZA_OK);
  EXPECT_ERROR(monza_context_submit(context, NULL, NULL), MONZA_UNAVAILABLE,
               "another run of this context is in progress");
  stage = 1;
  EXPECT(monza_context_wait(context) == MONZA_OK);
  EXPECT(stage == 1);
  EXPECT(monza_context_unbind_output(context, "y") == MONZA_OK);
  memset(y, 0, sizeof y);
  EXPECT(monza_context_run(context) == MONZA_OK);
  EXPECT(y[0] == 0 && y[7] == 0);

  monza_tensor wrong = in;
  wrong.shape[0] = 3;
  EXPECT(monza_context_bind_input(context, "x", &wrong) == MONZA_INVALID_ARGUMENT ||
         monza_context_run(context) == MONZA_INVALID_ARGUMENT);
  EXPECT(strstr(monza_last_error(), "x") != NULL);
  wrong = in;
  wrong.rank = 9;
  EXPECT_ERROR(monza_context_bind_input(context, "x", &wrong), MONZA_INVALID_ARGUMENT,
               "the tensor's rank is not in 0..8");
  wrong = in;
  wrong.dtype = 256;
  EXPECT_ERROR(monza_context_bind_input(context, "x", &wrong), MONZA_INVALID_ARGUMENT, "the tensor's dtype is unknown");
  EXPECT_ERROR(monza_context_bind_input(context, "z", &in), MONZA_INVALID_ARGUMENT,
               "the model has no input 'z'\n  try: one of 'x'");
  EXPECT_ERROR(monza_context_output(context, "z", &out), MONZA_INVALID_ARGUMENT,
               "the model has no output 'z'\n  try: one of 'y'");
  EXPECT_ERROR(monza_context_bind_input(context, "x", NULL), MONZA_INVALID_ARGUMENT,
               "monza_context_bind_input: tensor is NULL");
  monza_context_release(context);
  /* The callback has been called before its context was gone. */
  EXPECT(first_status == MONZA_OK && callback_status == MONZA_OK);
}

/* Two contexts on the threads of one pool. */
static void shared_workers(const monza_engine* engine) {
  monza_workers* workers = NULL;
  const monza_workers_options threads = {.struct_size = sizeof threads, .threads = 2, .spin_microseconds = 20};
  const monza_workers_options negative = {.struct_size = sizeof negative, .threads = -1};
  EXPECT_ERROR(monza_workers_create(&negative, &workers), MONZA_REFUSED,
               "WorkersOptions::threads is negative\n  try: 0 for as many as this process may use");
  EXPECT(monza_workers_create(&threads, &workers) == MONZA_OK);
  monza_context *a = NULL, *b = NULL;
  const monza_context_options options = {.struct_size = sizeof options, .workers = workers, .priority = 1};
  EXPECT(monza_context_create(engine, &options, &a) == MONZA_OK);
  EXPECT(monza_context_create(engine, &options, &b) == MONZA_OK);
  monza_workers_release(workers);
  const monza_tensor in = {MONZA_F32, 2, {2, 16}, x, sizeof x};
  monza_tensor out;
  EXPECT(monza_context_bind_input(a, "x", &in) == MONZA_OK && monza_context_bind_input(b, "x", &in) == MONZA_OK);
  EXPECT(monza_context_submit(a, NULL, NULL) == MONZA_OK && monza_context_run(b) == MONZA_OK);
  EXPECT(monza_context_wait(a) == MONZA_OK);
  EXPECT(monza_context_output(a, "y", &out) == MONZA_OK && is_expected(out.data));
  EXPECT(monza_context_output(b, "y", &out) == MONZA_OK && is_expected(out.data));
  monza_context_release(a);
  monza_context_release(b);
}

static void files(const monza_engine* engine, const char* folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/c_api.engine", folder);
  EXPECT(monza_engine_save(engine, path) == MONZA_OK);
  monza_engine* loaded = NULL;
  const monza_load_options options = {.struct_size = sizeof options, .verify = 1};
  EXPECT(monza_engine_load(path, &options, &loaded) == MONZA_OK);
  run(loaded);
  monza_engine_release(loaded);
  EXPECT(monza_engine_load(path, NULL, NULL) == MONZA_INVALID_ARGUMENT);
  EXPECT(strcmp(monza_last_error(), "monza_engine_load: engine is NULL") == 0);
  loaded = (monza_engine*)path;
  EXPECT(monza_engine_load("no such file", NULL, &loaded) == MONZA_REFUSED);
  EXPECT(loaded == NULL && strstr(monza_last_error(), "no such file") != NULL);
  remove(path);
}

static void refused_options(const char* model) {
  monza_engine* engine = NULL;
  monza_build_options options = {0};
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.struct_size is 0\n  try: set it to sizeof(monza_build_options) before the call");
  options.struct_size = sizeof options;
  options.precision = 7;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.precision is 7\n  try: MONZA_FP32, MONZA_BF16_PRECISION or MONZA_FP16_PRECISION");
  options.precision = MONZA_FP32;
  options.device = 9;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.device is 9\n  try: MONZA_CPU, MONZA_REFERENCE or MONZA_CUDA");
  options.device = MONZA_CPU;
  options.threads = -1;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.threads is negative\n  try: 0 for as many as this process may use");
  options.threads = 1;
  options.max_memory = -1;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.max_memory is negative\n  try: 0 for no cap");
  options.max_memory = 0;
  const monza_shape_profile shape = {.input = "x", .rank = 2};
  options.shapes = &shape;
  options.shape_count = 1;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.shapes[0] is incomplete\n"
               "  try: it takes an input's name, a rank in 0..8 and `max`");
  options.shape_count = 0;
  const char* outputs[] = {"nothing"};
  options.outputs = outputs;
  options.output_count = 1;
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_REFUSED && engine == NULL);
  EXPECT(strstr(monza_last_error(), "nothing") != NULL);

  options.outputs = NULL;
  options.output_count = 0;
  monza_limits limits = {.struct_size = sizeof limits, .nodes = 2};
  options.limits = &limits;
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_REFUSED && engine == NULL);
  EXPECT(strstr(monza_last_error(), "3 nodes in the file are more than the limit of 2") != NULL);
  limits.nodes = -1;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "the limit nodes is -1, but must be above 0\n  try: leave it at its default of 50000");
  limits.nodes = 3;
  options.max_memory = 64;
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_REFUSED);
  EXPECT(strstr(monza_last_error(), "the 64 bytes of the memory cap") != NULL);

  /* A struct of a newer header: what it adds must be 0. */
  struct {
    monza_load_options known;
    int32_t added[4];
  } newer = {{.struct_size = sizeof newer}, {0, 1, 0, 0}};
  EXPECT_ERROR(monza_engine_load("x", (const monza_load_options*)&newer, &engine), MONZA_REFUSED,
               "monza_load_options sets a field that this version of the library does not know\n"
               "  try: use the library that belongs to the header, or leave the new fields 0");
  /* A struct of an older one: what it lacks is the default. */
  monza_build_options older = {.struct_size = offsetof(monza_build_options, isa), .no_tune = 1, .isa = "nonsense"};
  EXPECT(monza_engine_build(model, &older, &engine) == MONZA_OK);
  monza_engine_release(engine);
}

/* What nodes may use, by name. */
static void constraints(const char* model) {
  monza_engine* engine = NULL;
  monza_constraint asked = {"y", "fp32,reference"};
  const monza_build_options options = {
      .struct_size = sizeof options, .threads = 1, .no_tune = 1, .constraints = &asked, .constraint_count = 1};
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_OK);
  run(engine);
  monza_context* context = NULL;
  const monza_tensor in = {MONZA_F32, 2, {2, 16}, x, sizeof x};
  const monza_step_profile* steps = NULL;
  size_t count = 0, on_reference = 0;
  EXPECT(monza_context_create(engine, NULL, &context) == MONZA_OK);
  EXPECT(monza_context_bind_input(context, "x", &in) == MONZA_OK);
  EXPECT(monza_context_set_profiling(context, 1) == MONZA_OK && monza_context_run(context) == MONZA_OK);
  EXPECT(monza_context_profile(context, &steps, &count) == MONZA_OK);
  for (size_t i = 0; i < count; ++i) on_reference += strstr(steps[i].kernel, "_ref") != NULL;
  EXPECT(on_reference > 0);
  monza_context_release(context);
  monza_engine_release(engine);

  asked.may_use = "fp32,fp8";
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.constraints[0]: 'fp8' is no precision and no device\n"
               "  try: fp32, bf16, fp16, int8, cpu, reference or cuda");
  asked.may_use = NULL;
  EXPECT_ERROR(monza_engine_build(model, &options, &engine), MONZA_REFUSED,
               "monza_build_options.constraints[0] is incomplete\n  try: it takes the name of a node and `may_use`");
  asked.may_use = "fp32";
  asked.nodes = "nothing*";
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_REFUSED);
  EXPECT(strstr(monza_last_error(), "a constraint is on 'nothing*'") != NULL);
}

/* An engine that keeps no state has no sequences; those of one that does are tested in src/engine/run/c_api.test.cpp.
 */
/* An engine on the reference device takes its input from that device's memory, and one of the host does not. */
static void memory_of_devices(const char* model, monza_engine* on_host) {
  monza_build_options options = {.struct_size = sizeof options, .threads = 1, .device = MONZA_REFERENCE};
  monza_engine* engine = NULL;
  monza_context *context = NULL, *other = NULL;
  EXPECT(monza_engine_build(model, &options, &engine) == MONZA_OK);
  if (engine == NULL) return;
  EXPECT(monza_context_create(engine, NULL, &context) == MONZA_OK);
  EXPECT(monza_context_create(on_host, NULL, &other) == MONZA_OK);
  monza_host_memory* memory = (monza_host_memory*)model;
  EXPECT(monza_host_memory_create(NULL, 4, &memory) == MONZA_INVALID_ARGUMENT && memory == NULL);
  EXPECT_ERROR(monza_host_memory_create(engine, SIZE_MAX, &memory), MONZA_INVALID_ARGUMENT,
               "monza_host_memory_create: there is no memory of that size");
  EXPECT(monza_host_memory_create(engine, sizeof x, &memory) == MONZA_OK);
  EXPECT(monza_host_memory_data(NULL) == NULL);
  float* const input = monza_host_memory_data(memory);
  for (int i = 0; i < 32; ++i) EXPECT(input[i] == 0);
  memcpy(input, x, sizeof x);
  memset(y, 0, sizeof y);
  monza_tensor in = {MONZA_F32, 2, {2, 16}, input, sizeof x}, out = {MONZA_F32, 2, {2, 8}, y, sizeof y}, got;
  EXPECT(monza_context_bind_input_on(context, "x", &in, MONZA_REFERENCE) == MONZA_OK);
  EXPECT(monza_context_bind_output_on(context, "y", &out, MONZA_REFERENCE) == MONZA_OK);
  EXPECT(monza_context_run(context) == MONZA_OK);
  EXPECT(monza_context_output(context, "y", &got) == MONZA_OK && got.data == y && is_expected(y));
  EXPECT(monza_context_unbind_output(context, "y") == MONZA_OK);
  EXPECT(monza_context_bind_input_on(context, "x", &in, 99) == MONZA_INVALID_ARGUMENT);
  EXPECT(strcmp(monza_last_error(), "the tensor's device is no monza_device") == 0);
  EXPECT(monza_context_bind_input(context, "x", &in) == MONZA_OK && monza_context_run(context) == MONZA_OK);
  EXPECT(monza_context_output(context, "y", &got) == MONZA_OK && got.data != y && is_expected(got.data));
  EXPECT_ERROR(monza_context_bind_input_on(other, "x", &in, MONZA_REFERENCE), MONZA_INVALID_ARGUMENT,
               "the tensor lies on a device that the engine does not use: input 'x' (f32, rank 2)");
  monza_host_memory_release(memory);
  monza_host_memory_release(NULL);
  monza_context_release(other);
  monza_context_release(context);
  monza_engine_release(engine);
}

static void sequences(const monza_engine* engine) {
  monza_sequence_pool* pool = NULL;
  monza_sequence* sequence = NULL;
  const monza_sequence_pool_options options = {.struct_size = sizeof options, .blocks = 4};
  EXPECT_ERROR(monza_sequence_pool_create(engine, &options, &pool), MONZA_REFUSED,
               "the engine keeps no state, so there are no sequences of it");
  EXPECT_ERROR(monza_sequence_create(NULL, &sequence), MONZA_INVALID_ARGUMENT, "monza_sequence_create: pool is NULL");
  EXPECT_ERROR(monza_sequence_fork(NULL, &sequence), MONZA_INVALID_ARGUMENT, "monza_sequence_fork: sequence is NULL");
  EXPECT(monza_sequence_length(NULL) == 0 && monza_sequence_pool_free_blocks(NULL) == 0);
  monza_sequence_release(NULL);
  monza_sequence_pool_release(NULL);
}

static void plugins(const char* file) {
  EXPECT_ERROR(monza_plugin_load(NULL), MONZA_INVALID_ARGUMENT, "monza_plugin_load: plugin_path is NULL");
  EXPECT_ERROR(
      monza_plugin_load("no_such.so"), MONZA_REFUSED,
      "plugin 'no_such.so': there is no such file\n  try: the path of a shared library, such as ./libexample.so");
  EXPECT(monza_plugin_load(file) == MONZA_OK);
  EXPECT(monza_plugin_load(file) == MONZA_OK);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  fill();
  versions();
  monza_engine* engine = build(argv[1]);
  if (engine == NULL) return 1;
  ports(engine);
  run(engine);
  shared_workers(engine);
  files(engine, argv[2]);
  refused_options(argv[1]);
  constraints(argv[1]);
  memory_of_devices(argv[1], engine);
  sequences(engine);
  plugins(argv[3]);
  monza_engine_release(engine);
  monza_engine_release(NULL);
  monza_context_release(NULL);
  if (failures != 0) fprintf(stderr, "%d expectations failed\n", failures);
  return failures != 0;
}
