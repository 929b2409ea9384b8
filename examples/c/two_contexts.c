/* Maps an engine file and runs two contexts at once: they share one copy of the weights. Inputs are f32.
 *   two_contexts ENGINE */
#include <monza/monza.h>

#include <stdio.h>
#include <stdlib.h>

static int failed(void) {
  fprintf(stderr, "%s\n", monza_last_error());
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: two_contexts ENGINE\n");
    return 2;
  }
  monza_engine* engine = NULL;
  if (monza_engine_load(argv[1], NULL, &engine)) return failed();
  monza_tensor_info info;
  if (monza_engine_input(engine, 0, &info)) return failed();
  monza_tensor input = {.dtype = info.dtype, .rank = info.rank, .bytes = sizeof(float)};
  for (int32_t a = 0; a < info.rank; ++a) {
    input.shape[a] = info.opt[a];
    input.bytes *= (size_t)info.opt[a];
  }
  input.data = calloc(1, input.bytes);

  monza_context* contexts[2] = {NULL, NULL};
  const monza_context_options options = {.struct_size = sizeof options, .threads = 1};
  for (int i = 0; i < 2; ++i) {
    if (monza_context_create(engine, &options, &contexts[i])) return failed();
    if (monza_context_bind_input(contexts[i], info.name, &input)) return failed();
    if (monza_context_submit(contexts[i], NULL, NULL)) return failed();
  }
  if (monza_engine_output(engine, 0, &info)) return failed();
  for (int i = 0; i < 2; ++i) {
    monza_tensor output;
    if (monza_context_wait(contexts[i])) return failed();
    if (monza_context_output(contexts[i], info.name, &output)) return failed();
    printf("context %d: %s at rank %d, %zu bytes\n", i, info.name, (int)output.rank, output.bytes);
    monza_context_release(contexts[i]);
  }
  free(input.data);
  monza_engine_release(engine);
  return 0;
}
