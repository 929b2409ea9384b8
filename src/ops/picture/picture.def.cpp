// ImageDecoder: how large the picture is is known when it is decoded.
#include "ir/op.h"
#include "ops/picture/picture.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

constexpr ir::AttrDef kDecoderAttrs[] = {{"pixels", 0}};

void infer_decoder(ir::InferContext& c) {
  if (c.dtype(0) != DType::u8 || c.shape(0).size() != 1) c.fail("the file must be a list of bytes (u8 of rank 1)");
  if (monza_decode_picture == nullptr)
    c.fail("this program has no readers of pictures: it is linked without monza::vision");
  const bool grey = c.attrs().i("pixels") == static_cast<std::int64_t>(PictureRequest::Pixels::grey);
  const ir::Expr height = c.new_extent(0, kMostPictureSide), width = c.new_extent(0, kMostPictureSide);
  c.set_output(0, DType::u8, {height, width, grey ? 1 : 3});
}

void params_decoder(const ir::NodeView& n, ir::ParamsBlob& blob) {
  PictureParams p;
  p.pixels = static_cast<PictureRequest::Pixels>(n.attrs().i("pixels"));
  blob.set(p);
}

constexpr ir::OpDef kPictureOps[] = {
    // Not folded: a file may be small and its picture large.
    {.name = "ImageDecoder",
     .attrs = kDecoderAttrs,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_decoder,
     .params = params_decoder},
};

}  // namespace

extern const ir::OpList picture_ops{kPictureOps};

}  // namespace monza::ops
