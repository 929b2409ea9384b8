// ONNX models: imported under small limits, optimized, planned and run.
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "fuzz/wire.h"

#include "base/hash.h"
#include "import/onnx/onnx_import.h"
#include "passes/pass.h"

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  const InputFile file(input);
  OnnxImportOptions options;
  options.limits = small_limits();
  const auto graph = import_onnx(file.path(), options);
  optimize(*graph, {.strict_rewrites = true});
  plan_and_run(*graph, static_cast<unsigned>(hash64(input)));
}

}  // namespace

const Target onnx_target{"onnx", run, mutate_message};

}  // namespace monza::fuzz
