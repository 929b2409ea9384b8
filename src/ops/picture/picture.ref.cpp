// Pictures from the bytes of their files, by the libraries that decode them everywhere. Decoding takes memory of its
// own.
#include "kernel/kernel.h"
#include "ops/picture/picture.params.h"

namespace monza::ops {
namespace {

Status run_decoder(const KernelContext& c) noexcept {
  const TensorView &file = c.in[0], &out = c.out[0];
  if (monza_decode_picture == nullptr) return {StatusCode::unavailable, "this program has no readers of pictures"};
  PictureRequest request;
  request.bytes = file.data;
  request.size = static_cast<std::size_t>(file.shape[0]);
  request.pixels = c.params_as<PictureParams>().pixels;
  request.most_height = out.shape[0], request.most_width = out.shape[1];
  request.out = out.as<std::uint8_t>();
  std::int64_t height = 0, width = 0;
  if (const char* why = monza_decode_picture(request, height, width)) return {StatusCode::invalid_argument, why};
  c.extents[0] = height, c.extents[1] = width;
  return {};
}

}  // namespace

extern const Kernel image_decoder_ref{.name = "image_decoder_ref",
                                      .op = "ImageDecoder",
                                      .reference = true,
                                      .in{Port::dense},
                                      .out{Port::dense},
                                      .run = run_decoder};

}  // namespace monza::ops
