// The tensors that a model is run on, and the files that hold them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/npz.h"
#include "ir/constant.h"
#include "monza/engine.h"

namespace monza::eval {

/// An input of a model file or an engine file, before it is built or loaded. Unknown extents are -1.
struct ModelInput {
  std::string name;
  DType dtype = DType::invalid;
  bool has_shape = false;
  std::vector<std::int64_t> shape;
  std::vector<std::string> symbols;  ///< the dimension's name, or ""
};

/// "1x3x224x224"; "?" for an open extent, "scalar" for none at all.
std::string extents_text(const std::vector<std::int64_t>& extents);

/// Reads .npy, .npz and .pb, by the file's ending. A .npy or .pb gives one tensor, named as the .pb says or "". `check`
/// is asked about each array of an .npz before it is unpacked (io/npz.h). Throws SettingsError for another ending.
std::vector<io::NamedTensor> read_tensor_file(const std::filesystem::path& path, const io::NpzFilter& check = {});

/// Whether a file leaves open which input an array is for: an .npy, a .pb, or the name that numpy.savez makes up.
bool is_nameless(const io::NamedTensor& tensor, const std::string& file);

/// A copy.
Tensor tensor_of(const ir::Constant& constant);

/// Uniform in [0, 1) for floats; 0 or 1 for integers and booleans, all 256 values for bytes. Zeros would flatter a
/// benchmark, and larger integers would miss the tables that many models look up. Throws Error for other types.
Tensor random_tensor(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t seed);

}  // namespace monza::eval
