#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "vision/codecs.h"
#include "vision/video.h"

#if MONZA_WITH_FFMPEG

#include "vision/ffmpeg.h"

namespace monza::vision {

using namespace ffmpeg;

namespace {

/// Containers that hold their frames themselves. Playlists and the like, which name other files, are left out.
constexpr const char* file_formats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,live_flv,ogg,asf,h264,hevc,ivf,gif,apng,"
    "mjpeg,dv,"
    "mxf,nut,yuv4mpegpipe,rm,swf,obu,av1";

/// How far a file's rotation mark turns the picture: the EXIF orientation that means the same.
int orientation_of(const AVStream* stream) {
  std::size_t size = 0;
  const std::uint8_t* matrix = ff().av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (!matrix || size < 9 * sizeof(std::int32_t)) return 1;
  const double turn = ff().av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));  // anticlockwise
  if (std::isnan(turn)) return 1;
  const long quarters = std::lround(turn / 90.0);
  switch ((quarters % 4 + 4) % 4) {
    case 1: return 8;
    case 2: return 3;
    case 3: return 6;
    default: return 1;
  }
}

/// The container that a file's first bytes announce; null of any other.
const char* announced(const std::string& path) {
  char bytes[12] = {};
  std::ifstream(path, std::ios::binary).read(bytes, sizeof bytes);
  const std::string_view head(bytes, sizeof bytes);
  if (head.starts_with("RIFF") && head.ends_with("AVI ")) return "AVI";
  if (head.substr(4, 4) == "ftyp") return "MP4";
  if (head.starts_with("\x1a\x45\xdf\xa3")) return "Matroska";
  return nullptr;
}

/// At most so many damaged packets in a row before a file is given up.
constexpr int max_damaged = 300;

}  // namespace

struct VideoReader::State {
  std::string name;
  DecodeLimits limits;
  FormatInput input;
  CodecContext codec;
  FramePointer frame;
  Packet packet;
  Scaler scaler;
  AVStream* stream = nullptr;
  int orientation = 1;
  bool draining = false;
  int damaged = 0;  // packets in a row
  std::int64_t frames = 0;
  // What did not come as it was written.
  std::int64_t packets = 0, lost_packets = 0, repaired_frames = 0;
  int read_error = 0;
  std::int64_t start = AV_NOPTS_VALUE;
  double seconds = 0;
  VideoInfo info;

  void open(const AVInputFormat* format, const std::string& url, AVDictionary*& options);
  bool decode();
  void convert(Image& image);
  bool ends_early() const;
  std::string reasons() const;
  std::string loss() const;
};

void VideoReader::State::open(const AVInputFormat* format, const std::string& url, AVDictionary*& options) {
  quieten();
  AVFormatContext* context = nullptr;
  int status = ff().avformat_open_input(&context, url.c_str(), format, &options);
  ff().av_dict_free(&options);
  if (const char* container = status < 0 && !format ? announced(name) : nullptr)
    fail_hint("copy or fetch the whole file again",
              "{}: begins as {} does, and is cut off or damaged before the first frame: {}", name, container,
              text_of(status));
  if (status < 0 && url == name)
    fail_hint("an address that a player opens (ffplay URL), of one video and not of a page or a playlist",
              "{}: cannot be opened as a stream: {}", name, text_of(status));
  if (status < 0)
    fail_hint("a picture (JPEG, PNG, WebP, BMP, PPM) or a video with frames of its own (MP4, MKV, AVI, ...)",
              "{}: is no picture, and cannot be opened as video: {}", name, text_of(status));
  input.reset(context);
  status = ff().avformat_find_stream_info(context, nullptr);
  if (status < 0) fail("{}: no stream can be read: {}", name, text_of(status));

  const AVCodec* decoder = nullptr;
  const int index = ff().av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (index < 0 || !decoder) fail("{}: holds no video that FFmpeg can decode", name);
  stream = context->streams[index];
  for (unsigned i = 0; i < context->nb_streams; ++i)
    if (static_cast<int>(i) != index) context->streams[i]->discard = AVDISCARD_ALL;
  codec::check_extent(stream->codecpar->width, stream->codecpar->height, name, limits);

  codec.reset(ff().avcodec_alloc_context3(decoder));
  frame.reset(ff().av_frame_alloc());
  packet.reset(ff().av_packet_alloc());
  if (!codec || !frame || !packet) fail("{}: out of memory", name);
  status = ff().avcodec_parameters_to_context(codec.get(), stream->codecpar);
  codec->max_pixels = static_cast<std::int64_t>(limits.max_pixels);
  codec->thread_count = 1;  // the cores belong to inference
  if (status >= 0) status = ff().avcodec_open2(codec.get(), decoder, nullptr);
  if (status < 0) fail("{}: the decoder {} does not start: {}", name, decoder->name, text_of(status));

  orientation = orientation_of(stream);
  info.width = stream->codecpar->width, info.height = stream->codecpar->height;
  if (orientation >= 5) std::swap(info.width, info.height);
  const AVRational rate = ff().av_guess_frame_rate(context, stream, nullptr);
  info.frames_per_second = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
  info.frame_estimate = stream->nb_frames;
  if (info.frame_estimate <= 0 && context->duration > 0)
    info.frame_estimate = std::llround(static_cast<double>(context->duration) / AV_TIME_BASE * info.frames_per_second);
}

