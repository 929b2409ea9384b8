// Safetensors files: named tensors, read in place.
//
// The format: https://github.com/huggingface/safetensors#format
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "monza/dtype.h"
#include "monza/limits.h"
#include "tensor/shape.h"

namespace monza::safetensors {

struct Tensor {
  DType dtype = DType::invalid;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// A file, mapped. Tensors are views that live as long as it does. Immutable; safe to share between threads.
class File {
 public:
  /// Reads the head. Throws Error that names the file: where it is damaged, has types that are not known, names
  /// something twice, has tensors that overlap or leave bytes to none, or is more than `limits` allow.
  static std::shared_ptr<const File> open(const std::filesystem::path& path, const Limits& limits = {});

  const std::shared_ptr<const MappedFile>& mapped() const { return file_; }
  /// In the order of the names.
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }

 private:
  File() = default;
  void read_head(const Limits& limits);
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace monza::safetensors
