// NumPy's archives of arrays: .npz, which is a zip of .npy files.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace monza::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// All arrays of an archive, in its order; names are without ".npy". Stored and deflated entries, zip64.
/// Throws Error when the archive is damaged, encrypted, names an array twice, or an entry is larger than
/// its compressed bytes can give.
std::vector<NamedTensor> read_npz(const std::filesystem::path& path);

struct NamedRef {
  std::string name;
  TensorRef tensor;
};
/// Writes a stored (uncompressed) archive beside `path` and renames it.
void write_npz(const std::filesystem::path& path, std::span<const NamedRef> arrays);

}  // namespace monza::io
