// ExpertMatMul: what its kernels share. It has no parameters beside its operands.
#pragma once

#include "monza/status.h"

namespace monza {

struct KernelContext;

namespace ops {
/// What the kernels of ExpertMatMul find out when they run: every choice is one of the experts.
Status check_choices(const KernelContext& c) noexcept;
}  // namespace ops

}  // namespace monza
