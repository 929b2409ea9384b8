#include "plan/options.h"

#include "base/error.h"

namespace monza::plan {

int threads_of(const BuildOptions& options) {
  return options.threads > 0 ? options.threads : cpu_info().usable_threads;
}

Isa isa_of(const BuildOptions& options) {
  const Isa have = cpu_info().isa;
  const Isa isa = options.isa.empty() ? have : parse_isa(options.isa);
  if (!covers(have, isa))
    fail("this CPU ({}) has {}, but {} was asked for", cpu_info().model, isa_name(have), isa_name(isa));
  return isa;
}

}  // namespace monza::plan
