/* The C API: build or load an engine, make contexts, bind memory, run. C11; link libmonza (CMake: monza::c).
 *
 *   monza_engine* engine = NULL;
 *   monza_context* context = NULL;
 *   monza_tensor image = {MONZA_F32, 4, {1, 3, 640, 640}, pixels, sizeof pixels}, boxes;
 *   if (monza_engine_load("yolov8n.engine", NULL, &engine) || monza_context_create(engine, NULL, &context) ||
 *       monza_context_bind_input(context, "images", &image) || monza_context_run(context) ||
 *       monza_context_output(context, "output0", &boxes))
 *     fprintf(stderr, "%s\n", monza_last_error());
 *   monza_context_release(context);
 *   monza_engine_release(engine);
 *
 * Rules. Functions that can fail return a status, MONZA_OK being 0; the words of the last failure on this thread are
 * monza_last_error(). No exception leaves a function. Handles are released by their release function, which takes
 * NULL. Strings are UTF-8 and copied. Engines may be shared between threads; a context is used by one at a time.
 * Structs of options begin with their size and take 0 as the default everywhere:
 *
 *   monza_build_options options = {.struct_size = sizeof options, .threads = 2};
 *
 * Stability. Within a major version of the API, functions, constants and fields keep their meaning, and new fields are
 * only added at the end of structs that begin with their size. monza_api_version() is the library's version,
 * MONZA_API_VERSION that of this header. */
#ifndef MONZA_MONZA_H_
#define MONZA_MONZA_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MONZA_API_MAJOR 1
#define MONZA_API_MINOR 4
#define MONZA_API_VERSION (MONZA_API_MAJOR * 1000 + MONZA_API_MINOR)
#define MONZA_MAX_RANK 8

/* Version of the API that the library has: major * 1000 + minor. */
int32_t monza_api_version(void);

typedef enum monza_status {
  MONZA_OK = 0,
  MONZA_INVALID_ARGUMENT = 1,   /* an argument is NULL or missing, or its type or shape does not fit */
  MONZA_OUT_OF_RANGE = 2,       /* an index or extent in the data lies outside its bounds */
  MONZA_RESOURCE_EXHAUSTED = 3, /* memory, a pool, or a bound set at build is used up */
  MONZA_UNAVAILABLE = 4,        /* not usable now: another run is in progress */
  MONZA_INTERNAL = 5,           /* a broken promise inside Monza */
  MONZA_REFUSED = 6             /* setting up: the model, the engine file or the options are refused */
} monza_status;

/* What the last call that failed on this thread said: the fact, where in the model, what to try. "" when none has.
 * Valid until the next failure on this thread. */
const char* monza_last_error(void);

/* Element types, numbered as monza::DType. */
typedef enum monza_dtype {
  MONZA_INVALID = 0,
  MONZA_F32 = 1,
  MONZA_F64 = 2,
  MONZA_F16 = 3,
  MONZA_BF16 = 4,
  MONZA_I8 = 5,
  MONZA_U8 = 6,
  MONZA_I16 = 7,
  MONZA_U16 = 8,
  MONZA_I32 = 9,
  MONZA_U32 = 10,
  MONZA_I64 = 11,
  MONZA_U64 = 12,
  MONZA_BOOL = 13,
  MONZA_C64 = 14,
  MONZA_C128 = 15,
  MONZA_I4 = 22,
  MONZA_U4 = 23
} monza_dtype;

typedef enum monza_precision {
  MONZA_FP32 = 0,
  MONZA_BF16_PRECISION = 1,
  MONZA_FP16_PRECISION = 2 /* since 1.4 */
} monza_precision;
typedef enum monza_device { MONZA_CPU = 0, MONZA_REFERENCE = 1, MONZA_CUDA = 2 } monza_device;

/* A dense tensor, row-major, in host memory where nothing else is said. `dtype` is a monza_dtype. */
typedef struct monza_tensor {
  int32_t dtype;
  int32_t rank;
  int64_t shape[MONZA_MAX_RANK];
  void* data;
  size_t bytes; /* available at `data` */
} monza_tensor;

