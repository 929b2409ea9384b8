/* The interface of plugins: shared libraries that bring operators of their own. C11; a plugin includes this header and
 * links nothing of Monza. docs/howto/write-a-plugin.md begins with a complete one.
 *
 * A plugin exports one function, monza_plugin_get, which says what operators it has. The program that uses Monza loads
 * it by name (`monza --plugin FILE`, monza::load_plugin, monza_plugin_load); no model and no engine can. A loaded
 * operator is an operator like Monza's own: nodes of ONNX models whose domain and type are its become nodes of the
 * graph, are planned, get memory, lie in the engine file and are profiled.
 *
 * Errors. A callback that can fail returns NULL when all is well, else the reason in a few words, without the node's
 * name, which Monza adds. The words of `verify`, `run` and `run_cuda` are constants of the library (they are kept);
 * those of `infer` and `params` are copied at once. A C++ exception that leaves a callback is caught and fails the
 * build or the run; a crash of a plugin is a crash of the process, because a plugin is trusted code.
 *
 * Threads. Any callback may be called from any thread, and from several at once: of different nodes, contexts and
 * engines. A plugin keeps nothing between calls that it does not guard itself.
 *
 * Memory. What a callback is given is Monza's, and valid until it returns. What monza_plugin_get returns, and all that
 * it points to, is the plugin's and never changes: a loaded plugin stays loaded until the process ends.
 *
 * Versions. MONZA_PLUGIN_ABI is raised when a plugin of before would no longer work; such a plugin is refused. Other
 * than that, structs that begin with their size only ever get new fields at their end, for which 0 is a fine value. A
 * plugin looks at monza_plugin_host::struct_size before it calls what an older Monza may lack. */
#ifndef MONZA_PLUGIN_H_
#define MONZA_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#include "monza/monza.h" /* monza_dtype, monza_device, monza_tensor: types alone */

