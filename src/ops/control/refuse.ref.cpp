// Refuse: a branch that does not fit the shapes of the engine was taken.
#include "kernel/kernel.h"

namespace monza::ops {
namespace {

Status run_refuse(const KernelContext&) noexcept {
  return {StatusCode::invalid_argument,
          "this branch does not fit the shapes the engine was built for; build it with the shapes of this run"};
}

}  // namespace

#define MONZA_REFERENCE(symbol, operator_name, function)                                                            \
  extern const Kernel symbol;                                                                                       \
  const Kernel symbol {                                                                                             \
    .name = #symbol, .op = operator_name, .reference = true, .in{Port::strided}, .out{Port::dense}, .run = function \
  }

MONZA_REFERENCE(refuse_ref, "Refuse", run_refuse);
#undef MONZA_REFERENCE

}  // namespace monza::ops
