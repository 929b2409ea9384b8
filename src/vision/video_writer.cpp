#include <fmt/core.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/output_file.h"
#include "vision/codecs.h"
#include "vision/video.h"

#if MONZA_WITH_FFMPEG

#include "vision/ffmpeg.h"

namespace monza::vision {

using namespace ffmpeg;

namespace {

/// Best first; the second is part of FFmpeg itself.
const AVCodec* find_encoder() {
  for (const char* name : {"libx264", "mpeg4"})
    if (const AVCodec* codec = ff().avcodec_find_encoder_by_name(name)) return codec;
  return nullptr;
}

// FFmpeg's writes and seeks, on the file that OutputFile keeps from view until it is whole. Newer versions promise not
// to change the bytes.
#if LIBAVFORMAT_VERSION_MAJOR >= 61
using FileBytes = const std::uint8_t*;
#else
using FileBytes = std::uint8_t*;
#endif

int put(void* file, FileBytes data, int bytes) {
  const int fd = static_cast<OutputFile*>(file)->descriptor();
  for (int done = 0; done < bytes;) {
    const ssize_t n = ::write(fd, data + done, static_cast<std::size_t>(bytes - done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return AVERROR(n < 0 ? errno : ENOSPC);
    done += static_cast<int>(n);
  }
  return bytes;
}

std::int64_t seek(void* file, std::int64_t offset, int whence) {
  const int fd = static_cast<OutputFile*>(file)->descriptor();
  struct stat st{};
  if ((whence & AVSEEK_SIZE) != 0) return ::fstat(fd, &st) == 0 ? st.st_size : AVERROR(errno);
  const off_t at = ::lseek(fd, offset, whence & ~AVSEEK_FORCE);
  return at >= 0 ? at : AVERROR(errno);
}

}  // namespace

struct VideoWriter::State {
  std::filesystem::path path;
  std::optional<OutputFile> file;
  AVFormatContext* output = nullptr;
  CodecContext codec;
  FramePointer frame;
  Packet packet;
  Scaler scaler;
  AVStream* stream = nullptr;
  int width = 0, height = 0;
  std::int64_t count = 0;
  bool header_written = false;

  ~State() { release(); }

  /// FFmpeg lets go of the file; the result of the last write.
  int release() noexcept {
    if (!output) return 0;
    int status = 0;
    if (output->pb) {
      ff().avio_flush(output->pb);
      status = output->pb->error;
      ff().av_freep(&output->pb->buffer);
      ff().avio_context_free(&output->pb);
    }
    ff().avformat_free_context(output);
    output = nullptr;
    return status;
  }

  void check(int status, const char* what) const {
    if (status < 0) fail("{}: cannot {}: {}", path.string(), what, text_of(status));
  }

  void open() {
    file.emplace(path);
    constexpr int bytes = 1 << 16;
    auto* buffer = static_cast<unsigned char*>(ff().av_malloc(bytes));
    const bool seeks = ::lseek(file->descriptor(), 0, SEEK_CUR) >= 0;
    if (buffer) output->pb = ff().avio_alloc_context(buffer, bytes, 1, &*file, nullptr, put, seeks ? seek : nullptr);
    if (!output->pb) fail("{}: out of memory", path.string());
  }

  void encode(const AVFrame* input) {
    check(ff().avcodec_send_frame(codec.get(), input), "encode a frame");
    while (true) {
      const int got = ff().avcodec_receive_packet(codec.get(), packet.get());
      if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return;
      check(got, "encode a frame");
      packet->stream_index = stream->index;
      // Encoders leave it open, and MP4 then ends, for who reads its times, before the last frame.
      if (packet->duration == 0) packet->duration = 1;
      ff().av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
      check(ff().av_interleaved_write_frame(output, packet.get()), "write a frame");
    }
  }
};

VideoWriter::VideoWriter(const std::filesystem::path& path, int width, int height, double frames_per_second)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  if (width < 2 || height < 2) fail("{}: a video of {}x{} pixels cannot be written", path.string(), width, height);
  quieten();
  s.path = path;
  s.width = width, s.height = height;
  ff().avformat_alloc_output_context2(&s.output, nullptr, nullptr, path.c_str());
  if (!s.output)
    fail_hint("a name that ends in .mp4, .mkv, .mov or .avi", "{}: '{}' is no video container", path.string(),
              path.extension().string());
  const AVCodec* encoder = find_encoder();
  if (!encoder)
    fail_hint("an FFmpeg built with libx264 or mpeg4", "{}: this FFmpeg can encode neither H.264 nor MPEG-4",
              path.string());
  s.stream = ff().avformat_new_stream(s.output, nullptr);
  s.codec.reset(ff().avcodec_alloc_context3(encoder));
  s.frame.reset(ff().av_frame_alloc());
  s.packet.reset(ff().av_packet_alloc());
  if (!s.stream || !s.codec || !s.frame || !s.packet) fail("{}: out of memory", path.string());

  const double rate = frames_per_second > 0.1 && frames_per_second < 1000 ? frames_per_second : 25;
  const AVRational fps = ff().av_d2q(rate, 60000);  // within MPEG-4's 16 bits for the time base
  s.codec->width = width & ~1, s.codec->height = height & ~1;
  s.codec->pix_fmt = AV_PIX_FMT_YUV420P;
  s.codec->time_base = av_inv_q(fps);
  s.codec->framerate = fps;
  s.codec->gop_size = 50;
  if (s.output->oformat->flags & AVFMT_GLOBALHEADER) s.codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (std::string_view(encoder->name) == "libx264") {
    ff().av_opt_set(s.codec->priv_data, "preset", "veryfast", 0);
    ff().av_opt_set(s.codec->priv_data, "crf", "23", 0);
  } else {
    s.codec->flags |= AV_CODEC_FLAG_QSCALE;
    s.codec->global_quality = FF_QP2LAMBDA * 4;
  }
  s.check(ff().avcodec_open2(s.codec.get(), encoder, nullptr), "start the encoder");
  s.check(ff().avcodec_parameters_from_context(s.stream->codecpar, s.codec.get()), "describe the stream");
  s.stream->time_base = s.codec->time_base;
  s.frame->format = s.codec->pix_fmt;
  s.frame->width = s.codec->width, s.frame->height = s.codec->height;
  s.check(ff().av_frame_get_buffer(s.frame.get(), 0), "allocate a frame");
  s.scaler.reset(ff().sws_getContext(s.codec->width, s.codec->height, AV_PIX_FMT_RGB24, s.codec->width, s.codec->height,
                                     AV_PIX_FMT_YUV420P, SWS_BILINEAR, nullptr, nullptr, nullptr));
  if (!s.scaler) fail("{}: RGB cannot be converted for the encoder", path.string());
  s.open();
  s.check(ff().avformat_write_header(s.output, nullptr), "write the header");
  s.header_written = true;
}

VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;
VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const Image& image) {
  State& s = *state_;
  if (!s.output) fail("{}: is closed already", s.path.string());
  if (image.width != s.width || image.height != s.height)
    fail("{}: frame {} is {}x{}, the video {}x{}", s.path.string(), s.count, image.width, image.height, s.width,
         s.height);
  s.check(ff().av_frame_make_writable(s.frame.get()), "reuse a frame");
  const std::uint8_t* planes[4] = {image.pixels.data()};
  const int strides[4] = {static_cast<int>(image.stride())};
  ff().sws_scale(s.scaler.get(), planes, strides, 0, s.codec->height, s.frame->data, s.frame->linesize);
  s.frame->pts = s.count++;
  s.encode(s.frame.get());
}

void VideoWriter::close() {
  State& s = *state_;
  if (!s.output) return;
  s.encode(nullptr);
  s.check(ff().av_write_trailer(s.output), "finish the file");
  s.check(s.release(), "close the file");
  s.file->commit();
}

}  // namespace monza::vision

#else

namespace monza::vision {

struct VideoWriter::State {};
VideoWriter::VideoWriter(const std::filesystem::path&, int, int, double) {
  codec::fail_missing("video", "FFmpeg", "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev");
}
VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;
VideoWriter::~VideoWriter() = default;
void VideoWriter::write(const Image&) {}
void VideoWriter::close() {}

}  // namespace monza::vision

#endif
