// The pass of loop_invariants.cpp.
#pragma once

#include "passes/pass.h"

namespace monza {

extern const Pass loop_invariants_pass;

}  // namespace monza
