// FFmpeg's functions, and owners for its objects. Included by the video files alone, and only where FFmpeg was found.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <cmath>
#include <memory>
#include <string>

namespace monza::vision::ffmpeg {

// The functions that are called, each with the library that has it or needs the one that does.
#define MONZA_FFMPEG_FUNCTIONS(X)              \
  X(avformat, av_dict_free)                    \
  X(avformat, av_dict_set)                     \
  X(avformat, av_display_rotation_get)         \
  X(avformat, av_d2q)                          \
  X(avformat, av_find_best_stream)             \
  X(avformat, av_find_input_format)            \
  X(avformat, av_frame_alloc)                  \
  X(avformat, av_freep)                        \
  X(avformat, av_frame_free)                   \
  X(avformat, av_frame_get_buffer)             \
  X(avformat, av_frame_make_writable)          \
  X(avformat, av_get_pix_fmt_name)             \
  X(avformat, av_guess_frame_rate)             \
  X(avformat, av_interleaved_write_frame)      \
  X(avformat, av_log_set_level)                \
  X(avformat, av_malloc)                       \
  X(avformat, av_opt_set)                      \
  X(avformat, av_packet_alloc)                 \
  X(avformat, av_packet_free)                  \
  X(avformat, av_packet_rescale_ts)            \
  X(avformat, av_packet_unref)                 \
  X(avformat, av_read_frame)                   \
  X(avformat, av_stream_get_side_data)         \
  X(avformat, av_strerror)                     \
  X(avformat, av_write_trailer)                \
  X(avformat, avcodec_alloc_context3)          \
  X(avformat, avcodec_find_decoder)            \
  X(avformat, avcodec_find_encoder_by_name)    \
  X(avformat, avcodec_free_context)            \
  X(avformat, avcodec_open2)                   \
  X(avformat, avcodec_parameters_from_context) \
  X(avformat, avcodec_parameters_to_context)   \
  X(avformat, avcodec_receive_frame)           \
  X(avformat, avcodec_receive_packet)          \
  X(avformat, avcodec_send_frame)              \
  X(avformat, avcodec_send_packet)             \
  X(avformat, avformat_alloc_output_context2)  \
  X(avformat, avformat_close_input)            \
  X(avformat, avformat_find_stream_info)       \
  X(avformat, avformat_free_context)           \
  X(avformat, avformat_new_stream)             \
  X(avformat, avformat_open_input)             \
  X(avformat, avformat_write_header)           \
  X(avformat, avio_alloc_context)              \
  X(avformat, avio_context_free)               \
  X(avformat, avio_flush)                      \
  X(swscale, sws_freeContext)                  \
  X(swscale, sws_getCachedContext)             \
  X(swscale, sws_getCoefficients)              \
  X(swscale, sws_getContext)                   \
  X(swscale, sws_scale)                        \
  X(swscale, sws_setColorspaceDetails)

/// Pointers to FFmpeg's functions, by their own names.
struct Functions {
#define MONZA_X(library, name) decltype(&::name) name = nullptr;
  MONZA_FFMPEG_FUNCTIONS(MONZA_X)
#undef MONZA_X
};

/// FFmpeg, loaded by the first call. It is not linked: it and the two hundred libraries that it needs would take the
/// dynamic linker some 60 ms at every start of a program that may never see a video. Throws Error when the libraries
/// are not there. Thread-safe.
const Functions& ff();

/// Makes the inputs of libavdevice known (cameras). Throws Error when the library is not there. Thread-safe.
void register_devices();

struct Deleter {
  void operator()(AVFormatContext* p) const noexcept { ff().avformat_close_input(&p); }
  void operator()(AVCodecContext* p) const noexcept { ff().avcodec_free_context(&p); }
  void operator()(AVFrame* p) const noexcept { ff().av_frame_free(&p); }
  void operator()(AVPacket* p) const noexcept { ff().av_packet_free(&p); }
  void operator()(SwsContext* p) const noexcept { ff().sws_freeContext(p); }
};

using FormatInput = std::unique_ptr<AVFormatContext, Deleter>;
using CodecContext = std::unique_ptr<AVCodecContext, Deleter>;
using FramePointer = std::unique_ptr<AVFrame, Deleter>;
using Packet = std::unique_ptr<AVPacket, Deleter>;
using Scaler = std::unique_ptr<SwsContext, Deleter>;

/// What FFmpeg would print is in our errors already; the level is the library's own, for the whole process.
inline void quieten() { ff().av_log_set_level(AV_LOG_FATAL); }

inline std::string text_of(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  ff().av_strerror(error, text, sizeof text);
  return text;
}

}  // namespace monza::vision::ffmpeg
