// Operators that are not in this binary's tables: those of loaded plugins.
#pragma once

#include "ir/op.h"

namespace monza::ir {

/// Adds an operator of a name that is new. It lives until the process ends. Thread-safe.
void add_op(const OpDef& op);

}  // namespace monza::ir
