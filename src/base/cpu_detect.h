// What each processor architecture answers in a file of its own, cpu_<architecture>.cpp.
#pragma once

#include <string>

#include "base/cpu.h"

namespace monza {

/// The extensions that processor and operating system both allow.
Isa detect_isa();
/// The processor's own name.
std::string detect_model();

}  // namespace monza
