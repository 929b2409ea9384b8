// What the decoder relies on: a list of bytes, and room for whole pixels.
#include "kernel/check_rules.h"
#include "ops/picture/picture.params.h"

namespace monza::ops {
namespace {

Refusal check_decoder(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.extents = 2})) return r;
  const auto pixels = c.params_as<PictureParams>().pixels;
  const Shape &file = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(c.in[0].dtype == DType::u8 && c.out[0].dtype == DType::u8, kTypes);
  MONZA_REQUIRE(pixels >= PictureRequest::Pixels::rgb && pixels <= PictureRequest::Pixels::grey,
                "the kind of pixels is unknown");
  MONZA_REQUIRE(file.rank == 1 && out.rank == 3 && out[2] == (pixels == PictureRequest::Pixels::grey ? 1 : 3), kShapes);
  return nullptr;
}

constexpr OperatorCheck kPictureChecks[] = {{"ImageDecoder", check_decoder}};

}  // namespace

extern const CheckList picture_checks{kPictureChecks};

}  // namespace monza::ops
