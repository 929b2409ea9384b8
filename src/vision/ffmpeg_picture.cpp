// TIFF and JPEG 2000 through FFmpeg's decoders, which a build with video has anyhow. As with video, its faults are
// ours: docs/files-from-strangers.md.
#include <cstring>
#include <vector>

#include "base/error.h"
#include "vision/codecs.h"

#if MONZA_WITH_FFMPEG

#include "vision/ffmpeg.h"

namespace monza::vision {

using namespace ffmpeg;

namespace {

Image to_rgb(const AVFrame& frame, std::string_view name, std::string_view format) {
  Image image(frame.width, frame.height);
  const Scaler scaler(ff().sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                                          frame.width, frame.height, AV_PIX_FMT_RGB24, SWS_POINT | SWS_ACCURATE_RND,
                                          nullptr, nullptr, nullptr));
  std::uint8_t* planes[4] = {image.pixels.data()};
  const int strides[4] = {static_cast<int>(image.stride())};
  if (!scaler ||
      ff().sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, strides) != frame.height)
    codec::fail_decode(name, format, "its kind of pixels cannot be made RGB");
  return image;
}

Image decode(codec::Bytes bytes, std::string_view name, const DecodeLimits& limits, AVCodecID id,
             std::string_view format) {
  quieten();
  const AVCodec* decoder = ff().avcodec_find_decoder(id);
  if (decoder == nullptr) codec::fail_decode(name, format, "this FFmpeg has no decoder for it");
  const CodecContext context(ff().avcodec_alloc_context3(decoder));
  const FramePointer frame(ff().av_frame_alloc());
  const Packet packet(ff().av_packet_alloc());
  if (!context || !frame || !packet) fail("{}: out of memory", name);
  context->max_pixels = static_cast<std::int64_t>(limits.max_pixels);
  context->thread_count = 1;
  // Decoders read some bytes beyond the end.
  std::vector<std::uint8_t> padded(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE);
  std::memcpy(padded.data(), bytes.data(), bytes.size());
  packet->data = padded.data(), packet->size = static_cast<int>(bytes.size());
  int status = ff().avcodec_open2(context.get(), decoder, nullptr);
  if (status >= 0) status = ff().avcodec_send_packet(context.get(), packet.get());
  if (status >= 0) status = ff().avcodec_receive_frame(context.get(), frame.get());
  if (status < 0) codec::fail_decode(name, format, text_of(status));
  codec::check_extent(frame->width, frame->height, name, limits);
  return to_rgb(*frame, name, format);
}

}  // namespace

Image codec::decode_tiff(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  return decode(bytes, name, limits, AV_CODEC_ID_TIFF, "TIFF");
}
Image codec::decode_jpeg2000(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  return decode(bytes, name, limits, AV_CODEC_ID_JPEG2000, "JPEG 2000");
}

}  // namespace monza::vision

#else

namespace monza::vision {

Image codec::decode_tiff(Bytes, std::string_view, const DecodeLimits&) {
  fail_missing("TIFF", "FFmpeg", "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev");
}
Image codec::decode_jpeg2000(Bytes, std::string_view, const DecodeLimits&) {
  fail_missing("JPEG 2000", "FFmpeg", "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev");
}

}  // namespace monza::vision

#endif