/* An input or output of an engine. A dimension is fixed where min equals max. */
typedef struct monza_tensor_info {
  const char* name; /* lives as long as the engine */
  int32_t dtype;
  int32_t rank;
  int64_t min[MONZA_MAX_RANK], opt[MONZA_MAX_RANK], max[MONZA_MAX_RANK];
} monza_tensor_info;

/* Extents that a dynamic input may take: `rank` numbers each. NULL for `min` or `opt` means the same as `max`. */
typedef struct monza_shape_profile {
  const char* input;
  int32_t rank;
  const int64_t *min, *opt, *max;
} monza_shape_profile;

/* What a model may cost to build or to plan anew, as monza::Limits (monza/limits.h): 0 takes the default. */
typedef struct monza_limits {
  size_t struct_size;
  int64_t file_bytes, weight_bytes;
  int64_t nodes, values, depth;
  int64_t attribute_bytes, name_bytes, expression_bytes;
  int64_t value_bytes;
  int64_t trips;
  int64_t fold_bytes, fold_operations;
  int64_t timing_bytes;
  int64_t fold_seconds;
} monza_limits;

/* What nodes may compute in and run on, in place of what the options say of all, since 1.3. `nodes` is the name of an
 * ONNX node or of a tensor that it makes; * stands for any text, ? for a character. `may_use` names precisions (fp32,
 * bf16, fp16, int8) and devices (cpu, reference, cuda) in any order: "fp32,bf16". As `monza build --constrain`. */
typedef struct monza_constraint {
  const char *nodes, *may_use;
} monza_constraint;

typedef struct monza_build_options {
  size_t struct_size;
  int32_t precision; /* monza_precision */
  int32_t device;    /* monza_device */
  int32_t threads;   /* 0: as many as this process may use */
  int32_t no_tune;   /* 1: take the first kernel that fits, time none */
  int32_t no_optimize;
  int32_t batch_invariant;
  int32_t strip;            /* 1: leave the graph out of the engine */
  double max_build_seconds; /* timing kernels stops there; 0: the default, 120; below 0: no limit */
  const char* isa;          /* NULL: this machine's */
  const char* timing_cache; /* file, or NULL */
  const monza_shape_profile* shapes;
  size_t shape_count;
  const char* const* outputs; /* keeps only these; NULL keeps all */
  size_t output_count;
  void (*progress)(void* user, const char* stage, double fraction); /* or NULL */
  void* user;
  const monza_limits* limits; /* since 1.1; NULL: the defaults */
  int64_t max_memory;         /* since 1.1; bytes of weights and activations at the largest shapes; 0: no cap */
  const monza_constraint* constraints; /* since 1.3; of several that name a node, the last one counts */
  size_t constraint_count;
  int32_t allow_cpu_nodes; /* since 1.4; 1: what `device` has no kernel for runs on the CPU; 0: it is an error */
} monza_build_options;

typedef struct monza_load_options {
  size_t struct_size;
  int32_t verify;             /* 1: check the checksum of every weight block */
  int32_t prefault;           /* 1: touch every page of the weights now */
  const monza_limits* limits; /* since 1.1; of a graph that is planned anew; NULL: the defaults */
} monza_load_options;

/* Threads that contexts of any engines share, since 1.2. */
typedef struct monza_workers monza_workers;

typedef struct monza_workers_options {
  size_t struct_size;
  int32_t threads;           /* 0: as many as this process may use */
  int32_t pin;               /* 1: bind each thread to one CPU */
  int32_t spin_microseconds; /* an idle thread looks for work so long before it sleeps; 0: the default, below 0: not */
} monza_workers_options;

typedef struct monza_context_options {
  size_t struct_size;
  int32_t threads; /* 0: as the engine was planned for */
  int32_t pin;     /* 1: bind each worker to one CPU */
  int32_t prefault;
  int32_t no_huge_pages;
  monza_workers* workers; /* since 1.2; whose threads it borrows, `threads` at most; NULL: it has threads of its own */
  int32_t priority;       /* since 1.2; of its runs on the workers: free threads help the highest first */
  int32_t max_sequences;  /* since 1.3; most sequences of one run; 0: the default, 64 */
} monza_context_options;

