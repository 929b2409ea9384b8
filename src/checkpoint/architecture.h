// The architectures that Hugging Face's model folders name, and how they are said in GGUF's words.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "checkpoint/config.h"
#include "gguf/draft.h"

namespace monza::checkpoint {

/// A part of a tensor's name there, and GGUF's.
struct PartName {
  std::string_view theirs, ours;
};

struct Architecture {
  std::string_view name;    ///< "LlamaForCausalLM"
  std::string_view family;  ///< GGUF's name, which metadata begins with
  std::string_view activation = "silu";
  std::span<const PartName> parts = {};  ///< names within a layer that other architectures do not have, or otherwise
  float norm_offset = 0;                 ///< added to the weights of normalisations
  bool transposed = false;               ///< weights are [inputs, outputs]
  /// Adds what this one has beside what all have (settings.h).
  void (*settings)(const Json& config, const Architecture& architecture, gguf::Draft& to) = nullptr;

  std::string key(std::string_view name_in_family) const {
    return std::string(family) + "." + std::string(name_in_family);
  }
};

/// What `config` is about. Throws Error that lists those there are.
const Architecture& architecture_of(const Json& config);

}  // namespace monza::checkpoint
