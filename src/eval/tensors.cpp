#include "eval/tensors.h"

#include <fmt/core.h>

#include <cstring>

#include "base/error.h"
#include "base/printable.h"
#include "eval/run.h"
#include "import/onnx/tensor_file.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::eval {

std::string extents_text(const std::vector<std::int64_t>& extents) {
  if (extents.empty()) return "scalar";
  std::string text;
  for (std::int64_t d : extents) text += (text.empty() ? "" : "x") + (d < 0 ? "?" : std::to_string(d));
  return text;
}

std::vector<io::NamedTensor> read_tensor_file(const std::filesystem::path& path, const io::NpzFilter& check) {
  const std::string ending = path.extension().string();
  if (ending == ".npy") return {{"", io::read_npy(path)}};
  if (ending == ".npz") return io::read_npz(path, check);
  if (ending == ".pb") {
    const OnnxTensorFile file = read_onnx_tensor(path);
    return {{file.name, tensor_of(*file.value)}};
  }
  throw SettingsError(message("'{}' is of no known kind", path.string()),
                      "a file that ends in .npy, .npz or .pb (or, as an input, a picture)");
}

bool is_nameless(const io::NamedTensor& tensor, const std::string& file) {
  return tensor.name.empty() || !file.ends_with(".npz") || tensor.name == "arr_0";
}

Tensor tensor_of(const ir::Constant& constant) {
  if (constant.dtype == DType::string)
    return Tensor::of_strings(std::vector<std::string_view>(constant.strings.begin(), constant.strings.end()),
                              {constant.shape.dim, constant.shape.dim + constant.shape.rank});
  Tensor tensor(constant.dtype, {constant.shape.dim, constant.shape.dim + constant.shape.rank});
  if (!constant.bytes.empty()) std::memcpy(tensor.ref().data, constant.bytes.data(), constant.bytes.size());
  return tensor;
}

Tensor random_tensor(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  Tensor tensor(dtype, shape);
  const ElementAccess& access = element_access(dtype);
  if (access.store == nullptr && dtype != DType::c64)
    fail_hint("--input NAME=FILE", "random values of type {} are not supported", dtype_name(dtype));
  // SplitMix64: enough for test data, and the same on every machine.
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
  const auto next = [&] {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  const std::int64_t count = tensor.numel();
  void* data = tensor.ref().data;
  if (dtype == DType::f32 || dtype == DType::c64) {
    auto* out = static_cast<float*>(data);
    for (std::int64_t i = 0; i < (dtype == DType::c64 ? 2 * count : count); ++i)
      out[i] = static_cast<float>(next() >> 40) * 0x1p-24f;
  } else if (is_float(dtype)) {
    for (std::int64_t i = 0; i < count; ++i) access.store(data, i, static_cast<double>(next() >> 11) * 0x1p-53);
  } else {
    const bool byte = dtype == DType::u8 || dtype == DType::i8;
    for (std::int64_t i = 0; i < count; ++i)
      access.store_int(data, i, static_cast<std::int64_t>(next() >> 32 & (byte ? 255 : 1)));
  }
  return tensor;
}

}  // namespace monza::eval
