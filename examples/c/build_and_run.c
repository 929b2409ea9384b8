/* Compiles an ONNX model for this machine, saves the engine, runs it once on zeros and shows what came out.
 *   build_and_run MODEL.onnx OUT.engine */
#include <monza/monza.h>

#include <stdio.h>
#include <stdlib.h>

static int failed(void) {
  fprintf(stderr, "%s\n", monza_last_error());
  return 1;
}

/* Large enough for the elements of any type. */
static void* zeros(const monza_tensor_info* info, monza_tensor* tensor) {
  size_t bytes = 16;
  *tensor = (monza_tensor){.dtype = info->dtype, .rank = info->rank};
  for (int32_t a = 0; a < info->rank; ++a) {
    tensor->shape[a] = info->opt[a];
    bytes *= (size_t)info->opt[a];
  }
  tensor->data = calloc(bytes > 0 ? bytes : 1, 1);
  tensor->bytes = bytes;
  return tensor->data;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: build_and_run MODEL.onnx OUT.engine\n");
    return 2;
  }
  monza_engine* engine = NULL;
  monza_context* context = NULL;
  if (monza_engine_build(argv[1], NULL, &engine)) return failed();
  if (monza_engine_save(engine, argv[2])) return failed();
  if (monza_context_create(engine, NULL, &context)) return failed();

  const size_t count = monza_engine_input_count(engine);
  void** memory = calloc(count + 1, sizeof *memory);
  for (size_t i = 0; i < count; ++i) {
    monza_tensor_info info;
    monza_tensor input;
    if (monza_engine_input(engine, i, &info)) return failed();
    memory[i] = zeros(&info, &input);
    if (monza_context_bind_input(context, info.name, &input)) return failed();
  }
  if (monza_context_run(context)) return failed();

  for (size_t i = 0; i < monza_engine_output_count(engine); ++i) {
    monza_tensor_info info;
    monza_tensor output;
    if (monza_engine_output(engine, i, &info) || monza_context_output(context, info.name, &output)) return failed();
    printf("%s:", info.name);
    for (int32_t a = 0; a < output.rank; ++a) printf(" %lld", (long long)output.shape[a]);
    printf("\n");
  }
  for (size_t i = 0; i < count; ++i) free(memory[i]);
  free(memory);
  monza_context_release(context);
  monza_engine_release(engine);
  return 0;
}
