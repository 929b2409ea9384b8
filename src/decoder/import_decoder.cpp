#include "decoder/import_decoder.h"

#include "base/error.h"
#include "decoder/families.h"
#include "decoder/open_model.h"

namespace monza {

std::unique_ptr<ir::Graph> import_decoder(const std::filesystem::path& path, DType state_type, const Limits& limits) {
  return import_decoder(open_language_model(path, limits), path, state_type, limits);
}

std::unique_ptr<ir::Graph> import_decoder(std::shared_ptr<const gguf::Contents> model,
                                          const std::filesystem::path& path, DType state_type, const Limits& limits) {
  try {
    const decoder::DecoderConfig config = decoder::decoder_config(*model);
    decoder::DecoderBuilder builder(std::move(model), config, state_type, limits);
    decoder::family(config.family).build(builder);
    return builder.take();
  } catch (const Error& e) {
    const bool folder = std::filesystem::is_directory(path);
    throw e.at(message("{} '{}'", folder ? "model folder" : "GGUF file", path.string()));
  }
}

}  // namespace monza
