// The letterbox runs once per frame before every detection, so it is one pass: for each output row, the two source rows
// are blended first (contiguous bytes, which the compiler vectorises), then that one row is sampled horizontally,
// rounded and written into the planes through a table of 256 values per channel. Blending vertically first touches each
// source byte at most twice and leaves the strided half of the work at the smaller, output width. A 810x1080 photo to
// 640x640 float: 1.9 ms on one core of an AMD EPYC (Zen 5), limited by the horizontal sampling.
#include "monza/vision/preprocess.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace monza::vision {
namespace {

constexpr int pad_value = 114;

// Python's round(): halves go to the even neighbour. The reference implementations are written in Python.
int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

struct Tap {
  int first;     // offset of the left (upper) neighbour
  int second;    // offset of the right (lower) one; equal to the first at the border
  float weight;  // of the second
};

// Bilinear taps of `out` samples over `in`, offsets multiplied by `step`.
std::vector<Tap> make_taps(int in, int out, int step) {
  std::vector<Tap> taps(static_cast<std::size_t>(out));
  const double ratio = static_cast<double>(in) / out;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * ratio - 0.5;
    const double floor = std::floor(centre);
    const int left = std::clamp(static_cast<int>(floor), 0, in - 1);
    const int right = std::clamp(static_cast<int>(floor) + 1, 0, in - 1);
    taps[static_cast<std::size_t>(i)] = {left * step, right * step, static_cast<float>(centre - floor)};
  }
  return taps;
}

void blend_rows(const std::uint8_t* a, const std::uint8_t* b, float weight, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto low = static_cast<float>(static_cast<int>(a[i]));
    const auto high = static_cast<float>(static_cast<int>(b[i]));
    out[i] = low + (high - low) * weight;
  }
}

// row: [width, 3] floats -> out: [taps, 3] bytes, rounded to the nearest.
void sample_row(const float* row, const std::vector<Tap>& taps, std::uint8_t* out) {
  for (const Tap& tap : taps) {
    const float* a = row + tap.first;
    const float* b = row + tap.second;
    for (int c = 0; c < 3; ++c)
      out[c] = static_cast<std::uint8_t>(static_cast<int>(a[c] + (b[c] - a[c]) * tap.weight + 0.5F));
    out += 3;
  }
}

// Calls row(y, bytes [width, 3]) for each row of the picture resized to width x height.
template <typename Row>
void resize_rows(const Image& image, int width, int height, Row row) {
  if (width == image.width && height == image.height) {
    for (int y = 0; y < height; ++y) row(y, image.row(y));
    return;
  }
  const std::vector<Tap> horizontal = make_taps(image.width, width, 3);
  const std::vector<Tap> vertical = make_taps(image.height, height, 1);
  std::vector<float> blended(image.stride());                              // [image.width, 3]
  std::vector<std::uint8_t> sampled(static_cast<std::size_t>(width) * 3);  // [width, 3]
  for (int y = 0; y < height; ++y) {
    const Tap& tap = vertical[static_cast<std::size_t>(y)];
    blend_rows(image.row(tap.first), image.row(tap.second), tap.weight, image.stride(), blended.data());
    sample_row(blended.data(), horizontal, sampled.data());
    row(y, sampled.data());
  }
}

// One value per channel and sample: the whole of normalisation is a look-up. Channels are in the network's order.
template <typename T>
std::array<std::array<T, 256>, 3> make_table(const Normalization& n) {
  std::array<std::array<T, 256>, 3> table;
  for (std::size_t c = 0; c < 3; ++c)
    for (int v = 0; v < 256; ++v)
      if constexpr (std::is_same_v<T, float>)
        table[c][static_cast<std::size_t>(v)] = (static_cast<float>(v) * n.scale - n.mean[c]) / n.std[c];
      else table[c][static_cast<std::size_t>(v)] = static_cast<T>(v);
  return table;
}

// Writes pixels into a [3, height, width] or [height, width, 3] tensor.
template <typename T>
struct TensorWriter {
  TensorWriter(const Normalization& n, int width, int height, std::span<T> out)
      : table(make_table<T>(n)),
        bgr(n.order == ChannelOrder::bgr),
        planar(n.layout == PixelLayout::nchw),
        width(width),
        base(out.data()) {
    plane = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    if (out.size() != plane * 3)
      fail("the input tensor has {} elements; a {}x{} picture needs {}", out.size(), width, height, plane * 3);
  }

