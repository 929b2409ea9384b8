// JPEG through libjpeg-turbo. The library reports errors by a callback that must not return, so both directions
// leave by longjmp; the functions that call setjmp hold only trivial objects, everything owning lives outside them.
#include "vision/codecs.h"

#include "base/error.h"

#if MONZA_WITH_JPEG

#include <jerror.h>
#include <jpeglib.h>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

namespace monza::vision {
namespace {

struct ErrorState {
  jpeg_error_mgr manager;  // first, so that the library's pointer to it is also a pointer to this
  std::jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr info) {
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  state->manager.format_message(info, state->message);
  std::longjmp(state->leave, 1);
}

void on_message(j_common_ptr info, int level) {
  // Warnings (level -1) leave a picture that is good enough to show, except when the data ended too early.
  const int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) on_error(info);
}

jpeg_error_mgr* install(ErrorState& state) {
  jpeg_error_mgr* manager = jpeg_std_error(&state.manager);
  manager->error_exit = on_error;
  manager->emit_message = on_message;
  manager->output_message = [](j_common_ptr) {};
  state.message[0] = '\0';
  return manager;
}

// A progressive file of a few kilobytes can hold thousands of scans over a large picture; real ones have about ten.
constexpr int max_scans = 200;

void on_progress(j_common_ptr info) {
  if (!info->is_decompressor) return;
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= max_scans) return;
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  std::snprintf(state->message, sizeof state->message, "more than %d scans", max_scans);
  std::longjmp(state->leave, 1);
}

struct Decoder {
  jpeg_decompress_struct info{};
  ErrorState errors{};
  jpeg_progress_mgr progress{};
  ~Decoder() { jpeg_destroy_decompress(&info); }
};

bool read_header(Decoder& d, const unsigned char* data, unsigned long size) {
  d.info.err = install(d.errors);
  if (setjmp(d.errors.leave)) return false;
  jpeg_create_decompress(&d.info);
  d.progress.progress_monitor = on_progress;
  d.info.progress = &d.progress;
  jpeg_mem_src(&d.info, data, size);
  jpeg_save_markers(&d.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&d.info, TRUE);
  return true;
}

// CMYK pictures come out as four bytes a pixel and go through `cmyk`, one row of them.
bool read_pixels(Decoder& d, std::uint8_t* pixels, std::uint8_t* cmyk) {
  if (setjmp(d.errors.leave)) return false;
  d.info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&d.info);
  const unsigned width = d.info.output_width;
  while (d.info.output_scanline < d.info.output_height) {
    std::uint8_t* row = pixels + static_cast<std::size_t>(d.info.output_scanline) * width * 3;
    JSAMPROW target = cmyk ? cmyk : row;
    jpeg_read_scanlines(&d.info, &target, 1);
    if (!cmyk) continue;
    // Adobe writes CMYK inverted (255 is no ink); files without its marker do not.
    const bool inverted = d.info.saw_Adobe_marker;
    for (unsigned x = 0; x < width; ++x) {
      const std::uint8_t* ink = cmyk + 4 * x;
      const unsigned key = inverted ? ink[3] : 255u - ink[3];
      for (unsigned c = 0; c < 3; ++c) {
        const unsigned light = inverted ? ink[c] : 255u - ink[c];
        row[3 * x + c] = static_cast<std::uint8_t>((light * key + 127) / 255);
      }
    }
  }
  jpeg_finish_decompress(&d.info);
  return true;
}

struct Encoder {
  jpeg_compress_struct info{};
  ErrorState errors{};
  unsigned char* data = nullptr;
  unsigned long size = 0;
  ~Encoder() {
    jpeg_destroy_compress(&info);
    std::free(data);
  }
};

bool write_pixels(Encoder& e, const Image& image, int quality) {
  e.info.err = install(e.errors);
  if (setjmp(e.errors.leave)) return false;
  jpeg_create_compress(&e.info);
  jpeg_mem_dest(&e.info, &e.data, &e.size);
  e.info.image_width = static_cast<JDIMENSION>(image.width);
  e.info.image_height = static_cast<JDIMENSION>(image.height);
  e.info.input_components = 3;
  e.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&e.info);
  jpeg_set_quality(&e.info, quality, TRUE);
  jpeg_start_compress(&e.info, TRUE);
  while (e.info.next_scanline < e.info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(e.info.next_scanline)));
    jpeg_write_scanlines(&e.info, &row, 1);
  }
  jpeg_finish_compress(&e.info);
  return true;
}

}  // namespace

Image codec::decode_jpeg(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  Decoder decoder;
  if (!read_header(decoder, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()))
    fail_decode(name, "JPEG", decoder.errors.message);
  check_extent(decoder.info.image_width, decoder.info.image_height, name, limits);

  int orientation = 1;
  for (auto* marker = decoder.info.marker_list; marker && limits.apply_orientation; marker = marker->next) {
    orientation = exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
    if (orientation != 1) break;
  }
  const bool cmyk = decoder.info.num_components == 4;
  Image image(static_cast<int>(decoder.info.image_width), static_cast<int>(decoder.info.image_height));
  std::vector<std::uint8_t> ink(cmyk ? static_cast<std::size_t>(image.width) * 4 : 0);
  if (!read_pixels(decoder, image.pixels.data(), cmyk ? ink.data() : nullptr))
    fail_decode(name, "JPEG", decoder.errors.message);
  return oriented(std::move(image), orientation);
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  if (image.empty()) fail("an empty picture cannot be written as JPEG");
  Encoder encoder;
  if (!write_pixels(encoder, image, quality)) fail("the picture cannot be written as JPEG: {}", encoder.errors.message);
  const auto* first = reinterpret_cast<const std::byte*>(encoder.data);
  return {first, first + encoder.size};
}

}  // namespace monza::vision

#else

namespace monza::vision {

Image codec::decode_jpeg(Bytes, std::string_view, const DecodeLimits&) {
  fail_missing("JPEG", "libjpeg", "libjpeg-dev");
}
std::vector<std::byte> encode_jpeg(const Image&, int) { codec::fail_missing("JPEG", "libjpeg", "libjpeg-dev"); }

}  // namespace monza::vision

#endif
