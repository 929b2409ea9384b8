// Refuse: a branch that does not fit the shapes of the engine was taken.
#include "kernel/kernel.h"

namespace monza::ops {
namespace {

Status run_refuse(const KernelContext&) noexcept {
  return {StatusCode::invalid_argument,
          "this branch does not fit the shapes the engine was built for; build it with the shapes of this run"};
}

}  // namespace

extern const Kernel refuse_ref{
    .name = "refuse_ref", .op = "Refuse", .reference = true, .in{Port::strided}, .out{Port::dense}, .run = run_refuse};

}  // namespace monza::ops
