// NumPy's archives of arrays: .npz, which is a zip of .npy files.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "io/npy.h"
#include "monza/engine.h"

namespace monza::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Says of an array, before its elements are read, whether they are wanted: throws Error when they are not.
using NpzFilter = std::function<void(const std::string& name, const NpyInfo& array)>;

/// All arrays of an archive, in its order; names are without ".npy". Stored and deflated entries, zip64.
/// `check` is asked about each before it is unpacked: a megabyte of archive can hold a gigabyte of zeros.
/// Throws Error when the archive is damaged, encrypted, names an array twice, or an entry is larger than
/// its compressed bytes can give.
std::vector<NamedTensor> read_npz(const std::filesystem::path& path, const NpzFilter& check = {});

struct NamedRef {
  std::string name;
  TensorRef tensor;
};
/// Writes a stored (uncompressed) archive beside `path` and renames it.
void write_npz(const std::filesystem::path& path, std::span<const NamedRef> arrays);

}  // namespace monza::io
