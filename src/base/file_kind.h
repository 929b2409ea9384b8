// What a file is, by how it begins: the one place that tells models of one format from those of another.
#pragma once

#include <filesystem>
#include <string_view>

namespace monza {

/// How an engine file and a GGUF file begin.
inline constexpr std::string_view kEngineMagic = "MONZAENG", kGgufMagic = "GGUF";

enum class FileKind {
  missing,  ///< nothing is there, or it cannot be read
  folder,
  engine,  ///< an engine file of Monza
  gguf,
  safetensors,
  zip,     ///< PyTorch's .pt and .pth among them
  pickle,  ///< PyTorch's, before 1.6
  hdf5,
  tflite,
  text,
  other,  ///< ONNX among them: protobuf has no first bytes of its own
};

/// Reads the first bytes of `path`.
FileKind file_kind(const std::filesystem::path& path);
/// "a GGUF file", "a folder", ...: for messages. Of `other`: "a file of another kind".
const char* file_kind_name(FileKind kind);

}  // namespace monza
