// GGUF files, written.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gguf/contents.h"

namespace monza::gguf {

/// The metadata as a GGUF file without tensors: whole numbers as u32 where they fit, others as f32, lists of whole
/// numbers as i32, as llama.cpp reads them.
std::vector<std::byte> metadata_file(const Contents& contents);

/// A tensor that is to be written, and how its bytes come.
struct TensorPlan {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::function<void(const std::function<void(std::span<const std::byte>)>&)> bytes;  ///< hands on pieces, in order
};

/// Writes a file of the metadata and these tensors. `progress` is given the fraction that is written. Throws Error; a
/// file that was there stays then.
void write_file(const std::filesystem::path& path, const Contents& metadata, const std::vector<TensorPlan>& tensors,
                const std::function<void(double)>& progress = {});

}  // namespace monza::gguf
