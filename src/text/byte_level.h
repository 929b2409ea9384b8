// The letters in which vocabularies of byte-level BPE write bytes (GPT-2's table).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace monza::text {

/// The bytes that `letters` write; none where one of the characters is none of the 256.
std::optional<std::string> bytes_of_letters(std::string_view letters);

}  // namespace monza::text
