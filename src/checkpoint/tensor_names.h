// The names of a layer's tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/architecture.h"

namespace monza::checkpoint {

struct OurName {
  std::string name;          ///< GGUF's
  std::int64_t expert = -1;  ///< of the experts that the tensor has there together; -1: it is no expert's
};

/// GGUF's name of a tensor; nullopt for what a program made while it ran and wrote, too. Throws Error for a name that
/// the architecture does not have.
std::optional<OurName> our_name(const Architecture& architecture, std::string_view theirs);

}  // namespace monza::checkpoint
