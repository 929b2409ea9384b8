// Engines of another build or machine, made to run here: the graph they carry is planned anew.
#include "engine/run/replan.h"

#include <algorithm>

#include "backend/device.h"
#include "base/error.h"
#include "engine/build_record.h"
#include "engine/compile.h"

namespace monza {

engine_file::Info info_to_replan(const engine_file::Image& image) {
  engine_file::Info info = image.info;
  info.isa = Isa::none;  // of the new plans
  (void)backend::open_device(image.info.device);  // says why there is none
  if (image.info.precision == Precision::bf16 && !covers(cpu_info().isa, Isa::avx512bf16))
    fail_hint("build it again from its ONNX file with --precision fp32",
              "the engine computes in bf16, which needs AVX512_BF16; this CPU ({}) is used with {}", cpu_info().model,
              isa_name(cpu_info().isa));
  return info;
}

}  // namespace monza

extern "C" void monza_replan_engine(const monza::engine_file::Image& stale, const monza::ReplanOptions& options,
                                    monza::engine_file::Image& fresh) {
  monza::BuildReport report = monza::read_record(stale, options.limits);
  monza::BuildOptions build;
  build.tune = false;
  build.threads = options.threads > 0 ? options.threads : std::max(1, stale.threads);
  fresh = monza::compile(*report.planned, build, monza::info_to_replan(stale), report);
}
