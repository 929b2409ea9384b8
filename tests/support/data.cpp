#include "support/data.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace monza::test {

std::optional<std::filesystem::path> shared_file(const std::string& relative) {
  const char* root = std::getenv("MONZA_SHARED");
  if (root != nullptr) {
    std::filesystem::path path = std::filesystem::path(root) / relative;
    if (std::filesystem::exists(path)) return path;
  }
  if (const char* require = std::getenv("MONZA_REQUIRE_DATA"); require != nullptr && *require == '1')
    ADD_FAILURE() << relative << " is required (MONZA_REQUIRE_DATA=1) but was not found below MONZA_SHARED";
  return std::nullopt;
}

std::filesystem::path fixture(const std::string& relative) { return std::filesystem::path(MONZA_TEST_DATA) / relative; }

}  // namespace monza::test
