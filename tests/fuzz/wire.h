// Protobuf messages changed field by field, so that most of what comes out still parses.
#pragma once

#include <cstddef>
#include <cstdint>

namespace monza::fuzz {

/// As LLVMFuzzerCustomMutator, for one serialized message whose schema need not be known: what parses as a message
/// inside is taken for one.
std::size_t mutate_message(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed);

}  // namespace monza::fuzz
