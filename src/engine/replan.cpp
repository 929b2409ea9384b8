// Engines of another build or machine, made to run here: the graph they carry is planned anew.
#include "engine/run/replan.h"

#include <algorithm>
#include <utility>

#include "base/cpu.h"
#include "base/error.h"
#include "engine/build_record.h"
#include "engine/compile.h"

namespace monza {

BuildOptions options_to_replan(const engine_file::Image& image, BuildOptions options) {
  const engine_file::Info& info = image.info;
  if (info.device == Device::cuda) fail_hint("--device cpu", "this build of Monza has no CUDA backend");
  if (info.precision == Precision::bf16 && !covers(cpu_info().isa, Isa::avx512bf16))
    fail_hint("build it again from its ONNX file with --precision fp32",
              "the engine computes in bf16, which needs AVX512_BF16; this CPU ({}) is used with {}", cpu_info().model,
              isa_name(cpu_info().isa));
  options.precision = info.precision;
  options.device = info.device;
  options.optimize = info.optimize;
  options.batch_invariant = info.batch_invariant;
  for (const auto& [key, value] : info.metadata) options.metadata.try_emplace(key, value);
  return options;
}

}  // namespace monza

extern "C" void monza_replan_engine(const monza::engine_file::Image& stale, const monza::LoadOptions& options,
                                    monza::engine_file::Image& fresh) {
  monza::BuildReport report = monza::read_record(stale, options.limits);
  monza::BuildOptions build;
  build.tune = false;
  build.threads = options.threads > 0 ? options.threads : std::max(1, stale.threads);
  build.limits = options.limits;
  fresh =
      monza::compile(*report.planned, monza::options_to_replan(stale, std::move(build)), stale.info.profiles, report);
}
