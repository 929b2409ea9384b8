#include "base/file_kind.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace monza {
namespace {

/// A file of this kind has these bytes there.
struct Signature {
  std::size_t at;
  std::string_view bytes;
  FileKind kind;
};
constexpr Signature kSignatures[] = {
    {0, kEngineMagic, FileKind::engine}, {0, kGgufMagic, FileKind::gguf},          {0, "PK\3\4", FileKind::zip},
    {0, "\x80\2", FileKind::pickle},     {0, "\x89HDF\r\n\x1a\n", FileKind::hdf5}, {4, "TFL3", FileKind::tflite},
};

/// The length of the JSON head, then the JSON: no other file begins so.
bool is_safetensors(std::string_view begin) {
  std::uint64_t length = 0;
  if (begin.size() < 9) return false;
  std::memcpy(&length, begin.data(), sizeof length);
  return begin[8] == '{' && length >= 2 && length < (std::uint64_t{1} << 32);
}

bool is_text(std::string_view begin) {
  return !begin.empty() && std::all_of(begin.begin(), begin.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

FileKind file_kind(const std::filesystem::path& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) return FileKind::folder;
  if (!std::filesystem::is_regular_file(path, none)) return FileKind::missing;  // a pipe would be read away
  std::array<char, 64> bytes;
  std::ifstream file(path, std::ios::binary);
  if (!file) return FileKind::missing;
  file.read(bytes.data(), bytes.size());
  const std::string_view begin(bytes.data(), static_cast<std::size_t>(file.gcount()));
  for (const Signature& s : kSignatures)
    if (begin.size() >= s.at + s.bytes.size() && begin.substr(s.at, s.bytes.size()) == s.bytes) return s.kind;
  if (is_safetensors(begin)) return FileKind::safetensors;
  return is_text(begin) ? FileKind::text : FileKind::other;
}

const char* file_kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::missing: return "missing";
    case FileKind::folder: return "a folder";
    case FileKind::engine: return "an engine file";
    case FileKind::gguf: return "a GGUF file";
    case FileKind::safetensors: return "a safetensors file";
    case FileKind::zip: return "a zip archive, as PyTorch writes models";
    case FileKind::pickle: return "a pickle, as old versions of PyTorch write models";
    case FileKind::hdf5: return "an HDF5 file, as Keras writes models";
    case FileKind::tflite: return "a model of TensorFlow Lite";
    case FileKind::text: return "a text";
    case FileKind::other: return "a file of another kind";
  }
  return "";
}

}  // namespace monza
