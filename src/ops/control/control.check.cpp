// What the kernels of this family rely on: nothing: the operator only refuses.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_refuse(const CheckContext&) noexcept { return nullptr; }

constexpr OperatorCheck kControlChecks[] = {
    {"Refuse", check_refuse},
};

}  // namespace

extern const CheckList control_checks{kControlChecks};

}  // namespace monza::ops