#ifdef __cplusplus
extern "C" {
#endif

#define MONZA_PLUGIN_ABI 1
#define MONZA_PLUGIN_MAX_OPERANDS 16 /* inputs of an operator, and outputs */
#define MONZA_PLUGIN_MAX_EXTENTS 8   /* extents that an operator may report */
#define MONZA_PLUGIN_MAX_PARAMS 256  /* bytes; what is larger is an input, which is a constant of the model */

/* ---- while a model is built: types, shapes and parameters of one node ------------------------------------------ */

/* A node whose types are inferred or whose parameters are filled in. */
typedef struct monza_plugin_node monza_plugin_node;

/* An extent as an expression over the extents of inputs: a handle, valid in this call. */
typedef int32_t monza_plugin_extent;

typedef enum monza_plugin_arithmetic {
  MONZA_PLUGIN_ADD = 0,
  MONZA_PLUGIN_SUB = 1,
  MONZA_PLUGIN_MUL = 2,
  MONZA_PLUGIN_FLOOR_DIV = 3, /* towards minus infinity */
  MONZA_PLUGIN_CEIL_DIV = 4,
  MONZA_PLUGIN_MIN = 5,
  MONZA_PLUGIN_MAX = 6
} monza_plugin_arithmetic;

/* What `infer` and `params` may ask and say. A wrong question (an input that is absent, an axis beyond the rank, an
 * attribute that is not declared) is noted, answered with something harmless, and fails the node when the callback
 * returns: callbacks need not check. */
typedef struct monza_plugin_host {
  size_t struct_size;
  int32_t (*input_count)(monza_plugin_node* node); /* trailing absent ones are left out */
  int32_t (*output_count)(monza_plugin_node* node);
  int32_t (*has_input)(monza_plugin_node* node, int32_t input);
  int32_t (*input_dtype)(monza_plugin_node* node, int32_t input); /* a monza_dtype */
  int32_t (*input_rank)(monza_plugin_node* node, int32_t input);

  /* Expressions. */
  monza_plugin_extent (*input_extent)(monza_plugin_node* node, int32_t input, int32_t axis);
  /* An element of an input of integers that decides shapes: its number of elements is known at build. */
  monza_plugin_extent (*input_element)(monza_plugin_node* node, int32_t input, int64_t index);
  monza_plugin_extent (*constant)(monza_plugin_node* node, int64_t value);
  monza_plugin_extent (*combine)(monza_plugin_node* node, int32_t arithmetic, monza_plugin_extent a,
                                 monza_plugin_extent b);
  /* 1, and its value, where it is the same in every run; else 0. */
  int32_t (*known)(monza_plugin_node* node, monza_plugin_extent extent, int64_t* value);

  /* Attributes: what the node gives, else the default. */
  int32_t (*has_attribute)(monza_plugin_node* node, const char* name);
  int64_t (*integer)(monza_plugin_node* node, const char* name);
  double (*number)(monza_plugin_node* node, const char* name);
  const char* (*string)(monza_plugin_node* node, const char* name);
  /* The length of a list; its elements to `values` where that is not NULL, valid in this call. */
  int64_t (*integers)(monza_plugin_node* node, const char* name, const int64_t** values);
  int64_t (*numbers)(monza_plugin_node* node, const char* name, const double** values);

  /* In `infer` alone. Every output that the node has is set once. */
  void (*set_output)(monza_plugin_node* node, int32_t output, int32_t dtype, int32_t rank,
                     const monza_plugin_extent* extents);
  /* An extent that only the run knows: the kernel reports it, in the order of these calls; never above `bound`, for
   * which memory is planned. */
  monza_plugin_extent (*reported_extent)(monza_plugin_node* node, monza_plugin_extent bound);
} monza_plugin_host;

/* ---- in a run, and before it ------------------------------------------------------------------------------------ */

/* One call of an operator at concrete shapes. Tensors are dense and row-major; an absent optional one has the dtype
 * MONZA_INVALID. */
typedef struct monza_plugin_call monza_plugin_call;
struct monza_plugin_call {
  size_t struct_size;
  const void* params; /* what `params` wrote, 16-byte aligned; out of an engine file, so `verify` checks it */
  int32_t input_count, output_count;
  const monza_tensor* inputs;
  /* An output with a reported extent has the bound in its shape. What is written is dense for what is reported. */
  const monza_tensor* outputs;
  int32_t extent_count;
  int32_t device;  /* a monza_device: MONZA_CPU, or MONZA_CUDA, where `data` is the GPU's memory */
  int32_t threads; /* that parallel_for may use */

  /* In `run` and `run_cuda` alone; elsewhere these, and the tensors' `data`, are NULL. */
  void* workspace;  /* of the device, 64-byte aligned, as many bytes as `workspace` said */
  int64_t* extents; /* extent_count numbers in host memory, which run_cuda copies there in the stream */
  void* stream;     /* run_cuda: the cudaStream_t to launch into */
  void* host;       /* Monza's own */
  /* Calls task(user, index, thread) once for each index below `count`, on this context's threads, and returns when all
   * are done. `thread` is below `threads`. What a task writes may not depend on the thread that it runs on. `run`
   * alone; not inside a task. */
  void (*parallel_for)(const monza_plugin_call* call, int64_t count,
                       void (*task)(void* user, int64_t index, int32_t thread), void* user);
};

/* ---- what a plugin has ------------------------------------------------------------------------------------------ */

typedef enum monza_plugin_kind {
  MONZA_PLUGIN_INTEGER = 0,
  MONZA_PLUGIN_NUMBER = 1,
  MONZA_PLUGIN_STRING = 2,
  MONZA_PLUGIN_INTEGERS = 3, /* lists: empty where the node gives none */
  MONZA_PLUGIN_NUMBERS = 4
} monza_plugin_kind;

/* An attribute that nodes may have; a node with another one is refused. The default is that of its kind. */
typedef struct monza_plugin_attribute {
  size_t struct_size;
  const char* name;
  int32_t kind;     /* a monza_plugin_kind */
  int32_t required; /* 1: a node without it is refused */
  int64_t integer;
  double number;
  const char* string; /* NULL: "" */
} monza_plugin_attribute;

/* A row's result does not depend on the other rows that are in the call (monza::BuildOptions::batch_invariant). */
#define MONZA_PLUGIN_BATCH_INVARIANT 1u

/* An operator: a function of its inputs and attributes alone, without state and without chance. */
typedef struct monza_plugin_operator {
  size_t struct_size;
  const char* domain; /* of ONNX nodes: "org.example"; letters, digits, _ and . */
  const char* name;   /* their type: "Positive"; letters, digits and _ */
  /* Above 0. Raised when parameters, shapes or results change: an engine needs the version that it was built with. */
  int32_t version;
  /* Versions of the domain, as models import it, whose nodes it takes; 0 and 0: any. */
  int32_t first_opset, last_opset;
  int32_t min_inputs, max_inputs; /* the first min_inputs are always there */
  int32_t min_outputs, max_outputs;
  int32_t extent_count; /* how many extents it reports: calls of reported_extent */
  uint32_t flags;
  const monza_plugin_attribute* const* attributes; /* NULL: none */
  size_t attribute_count;
  size_t params_bytes; /* of what `params` writes: plain bytes without pointers. They lie in engine files */

  /* Sets the types and shapes of the outputs. */
  const char* (*infer)(const monza_plugin_host* host, monza_plugin_node* node);
  /* Writes the parameters, which are zeros on entry. NULL: it has none. */
  const char* (*params)(const monza_plugin_host* host, monza_plugin_node* node, void* params);
  /* Whether a call may run: everything that `run` relies on of types, ranks, extents and parameters. They may come from
   * a damaged or hostile engine file, and shapes of a run may not fit each other; only the number of operands and that
   * required ones are there is checked before. Called when an engine is loaded and when shapes change; it does not
   * allocate. */
  const char* (*verify)(const monza_plugin_call* call);
  /* Bytes of scratch memory, of a call that `verify` took or may take: it grows with every extent. NULL: none. */
  int64_t (*workspace)(const monza_plugin_call* call);
  /* Computes the outputs. NULL where it runs on GPUs alone. */
  const char* (*run)(const monza_plugin_call* call);
  /* The same by launches into call->stream. It may be captured: it neither waits nor allocates. NULL: no GPU. */
  const char* (*run_cuda)(const monza_plugin_call* call);
} monza_plugin_operator;

typedef struct monza_plugin {
  size_t struct_size;
  int32_t abi;      /* MONZA_PLUGIN_ABI */
  const char* name; /* for people: "example 1.0" */
  const monza_plugin_operator* const* operators;
  size_t operator_count;
} monza_plugin;

/* What a plugin exports. Called once, when it is loaded. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const monza_plugin*
monza_plugin_get(void);

#ifdef __cplusplus
}
#endif

#endif /* MONZA_PLUGIN_H_ */
