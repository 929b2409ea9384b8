// Where tests find real models and data, and what happens when they are absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace monza::test {

/// The file or folder `relative` below $MONZA_SHARED, or nullopt when the variable is unset or the file absent.
/// With MONZA_REQUIRE_DATA=1 absence is a test failure instead.
std::optional<std::filesystem::path> shared_file(const std::string& relative);

/// The committed file tests/data/`relative`.
std::filesystem::path fixture(const std::string& relative);

}  // namespace monza::test

/// Declares `variable` as the path, or skips the test with the reason.
#define MONZA_NEED_SHARED(variable, relative)                                                      \
  const auto variable##_found = ::monza::test::shared_file(relative);                              \
  if (!variable##_found)                                                                           \
    GTEST_SKIP() << "needs " << (relative) << " below MONZA_SHARED, which is not set or lacks it"; \
  const std::filesystem::path variable = *variable##_found
