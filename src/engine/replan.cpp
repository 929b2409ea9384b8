// Engines of another build or machine, made to run here: the graph they carry is planned anew.
#include "engine/run/replan.h"

#include <algorithm>

#include "base/error.h"
#include "engine/build_record.h"
#include "engine/compile.h"

namespace monza {

CompileOptions replan_options(const engine_file::Image& image) {
  CompileOptions options;
  options.threads = std::max(1, image.threads);
  options.isa = cpu_info().isa;
  options.info = image.info;
  options.info.isa = Isa::none;  // of the new plans
  if (image.info.device == Device::cuda) fail_hint("--device cpu", "this build of Monza has no CUDA backend");
  if (image.info.precision == Precision::bf16 && !covers(options.isa, Isa::avx512bf16))
    fail_hint("build it again from its ONNX file with --precision fp32",
              "the engine computes in bf16, which needs AVX512_BF16; this CPU ({}) is used with {}", cpu_info().model,
              isa_name(options.isa));
  return options;
}

}  // namespace monza

extern "C" void monza_replan_engine(const monza::engine_file::Image& stale, const monza::ReplanOptions& options,
                                    monza::engine_file::Image& fresh) {
  monza::BuildReport report = monza::read_record(stale, options.limits);
  monza::CompileOptions compile = monza::replan_options(stale);
  if (options.threads > 0) compile.threads = options.threads;
  fresh = monza::compile(*report.planned, compile, report);
}
