// Suites over a family's kernels: instantiated for each of them.
#pragma once

#include <gtest/gtest.h>

/// Beside the suite's class: on other architectures a family may have no kernel but the reference, and then the suite
/// has no test. On x86-64 that would be a mistake.
#if defined(__x86_64__)
#define MONZA_MAY_LACK_KERNELS(suite) static_assert(true)
#else
#define MONZA_MAY_LACK_KERNELS(suite) GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite)
#endif
