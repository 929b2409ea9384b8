// Counts calls of operator new in the test's process. Link tests/support's allocations.cpp (always there).
#pragma once

#include <cstdint>

namespace monza::test {

/// Calls of operator new since the process started, by any thread.
std::int64_t allocations();

}  // namespace monza::test
