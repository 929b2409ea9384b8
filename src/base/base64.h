// Base64 (RFC 4648, section 4, with padding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace monza {

std::string base64(std::span<const std::uint8_t> bytes);
/// The bytes that `text` writes; none when it is no base64. Padding may be left out.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace monza
