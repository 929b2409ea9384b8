// Tensors of safetensors files under GGUF's names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/architecture.h"
#include "safetensors/file.h"

namespace monza::checkpoint {

/// Takes tensors one by one, and says in a draft what they are.
class TensorPlacer {
 public:
  TensorPlacer(const Architecture& architecture, gguf::Draft& to) : architecture_(architecture), to_(to) {}

  /// Throws Error for what the architecture does not have.
  void place(std::string_view name, const safetensors::Tensor& tensor, const std::shared_ptr<const MappedFile>& file);
  /// When all are placed: experts become one tensor.
  void finish();

 private:
  const Architecture& architecture_;
  gguf::Draft& to_;
  std::map<std::string, std::map<std::int64_t, gguf::TensorInfo>> experts_;
};

}  // namespace monza::checkpoint
