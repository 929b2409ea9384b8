// The half of the C API that compiles models.
#include <algorithm>

#include "base/constraint.h"
#include "engine/run/c_api.h"

namespace {

using namespace monza;         // NOLINT(google-build-using-namespace)
using namespace monza::c_api;  // NOLINT(google-build-using-namespace)

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

BuildOptions build_options(const monza_build_options& o) {
  BuildOptions b;
  switch (o.precision) {
    case MONZA_FP32: b.precision = Precision::fp32; break;
    case MONZA_BF16_PRECISION: b.precision = Precision::bf16; break;
    case MONZA_FP16_PRECISION: b.precision = Precision::fp16; break;
    default:
      throw Error("monza_build_options.precision is " + std::to_string(o.precision),
                  "MONZA_FP32, MONZA_BF16_PRECISION or MONZA_FP16_PRECISION");
  }
  if (o.device < MONZA_CPU || o.device > MONZA_CUDA)
    throw Error("monza_build_options.device is " + std::to_string(o.device),
                "MONZA_CPU, MONZA_REFERENCE or MONZA_CUDA");
  b.device = static_cast<Device>(o.device);
  if (o.threads < 0) throw Error("monza_build_options.threads is negative", "0 for as many as this process may use");
  b.threads = o.threads;
  b.tune = o.no_tune == 0;
  b.optimize = o.no_optimize == 0;
  b.batch_invariant = o.batch_invariant != 0;
  b.strip = o.strip != 0;
  b.allow_cpu_nodes = o.allow_cpu_nodes != 0;
  if (o.max_build_seconds != 0) b.max_build_seconds = std::max(o.max_build_seconds, 0.0);
  b.isa = text_of(o.isa);
  b.timing_cache = text_of(o.timing_cache);
  for (std::size_t i = 0; i < o.shape_count; ++i) {
    const monza_shape_profile& s = o.shapes[i];
    if (s.input == nullptr || s.max == nullptr || s.rank < 0 || s.rank > MONZA_MAX_RANK)
      throw Error("monza_build_options.shapes[" + std::to_string(i) + "] is incomplete",
                  "it takes an input's name, a rank in 0..8 and `max`");
    const auto extents = [&](const std::int64_t* list) {
      const std::int64_t* from = list == nullptr ? s.max : list;
      return std::vector<std::int64_t>(from, from + s.rank);
    };
    b.shapes[s.input] = {extents(s.min), extents(s.opt), extents(s.max)};
  }
  b.limits = limits_of(o.limits);
  if (o.max_memory < 0) throw Error("monza_build_options.max_memory is negative", "0 for no cap");
  b.max_memory = o.max_memory;
  for (std::size_t i = 0; i < o.constraint_count; ++i) {
    const monza_constraint& c = o.constraints[i];
    const std::string place = "monza_build_options.constraints[" + std::to_string(i) + "]";
    if (c.nodes == nullptr || c.may_use == nullptr)
      throw Error(place + " is incomplete", "it takes the name of a node and `may_use`");
    try {
      b.constraints.push_back({c.nodes, parse_constraint(c.may_use)});
    } catch (const Error& e) {
      throw e.at(place);
    }
  }
  for (std::size_t i = 0; i < o.output_count; ++i) b.outputs.push_back(text_of(o.outputs[i]));
  if (o.progress != nullptr)
    b.progress = [progress = o.progress, user = o.user](std::string_view stage, double fraction) {
      progress(user, std::string(stage).c_str(), fraction);
    };
  return b;
}

}  // namespace

extern "C" monza_status monza_engine_build(const char* model_path, const monza_build_options* options,
                                           monza_engine** engine) {
  if (engine == nullptr) return null_argument("monza_engine_build", "engine");
  *engine = nullptr;
  if (model_path == nullptr) return null_argument("monza_engine_build", "model_path");
  return guarded([&] {
    *engine = make_handle(Engine::build(model_path, build_options(options_of(options, "monza_build_options"))));
  });
}
