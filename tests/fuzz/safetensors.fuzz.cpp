// Model folders: a config.json, a NUL and a safetensors file, or such a file alone.
#include <filesystem>
#include <fstream>

#include "decoder/import_decoder.h"
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "monza/error.h"
#include "safetensors/file.h"
#include "support/temporary.h"

namespace monza::fuzz {
namespace {

void write(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

void run(Bytes input) {
  const std::string_view text = text_of(input);
  const std::size_t end = text.find('\0');
  const bool folder = text.starts_with('{') && end != text.npos;
  const InputFile on_disk(folder ? input.subspan(end + 1) : input);
  if (folder) {
    static const test::TemporaryFolder place;
    write(place / "config.json", text.substr(0, end));
    std::error_code ignored;
    std::filesystem::remove(place / "model.safetensors", ignored);
    std::filesystem::create_symlink(on_disk.path(), place / "model.safetensors");
    (void)import_decoder(place.path(), DType::f16, small_limits());
    return;
  }
  const auto file = safetensors::File::open(on_disk.path(), small_limits());
  for (const auto& [name, tensor] : file->tensors())
    if (tensor.bytes.size() > input.size()) finding("a tensor is larger than its file");
}

}  // namespace

const Target safetensors_target{"safetensors", run};

}  // namespace monza::fuzz
