/* A plugin with one operator: y = org.example.Scale(x) {factor}, factor * x of f32 tensors of any shape. */
#include <monza/plugin.h>

typedef struct {
  double factor;
} scale_params;

/* While a model is built: the type and shape of y. */
static const char* infer(const monza_plugin_host* host, monza_plugin_node* node) {
  if (host->input_dtype(node, 0) != MONZA_F32) return "x must be f32";
  monza_plugin_extent shape[MONZA_MAX_RANK];
  const int32_t rank = host->input_rank(node, 0);
  for (int32_t a = 0; a < rank; ++a) shape[a] = host->input_extent(node, 0, a);
  host->set_output(node, 0, MONZA_F32, rank, shape);
  return NULL;
}

/* The same: what `run` needs of the attributes. It lies in the engine. */
static const char* params(const monza_plugin_host* host, monza_plugin_node* node, void* params) {
  ((scale_params*)params)->factor = host->number(node, "factor");
  return NULL;
}

/* When an engine is loaded: everything that `run` takes for granted. */
static const char* verify(const monza_plugin_call* call) {
  const monza_tensor *x = &call->inputs[0], *y = &call->outputs[0];
  if (x->dtype != MONZA_F32 || y->dtype != MONZA_F32 || x->rank != y->rank) return "x and y are not alike";
  for (int32_t a = 0; a < x->rank; ++a)
    if (x->shape[a] != y->shape[a]) return "x and y differ in shape";
  return NULL;
}

static const char* run(const monza_plugin_call* call) {
  const float factor = (float)((const scale_params*)call->params)->factor;
  const float* x = call->inputs[0].data;
  float* y = call->outputs[0].data;
  for (size_t i = 0; i < call->inputs[0].bytes / sizeof(float); ++i) y[i] = factor * x[i];
  return NULL;
}

static const monza_plugin_attribute factor = {
    .struct_size = sizeof factor, .name = "factor", .kind = MONZA_PLUGIN_NUMBER, .number = 1.0};
static const monza_plugin_attribute* const attributes[] = {&factor};

static const monza_plugin_operator scale = {.struct_size = sizeof scale,
                                            .domain = "org.example",
                                            .name = "Scale",
                                            .version = 1,
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .min_outputs = 1,
                                            .max_outputs = 1,
                                            .flags = MONZA_PLUGIN_BATCH_INVARIANT,
                                            .attributes = attributes,
                                            .attribute_count = 1,
                                            .params_bytes = sizeof(scale_params),
                                            .infer = infer,
                                            .params = params,
                                            .verify = verify,
                                            .run = run};
static const monza_plugin_operator* const operators[] = {&scale};
static const monza_plugin plugin = {.struct_size = sizeof plugin,
                                    .abi = MONZA_PLUGIN_ABI,
                                    .name = "scale 1.0",
                                    .operators = operators,
                                    .operator_count = 1};

const monza_plugin* monza_plugin_get(void) { return &plugin; }
