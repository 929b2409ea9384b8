// Language models into GGUF files with weights of fewer bits.
#pragma once

#include <string>

namespace monza::tool {

struct EncodeOptions {
  std::string model, encoding, output;
  bool json = false;
};

/// The exit code. Throws UsageError for what no option may be.
int encode_weights(const EncodeOptions& options);

}  // namespace monza::tool