/* What a model that generates remembers (keys and values), since 1.3: a sequence is the state of one conversation, in
 * blocks of a pool that many share. Different sequences of a pool may be used by different threads. */
typedef struct monza_sequence_pool monza_sequence_pool;
typedef struct monza_sequence monza_sequence;

typedef struct monza_sequence_pool_options {
  size_t struct_size;
  int32_t blocks;        /* in all; 0: the default, 256 */
  int64_t block_length;  /* positions in a block; 0: the default, 16 */
  int64_t max_positions; /* greatest length of one sequence; 0: the default, 4096 */
} monza_sequence_pool_options;

/* A sequence in a run of many, and how many of the run's new positions are its own. */
typedef struct monza_sequence_run {
  monza_sequence* sequence;
  int64_t positions;
} monza_sequence_run;

typedef struct monza_step_profile {
  const char *name, *op, *kernel; /* ONNX nodes, operator, kernel */
  double best_us, mean_us;
  double flops, bytes;
  int64_t runs;
} monza_step_profile;

typedef struct monza_engine monza_engine;
typedef struct monza_context monza_context;

/* Loads a plugin, since 1.4: its operators (monza/plugin.h) are there for models that are built and engines that are
 * loaded from then on, until the process ends. A plugin is trusted: its code runs at once, with the rights of the
 * process. */
monza_status monza_plugin_load(const char* plugin_path);

/* Compiles an ONNX file for this machine. `options` may be NULL. In libmonza and monza::build; the other functions
 * are in monza::run, which holds no compiler, too. */
monza_status monza_engine_build(const char* model_path, const monza_build_options* options, monza_engine** engine);
/* Maps an engine file. `options` may be NULL. */
monza_status monza_engine_load(const char* engine_path, const monza_load_options* options, monza_engine** engine);
/* Writes beside `engine_path`, then renames. */
monza_status monza_engine_save(const monza_engine* engine, const char* engine_path);
/* Contexts of the engine stay valid. */
void monza_engine_release(monza_engine* engine);

size_t monza_engine_input_count(const monza_engine* engine);
size_t monza_engine_output_count(const monza_engine* engine);
monza_status monza_engine_input(const monza_engine* engine, size_t index, monza_tensor_info* info);
monza_status monza_engine_output(const monza_engine* engine, size_t index, monza_tensor_info* info);
/* The value of a metadata key, or NULL. Lives as long as the engine. */
const char* monza_engine_metadata(const monza_engine* engine, const char* key);

/* `options` may be NULL. Any number of contexts may run on the workers at once, from any threads. */
monza_status monza_workers_create(const monza_workers_options* options, monza_workers** workers);
/* Contexts that borrow from them keep the threads. */
void monza_workers_release(monza_workers* workers);

/* One execution at a time: its own activations and bindings. `options` may be NULL. */
monza_status monza_context_create(const monza_engine* engine, const monza_context_options* options,
                                  monza_context** context);
/* Waits for a submitted run. */
void monza_context_release(monza_context* context);

/* Binds the caller's memory, which must stay valid until the run completes. Its shape is this run's shape. */
monza_status monza_context_bind_input(monza_context* context, const char* name, const monza_tensor* tensor);
/* Makes runs write there. Outputs that are not bound are written to memory of the context, valid until its next run. */
monza_status monza_context_bind_output(monza_context* context, const char* name, const monza_tensor* tensor);
monza_status monza_context_unbind_output(monza_context* context, const char* name);
/* The same with memory of a device (monza_device), since 1.4: a CUDA pointer for MONZA_CUDA. Taken where the input is
 * read on that device alone, and where the output is computed there. What is in an input must have been written when
 * the run starts; when it has completed, outputs have. */
