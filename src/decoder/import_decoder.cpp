#include "decoder/import_decoder.h"

#include "base/error.h"
#include "decoder/families.h"
#include "gguf/file.h"

namespace monza {

std::unique_ptr<ir::Graph> import_decoder(const std::filesystem::path& path, DType state_type, const Limits& limits) {
  const auto file = gguf::File::open(path, limits);
  try {
    const decoder::DecoderConfig config = decoder::decoder_config(*file);
    const decoder::FamilyFn build = decoder::family(config.family);
    decoder::DecoderBuilder builder(file, config, state_type, limits);
    build(builder);
    return builder.take();
  } catch (const Error& e) {
    throw e.at(message("GGUF file '{}'", path.string()));
  }
}

}  // namespace monza