  // Pixels [count, 3] at column x of row y.
  void write(int y, int x, const std::uint8_t* rgb, int count) {
    const std::size_t start =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t* from = rgb + (bgr ? 2 - c : c);
      const T* map = table[c].data();
      T* to = planar ? base + c * plane + start : base + start * 3 + c;
      const std::size_t step = planar ? 1 : 3;
      for (int i = 0; i < count; ++i) to[static_cast<std::size_t>(i) * step] = map[from[3 * i]];
    }
  }

  void fill(int y, int x, std::uint8_t value, int count) {
    const std::size_t start =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
    for (std::size_t c = 0; c < 3; ++c) {
      const T v = table[c][value];
      if (planar) std::fill_n(base + c * plane + start, count, v);
      else
        for (int i = 0; i < count; ++i) base[(start + static_cast<std::size_t>(i)) * 3 + c] = v;
    }
  }

  std::array<std::array<T, 256>, 3> table;
  bool bgr, planar;
  int width;
  T* base;
  std::size_t plane = 0;
};

template <typename T>
Letterbox run_letterbox(const Image& image, int width, int height, LetterboxRule rule, const Normalization& n,
                        std::span<T> out) {
  const Letterbox box = plan_letterbox(image.width, image.height, width, height, rule);
  TensorWriter<T> writer(n, width, height, out);
  const int right = box.left + box.inner_width;
  for (int y = 0; y < box.top; ++y) writer.fill(y, 0, pad_value, width);
  resize_rows(image, box.inner_width, box.inner_height, [&](int y, const std::uint8_t* rgb) {
    const int row = box.top + y;
    writer.fill(row, 0, pad_value, box.left);
    writer.write(row, box.left, rgb, box.inner_width);
    writer.fill(row, right, pad_value, width - right);
  });
  for (int y = box.top + box.inner_height; y < height; ++y) writer.fill(y, 0, pad_value, width);
  return box;
}

template <typename T>
void run_write(const Image& image, const Normalization& n, std::span<T> out) {
  TensorWriter<T> writer(n, image.width, image.height, out);
  for (int y = 0; y < image.height; ++y) writer.write(y, 0, image.row(y), image.width);
}

}  // namespace

Normalization imagenet_normalization() noexcept {
  Normalization n;
  n.mean = {0.485F, 0.456F, 0.406F};
  n.std = {0.229F, 0.224F, 0.225F};
  return n;
}

Normalization yolox_normalization() noexcept {
  Normalization n;
  n.scale = 1;
  n.order = ChannelOrder::bgr;
  return n;
}

std::array<float, 2> Letterbox::to_source(float x, float y) const noexcept {
  const auto back = [&](float v, int offset, int limit) {
    const double source = (static_cast<double>(v) - offset) / scale;
    return static_cast<float>(std::clamp(source, 0.0, static_cast<double>(limit)));
  };
  return {back(x, left, source_width), back(y, top, source_height)};
}

Letterbox plan_letterbox(int source_width, int source_height, int input_width, int input_height, LetterboxRule rule) {
  if (source_width <= 0 || source_height <= 0 || input_width <= 0 || input_height <= 0)
    fail("cannot fit a {}x{} picture into an input of {}x{}", source_width, source_height, input_width, input_height);
  Letterbox box;
  box.source_width = source_width, box.source_height = source_height;
  box.input_width = input_width, box.input_height = input_height;
  box.scale =
      std::min(static_cast<double>(input_width) / source_width, static_cast<double>(input_height) / source_height);
  if (rule == LetterboxRule::centred) {
    box.inner_width = round_half_even(source_width * box.scale);
    box.inner_height = round_half_even(source_height * box.scale);
    // An odd rest goes to the right and below: Ultralytics writes it as a rounding of half the rest less 0.1.
    box.left = round_half_even((input_width - box.inner_width) / 2.0 - 0.1);
    box.top = round_half_even((input_height - box.inner_height) / 2.0 - 0.1);
  } else {
    box.inner_width = static_cast<int>(source_width * box.scale);
    box.inner_height = static_cast<int>(source_height * box.scale);
  }
  if (box.inner_width < 1 || box.inner_height < 1)
    fail("a {}x{} picture is too narrow for an input of {}x{}", source_width, source_height, input_width, input_height);
  return box;
}

Image resize_bilinear(const Image& image, int width, int height) {
  if (image.empty() || width < 1 || height < 1)
    fail("cannot resize a {}x{} picture to {}x{}", image.width, image.height, width, height);
  Image out(width, height);
  resize_rows(image, width, height,
              [&](int y, const std::uint8_t* row) { std::copy_n(row, out.stride(), out.row(y)); });
  return out;
}

Letterbox letterbox(const Image& image, int input_width, int input_height, LetterboxRule rule,
                    const Normalization& normalization, std::span<float> out) {
  return run_letterbox(image, input_width, input_height, rule, normalization, out);
}

Letterbox letterbox(const Image& image, int input_width, int input_height, LetterboxRule rule,
                    const Normalization& normalization, std::span<std::uint8_t> out) {
  return run_letterbox(image, input_width, input_height, rule, normalization, out);
}

void write_tensor(const Image& image, const Normalization& normalization, std::span<float> out) {
  run_write(image, normalization, out);
}

void write_tensor(const Image& image, const Normalization& normalization, std::span<std::uint8_t> out) {
  run_write(image, normalization, out);
}

}  // namespace monza::vision
