// Compiles an ONNX model for this machine, saves the engine and runs it once.
//   build_and_run MODEL.onnx OUT.engine
#include <monza/engine.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: build_and_run MODEL.onnx OUT.engine\n");
    return 2;
  }
  monza::Engine engine = monza::Engine::build(argv[1]);
  engine.save(argv[2]);
  monza::Context context = engine.create_context();
  std::vector<monza::Tensor> inputs;
  for (const monza::TensorInfo& info : engine.inputs()) {
    inputs.emplace_back(info.dtype, info.opt);  // zeros
    if (monza::Status s = context.bind_input(info.name, inputs.back()); !s) throw monza::Error(context.describe(s));
  }
  if (monza::Status s = context.run(); !s) throw monza::Error(context.describe(s));
  for (const monza::TensorInfo& info : engine.outputs()) {
    std::printf("%s:", info.name.c_str());
    for (std::int64_t extent : context.output(info.name).shape) std::printf(" %lld", static_cast<long long>(extent));
    std::printf("\n");
  }
  return 0;
} catch (const monza::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