monza_status monza_context_bind_input_on(monza_context* context, const char* name, const monza_tensor* tensor,
                                         int32_t device);
monza_status monza_context_bind_output_on(monza_context* context, const char* name, const monza_tensor* tensor,
                                          int32_t device);

/* Host memory that copies to and from the engine's devices at full speed and beside other work (page-locked, for a
 * GPU), since 1.4: zero-filled, for tensors that are bound. Scarce, and slow to get: make it once. */
typedef struct monza_host_memory monza_host_memory;
monza_status monza_host_memory_create(const monza_engine* engine, size_t bytes, monza_host_memory** memory);
void monza_host_memory_release(monza_host_memory* memory);
void* monza_host_memory_data(const monza_host_memory* memory); /* 64-byte aligned; NULL of NULL */

/* A pool for the sequences of one engine. `options` may be NULL. Refused when the engine keeps no state. */
monza_status monza_sequence_pool_create(const monza_engine* engine, const monza_sequence_pool_options* options,
                                        monza_sequence_pool** pool);
/* Its sequences stay valid. */
void monza_sequence_pool_release(monza_sequence_pool* pool);
int32_t monza_sequence_pool_free_blocks(const monza_sequence_pool* pool);

/* An empty sequence. */
monza_status monza_sequence_create(const monza_sequence_pool* pool, monza_sequence** sequence);
/* Another sequence with the same past, which both share until they grow. */
monza_status monza_sequence_fork(const monza_sequence* sequence, monza_sequence** fork);
/* Not while a context has it bound and is used again: unbind first. */
void monza_sequence_release(monza_sequence* sequence);
int64_t monza_sequence_length(const monza_sequence* sequence);   /* positions that are valid */
int64_t monza_sequence_capacity(const monza_sequence* sequence); /* positions that fit before a reserve is needed */
/* Makes room for `positions` more. MONZA_RESOURCE_EXHAUSTED when the pool is empty or the sequence too long. */
monza_status monza_sequence_reserve(monza_sequence* sequence, int64_t positions);
/* Forgets everything from position `length` on. */
monza_status monza_sequence_truncate(monza_sequence* sequence, int64_t length);

/* Binds the sequence whose state the next runs read and append to. A run that fails leaves its length as it was. */
monza_status monza_context_bind_sequence(monza_context* context, monza_sequence* sequence);
/* Binds many: positions [0, n) of the inputs' first axis are those of the first sequence, of which n is the number, and
 * so on; 0 is a number, too. Each must have room and may come once. A run that succeeds makes each longer by its
 * number, one that fails leaves all as they were. Nothing is bound when the batch is refused. `batch` is copied. */
monza_status monza_context_bind_sequences(monza_context* context, const monza_sequence_run* batch, size_t count);
monza_status monza_context_unbind_sequences(monza_context* context);

monza_status monza_context_run(monza_context* context);
/* Starts a run on a thread of the context, or of its workers, and returns. `callback`, if given, is called there when
 * the run is done; monza_context_wait may return before it does, monza_context_release does not. Until the run is done
 * calls that bind, run or submit return MONZA_UNAVAILABLE. */
monza_status monza_context_submit(monza_context* context, void (*callback)(void* user, monza_status status),
                                  void* user);
/* Waits for the submitted run and returns its status. */
monza_status monza_context_wait(monza_context* context);
/* Waits at most so long; `done` becomes 1 when the run has completed, else 0. */
monza_status monza_context_wait_for(monza_context* context, int64_t microseconds, int32_t* done);
/* An output after a run: its shape and where it lies. */
monza_status monza_context_output(const monza_context* context, const char* name, monza_tensor* tensor);

/* Times of steps, summed over the runs since profiling was turned on. The array and its strings are valid until the
 * next call for this context, or its release. */
monza_status monza_context_set_profiling(monza_context* context, int32_t on);
monza_status monza_context_profile(monza_context* context, const monza_step_profile** steps, size_t* count);

#ifdef __cplusplus
}
#endif

#endif /* MONZA_MONZA_H_ */
