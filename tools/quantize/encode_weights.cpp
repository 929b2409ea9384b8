#include "tools/quantize/encode_weights.h"

#include <filesystem>

#include "base/output_file.h"
#include "decoder/encode_model.h"
#include "decoder/open_model.h"
#include "tensor/dtype.h"
#include "tools/args/command.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

DType encoding_named(const std::string& name) {
  for (const DType type : {DType::f16, DType::q8_0, DType::q4_0, DType::q4_k})
    if (name == dtype_name(type) && is_model_encoding(type)) return type;
  throw UsageError(message("--encoding is '{}', none of f16, q8_0, q4_0 and q4_k", name));
}

}  // namespace

int encode_weights(const EncodeOptions& o) {
  if (!is_language_model(o.model))
    throw UsageError(
        message("--encoding is for language models, and '{}' is none\n  try: a GGUF file, or a folder "
                "with config.json and safetensors files",
                o.model));
  if (o.output.empty()) throw UsageError("quantize needs --output FILE.gguf for the weights of a language model");
  const DType encoding = encoding_named(o.encoding);
  check_output(o.output);
  const Stopwatch watch;
  Progress progress(!o.json);
  encode_model_file(o.model, encoding, o.output, [&](double part) { progress.update("encoding", part); });
  progress.clear();
  std::error_code none;
  const auto bytes = std::filesystem::file_size(o.output, none);
  if (o.json)
    print_json({{"output", o.output}, {"file_bytes", bytes}, {"encoding", o.encoding}, {"encode_ms", watch.ms()}});
  else print("{}: {:.1f} MB in {}\n", o.output, static_cast<double>(bytes) / 1e6, time_text(watch.ms()));
  return kExitOk;
}

}  // namespace monza::tool
