// PNG through libpng. Errors leave the library by longjmp, as in jpeg.cpp: the functions that call setjmp hold only
// trivial objects.
#include "vision/codecs.h"

#include "base/error.h"

#if MONZA_WITH_PNG

#include <png.h>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>

namespace monza::vision {
namespace {

struct Stream {
  const std::byte* data = nullptr;
  std::size_t left = 0;
  std::vector<std::byte>* sink = nullptr;
  char message[160] = "";
};

void on_error(png_structp png, png_const_charp text) {
  auto* stream = static_cast<Stream*>(png_get_error_ptr(png));
  std::snprintf(stream->message, sizeof stream->message, "%s", text);
  png_longjmp(png, 1);
}

void on_read(png_structp png, png_bytep to, std::size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  if (count > stream->left) png_error(png, "the file ends too early");
  std::memcpy(to, stream->data, count);
  stream->data += count;
  stream->left -= count;
}

void on_write(png_structp png, png_bytep from, std::size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  bool grown = true;
  try {
    const auto* first = reinterpret_cast<const std::byte*>(from);
    stream->sink->insert(stream->sink->end(), first, first + count);
  } catch (...) {  // an exception must not cross the library
    grown = false;
  }
  if (!grown) png_error(png, "out of memory");
}

struct Reader {
  Stream stream;
  png_structp png = nullptr;
  png_infop info = nullptr;
  png_uint_32 width = 0, height = 0;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

bool read_header(Reader& r) {
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r.stream, on_error, [](png_structp, png_const_charp) {});
  if (!r.png || !(r.info = png_create_info_struct(r.png))) return false;
  if (setjmp(png_jmpbuf(r.png))) return false;
  // Of the chunks that are no part of the picture (text, profiles, EXIF, which codecs.h reads) none is looked at: they
  // may be compressed, and for an EXIF block libpng makes as much room as its length claims.
  png_set_keep_unknown_chunks(r.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_user_limits(r.png, 1u << 20, 1u << 20);
  png_set_read_fn(r.png, &r.stream, on_read);
  png_read_info(r.png, r.info);
  r.width = png_get_image_width(r.png, r.info);
  r.height = png_get_image_height(r.png, r.info);
  return true;
}

bool read_pixels(Reader& r, png_bytepp rows) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_set_expand(r.png);
  png_set_strip_16(r.png);
  png_set_gray_to_rgb(r.png);
  png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  if (png_get_rowbytes(r.png, r.info) != std::size_t{r.width} * 3) png_error(r.png, "unexpected row size");
  png_read_image(r.png, rows);
  png_read_end(r.png, nullptr);
  return true;
}

struct Writer {
  Stream stream;
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

bool write_pixels(Writer& w, const Image& image) {
  w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w.stream, on_error, [](png_structp, png_const_charp) {});
  if (!w.png || !(w.info = png_create_info_struct(w.png))) return false;
  if (setjmp(png_jmpbuf(w.png))) return false;
  png_set_write_fn(w.png, &w.stream, on_write, [](png_structp) {});
  png_set_IHDR(w.png, w.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(w.png, 3);  // four times faster than the default for a few per cent in size
  png_write_info(w.png, w.info);
  for (int y = 0; y < image.height; ++y) png_write_row(w.png, image.row(y));
  png_write_end(w.png, w.info);
  return true;
}

}  // namespace

Image codec::decode_png(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  Reader reader;
  reader.stream.data = bytes.data();
  reader.stream.left = bytes.size();
  if (!read_header(reader)) fail_decode(name, "PNG", reader.stream.message);
  check_extent(reader.width, reader.height, name, limits);
  Image image(static_cast<int>(reader.width), static_cast<int>(reader.height));
  std::vector<png_bytep> rows(reader.height);
  for (int y = 0; y < image.height; ++y) rows[static_cast<std::size_t>(y)] = image.row(y);
  if (!read_pixels(reader, rows.data())) fail_decode(name, "PNG", reader.stream.message);
  return limits.apply_orientation ? oriented(std::move(image), exif_orientation(png_exif(bytes), true)) : image;
}

std::vector<std::byte> encode_png(const Image& image) {
  if (image.empty()) fail("an empty picture cannot be written as PNG");
  std::vector<std::byte> out;
  Writer writer;
  writer.stream.sink = &out;
  if (!write_pixels(writer, image)) fail("the picture cannot be written as PNG: {}", writer.stream.message);
  return out;
}

}  // namespace monza::vision

#else

namespace monza::vision {

Image codec::decode_png(Bytes, std::string_view, const DecodeLimits&) { fail_missing("PNG", "libpng", "libpng-dev"); }
std::vector<std::byte> encode_png(const Image&) { codec::fail_missing("PNG", "libpng", "libpng-dev"); }

}  // namespace monza::vision

#endif