/// Fills `frame`; false at the end of the stream.
bool VideoReader::State::decode() {
  while (true) {
    const int got = ff().avcodec_receive_frame(codec.get(), frame.get());
    if (got == 0) {
      damaged = 0;
      if (frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0) ++repaired_frames;
      return true;
    }
    if (got == AVERROR_EOF) return false;
    if (got != AVERROR(EAGAIN)) ++lost_packets;
    if (got != AVERROR(EAGAIN) && ++damaged > max_damaged) fail("{}: cannot be decoded: {}", name, text_of(got));
    if (draining) {
      if (got != AVERROR(EAGAIN)) continue;
      return false;
    }
    const int read = ff().av_read_frame(input.get(), packet.get());
    if (read < 0) {
      if (read != AVERROR_EOF && frames == 0) fail("{}: cannot be read: {}", name, text_of(read));
      if (read != AVERROR_EOF) read_error = read;
      draining = true;
      ff().avcodec_send_packet(codec.get(), nullptr);
      continue;
    }
    int sent = 0;
    if (packet->stream_index == stream->index) {
      ++packets;
      sent = ff().avcodec_send_packet(codec.get(), packet.get());
      if (sent < 0) ++lost_packets;
    }
    ff().av_packet_unref(packet.get());
    if (sent < 0 && ++damaged > max_damaged) fail("{}: cannot be decoded: {}", name, text_of(sent));
  }
}

/// Whether the container's head promises more time than came. Sound may go on without pictures.
bool VideoReader::State::ends_early() const {
  if (input->duration <= 0 || input->duration_estimation_method != AVFMT_DURATION_FROM_STREAM) return false;
  const double length = static_cast<double>(input->duration) / AV_TIME_BASE;
  const double period = info.frames_per_second > 0 ? 1 / info.frames_per_second : 0;
  const double allowed = input->nb_streams == 1 ? 0.02 * length + 2 * period : 0.2 * length + 2;
  return length - seconds - period > allowed;
}

/// Why frames are missing; empty when none are.
std::string VideoReader::State::reasons() const {
  // Editors cut by leaving frames out of the list; a few that are missing prove nothing.
  const std::int64_t listed = stream->nb_frames;
  const bool short_of = listed > 0 ? packets < listed - listed / 50 - 2 : ends_early();
  std::string why;
  const auto tell = [&](const std::string& reason) { why += (why.empty() ? "" : ", ") + reason; };
  if (read_error != 0) tell(fmt::format("the file is cut off or damaged there ({})", text_of(read_error)));
  else if (short_of) tell("the file is cut off");
  if (lost_packets > 0) tell(fmt::format("{} could not be decoded", lost_packets));
  if (repaired_frames > 0) tell(fmt::format("{} are damaged", repaired_frames));
  return why;
}

std::string VideoReader::State::loss() const {
  const std::string why = reasons();
  if (why.empty()) return why;
  const std::int64_t listed = stream->nb_frames;
  const std::int64_t total = listed > 0 ? listed : std::max(info.frame_estimate, frames);
  return fmt::format("{}: {} of {}{} frames were read: {}", name, frames, listed > 0 ? "" : "about ", total, why);
}

void VideoReader::State::convert(Image& image) {
  // A stream may change its size on the way; every frame is checked and converted by its own.
  codec::check_extent(frame->width, frame->height, name, limits);
  if (image.width != frame->width || image.height != frame->height) image = Image(frame->width, frame->height);
  const auto format = static_cast<AVPixelFormat>(frame->format);
  SwsContext* context =
      ff().sws_getCachedContext(scaler.release(), frame->width, frame->height, format, frame->width, frame->height,
                                AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_ACCURATE_RND, nullptr, nullptr, nullptr);
  scaler.reset(context);
  if (!context)
    fail("{}: the pixel format {} cannot be converted to RGB", name,
         ff().av_get_pix_fmt_name(format) ? ff().av_get_pix_fmt_name(format) : "?");
  // Most converters ignore what a stream says about its colours unless told.
  const int* matrix = ff().sws_getCoefficients(frame->colorspace);
  const int full_range = frame->color_range == AVCOL_RANGE_JPEG;
  ff().sws_setColorspaceDetails(context, matrix, full_range, ff().sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16,
                                1 << 16);
  std::uint8_t* planes[4] = {image.pixels.data()};
  const int strides[4] = {static_cast<int>(image.stride())};
  if (ff().sws_scale(context, frame->data, frame->linesize, 0, frame->height, planes, strides) != frame->height)
    fail("{}: frame {} cannot be converted to RGB", name, frames);
  if (orientation != 1) image = codec::oriented(std::move(image), orientation);
}

