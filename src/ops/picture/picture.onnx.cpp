// ONNX's ImageDecoder (opset 20).
#include "import/api.h"
#include "ops/picture/picture.params.h"

namespace monza::ops {
namespace {

void import_decoder(OnnxNode& n) {
  const std::string format = n.s("pixel_format", "RGB");
  PictureRequest::Pixels pixels = PictureRequest::Pixels::rgb;
  if (format == "BGR") pixels = PictureRequest::Pixels::bgr;
  else if (format == "Grayscale") pixels = PictureRequest::Pixels::grey;
  else if (format != "RGB") fail_hint("RGB, BGR or Grayscale", "the pixel format '{}' is none of ONNX", format);
  n.bind(0, n.add1("ImageDecoder", {n.input(0)}, {{"pixels", static_cast<std::int64_t>(pixels)}}));
}

constexpr OnnxImporter kImporters[] = {{.op_type = "ImageDecoder", .since = 20, .import = import_decoder}};

}  // namespace

extern const OnnxImporters picture_onnx{kImporters};

}  // namespace monza::ops
