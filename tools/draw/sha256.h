// SHA-256, by which a page names the one script that it may run.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace monza::tool {

/// FIPS 180-4, section 6.2.
std::array<std::uint8_t, 32> sha256(std::string_view text);

}  // namespace monza::tool