VideoReader VideoReader::open_file(const std::filesystem::path& path, const DecodeLimits& limits) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) fail("{}: is not a file", path.string());
  auto state = std::make_unique<State>();
  state->name = path.string();
  state->limits = limits;
  AVDictionary* options = nullptr;
  ff().av_dict_set(&options, "protocol_whitelist", "file", 0);
  ff().av_dict_set(&options, "format_whitelist", file_formats, 0);
  state->open(nullptr, "file:" + path.string(), options);
  return VideoReader(std::move(state));
}

VideoReader VideoReader::open_stream(const std::string& url, const DecodeLimits& limits) {
  auto state = std::make_unique<State>();
  state->name = url;
  state->limits = limits;
  AVDictionary* options = nullptr;
  constexpr const char* patience = "10000000";  // microseconds
  ff().av_dict_set(&options, "protocol_whitelist", "rtsp,rtp,udp,tcp,tls,http,https", 0);
  ff().av_dict_set(&options, "format_whitelist", fmt::format("{},rtsp,rtp,mpjpeg", file_formats).c_str(), 0);
  ff().av_dict_set(&options, "rtsp_transport", "tcp", 0);  // a datagram that is lost is a picture that is torn
  ff().av_dict_set(&options, "timeout", patience, 0);
  ff().av_dict_set(&options, "rw_timeout", patience, 0);
  state->open(nullptr, url, options);
  return VideoReader(std::move(state));
}

VideoReader VideoReader::open_camera(const std::string& device, const DecodeLimits& limits) {
  register_devices();
  auto state = std::make_unique<State>();
  state->name = device;
  state->limits = limits;
  const AVInputFormat* format = ff().av_find_input_format("v4l2");
  if (!format)
    fail_hint("a video file, or an FFmpeg with libavdevice's v4l2", "{}: this FFmpeg has no camera input", device);
  std::error_code error;
  if (!std::filesystem::exists(device, error))
    fail_hint("ls /dev/video*; inside a container the device has to be passed through", "{}: there is no such camera",
              device);
  AVDictionary* options = nullptr;
  state->open(format, device, options);
  state->info.frame_estimate = 0;
  return VideoReader(std::move(state));
}

VideoReader::VideoReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;
VideoReader::~VideoReader() = default;

const VideoInfo& VideoReader::info() const noexcept { return state_->info; }
double VideoReader::seconds() const noexcept { return state_->seconds; }
std::string VideoReader::loss() const { return state_->loss(); }

bool VideoReader::next(Image& image) {
  State& s = *state_;
  if (!s.decode()) {
    if (s.frames > 0) return false;
    const std::string why = s.reasons();
    fail("{}: holds no frame that can be decoded{}{}", s.name, why.empty() ? "" : ": ", why);
  }
  s.convert(image);
  const std::int64_t time = s.frame->best_effort_timestamp;
  // Counted from the first frame: containers that reorder frames start their clocks late.
  if (s.frames == 0) s.start = time;
  if (time != AV_NOPTS_VALUE && s.start != AV_NOPTS_VALUE)
    s.seconds = static_cast<double>(time - s.start) * av_q2d(s.stream->time_base);
  else if (s.info.frames_per_second > 0) s.seconds = static_cast<double>(s.frames) / s.info.frames_per_second;
  ++s.frames;
  return true;
}

}  // namespace monza::vision

#else

namespace monza::vision {

namespace {
[[noreturn]] void refuse() {
  codec::fail_missing("video", "FFmpeg", "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev");
}
}  // namespace

struct VideoReader::State {
  VideoInfo info;
};
VideoReader VideoReader::open_file(const std::filesystem::path&, const DecodeLimits&) { refuse(); }
VideoReader VideoReader::open_stream(const std::string&, const DecodeLimits&) { refuse(); }
VideoReader VideoReader::open_camera(const std::string&, const DecodeLimits&) { refuse(); }
VideoReader::VideoReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;
VideoReader::~VideoReader() = default;
const VideoInfo& VideoReader::info() const noexcept { return state_->info; }
double VideoReader::seconds() const noexcept { return 0; }
std::string VideoReader::loss() const { refuse(); }
bool VideoReader::next(Image&) { refuse(); }

}  // namespace monza::vision

#endif
