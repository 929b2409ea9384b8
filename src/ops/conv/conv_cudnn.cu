// Convolutions of channels-last tensors by cuDNN: implicit products of its own on tensor cores (f16) or cores of full
// precision (f32, no TF32). Bound by products at 790 and 60 TFLOP/s, or by 4.2 TB/s. Bias, residual and ReLU are fused
// where there is a bias; what else follows is a kernel of ours over the output, in place. It takes no gaps between
// pixels: parts of a wider tensor are copied, some images at a time.
#include <algorithm>

#include "backend/cuda/cudnn.h"
#include "ops/conv/conv_library.cuh"

namespace monza::ops {

extern const Packing conv_gpu_filters_f32, conv_gpu_filters_f16;

namespace {

using namespace gpu;
using backend::DnnConv;

/// Bytes for the library, and for images without gaps.
std::size_t scratch_bytes(const Shape& x, const Shape& out) {
  const auto count = [](const Shape& s) {
    double n = 1;
    for (int i = 0; i < s.rank; ++i) n *= static_cast<double>(s[i]);
    return n;
  };
  constexpr double kMost = 64 << 20;
  return static_cast<std::size_t>(std::min(kMost, 8e6 + 8 * (count(x) + count(out)))) / 512 * 512;
}
std::size_t scratch_conv(const KernelQuery& q) noexcept { return scratch_bytes(q.input(0).shape, q.out[0].shape); }

/// [n, channels, extents of the last axes], and a pixel every `pitch` elements.
void describe(int (&extents)[5], int (&strides)[5], int spatial, std::int64_t n, int channels, const int* in,
              std::int64_t pitch) {
  extents[0] = static_cast<int>(n);
  extents[1] = channels;
  strides[1] = 1;
  std::int64_t stride = pitch;
  for (int i = spatial - 1; i >= 0; --i) {
    extents[i + 2] = in[i];
    strides[i + 2] = static_cast<int>(stride);
    stride *= in[i];
  }
  strides[0] = static_cast<int>(stride);
}

/// Some images of a layer.
template <typename T>
struct Part {
  const ConvGeometry& g;
  ConvOut<T> o;
  std::int64_t images;
  const T* x;
  const T* w;
  std::byte* workspace;
  std::size_t workspace_bytes;
  int filters() const { return g.groups * g.filters; }
  int channels() const { return g.groups * g.channels; }
  std::int64_t pixels() const { return images * g.out[0] * g.out[1] * g.out[2]; }
};

/// y: where the sums go, or the results themselves where all that follows is the library's. `done`: as it says.
template <typename T>
Status convolve(const Part<T>& p, T* y, cudaStream_t stream, bool& done) {
  const ConvGeometry& g = p.g;
  const ConvOut<T>& o = p.o;
  const int first = g.in[0] == 1 && g.k[0] == 1 && g.out[0] == 1 ? 1 : 0;
  DnnConv d{.dtype = sizeof(T) == 2 ? DType::f16 : DType::f32, .spatial = 3 - first, .groups = g.groups};
  describe(d.x, d.x_stride, d.spatial, p.images, p.channels(), g.in + first, p.channels());
  describe(d.y, d.y_stride, d.spatial, p.images, p.filters(), g.out + first, p.filters());
  std::copy(std::begin(d.y_stride), std::end(d.y_stride), d.z_stride);
  d.w[0] = p.filters();
  d.w[1] = g.channels;
  for (int i = 0; i < d.spatial; ++i) {
    d.w[i + 2] = g.k[first + i];
    d.pad[i] = g.pad[first + i];
    d.stride[i] = g.stride[first + i];
    d.dilation[i] = g.dilation[first + i];
  }
  d.x_data = p.x;
  d.w_data = p.w;
  d.y_data = y;
  d.workspace = p.workspace;
  d.workspace_bytes = p.workspace_bytes;
  const bool linear = o.act.kind == ActivationKind::none, in_place = y == o.out;
  if (in_place && o.bias != nullptr && (linear || o.act.kind == ActivationKind::relu) &&
      (o.residual == nullptr || (o.residual_pitch == p.filters() && (linear || !o.residual_after)))) {
    d.bias = o.bias;
    d.z_data = o.residual;
    d.relu = !linear;
    if (const Status status = backend::cudnn_convolve(d, stream, done); !status || done) return status;
    d.bias = d.z_data = nullptr;
  }
  if (const Status status = backend::cudnn_convolve(d, stream, done); !status || !done) return status;
  return finish_conv<T>(o, y, p.filters(), p.pixels(), p.filters(), stream);
}

template <typename T>
Status run_conv(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  const ConvGeometry g = conv_geometry(c);
  const ConvOut<T> o = conv_out<T>(c);
  const cudaStream_t stream = stream_of(c);
  const std::int64_t images = c.out[0].shape[0], in_pixels = static_cast<std::int64_t>(g.in[0]) * g.in[1] * g.in[2],
                     out_pixels = g.pixels / images;
  const std::size_t scratch = scratch_bytes(c.in[0].shape, c.out[0].shape);
  Part<T> part{.g = g,
               .o = o,
               .images = images,
               .x = c.in[0].as<T>(),
               .w = c.in[1].as<T>(),
               .workspace = c.scratch,
               .workspace_bytes = scratch};
  const std::int64_t x_image = in_pixels * part.channels(), y_image = out_pixels * part.filters();
  const bool x_gaps = g.x_pitch != part.channels(), y_gaps = o.pitch != part.filters();
  bool done = false;
  if (!x_gaps && !y_gaps) {
    if (const Status status = convolve(part, o.out, stream, done); !status || done) return status;
  } else {
    part.workspace_bytes = scratch / 2;
    const std::int64_t most = static_cast<std::int64_t>(scratch / 2 / sizeof(T)) /
                              std::max<std::int64_t>(1, (x_gaps ? x_image : 0) + (y_gaps ? y_image : 0) + 256);
    T* const stage = reinterpret_cast<T*>(c.scratch + scratch / 2);
    for (std::int64_t first = 0; most > 0 && first < images; first += most) {
      part.images = std::min(most, images - first);
      part.x = c.in[0].as<T>() + first * in_pixels * g.x_pitch;
      part.o.out = o.out + first * out_pixels * o.pitch;
      if (o.residual != nullptr) part.o.residual = o.residual + first * out_pixels * o.residual_pitch;
      T* y = part.o.out;
      if (x_gaps) {
        if (const Status status =
                close_gaps<T>(part.x, g.x_pitch, stage, part.images * in_pixels, part.channels(), stream);
            !status)
          return status;
        part.x = stage;
      }
      if (y_gaps) y = x_gaps ? stage + (part.images * x_image + 127) / 128 * 128 : stage;
      if (const Status status = convolve(part, y, stream, done); !status) return status;
      if (!done) break;
    }
    if (done) return {};
  }
  plain_conv_kernel<T><<<blocks_for(static_cast<std::int64_t>(g.pixels) * part.filters()), kThreads, 0, stream>>>(
      g, o, c.in[0].as<T>(), c.in[1].as<T>());
  return launched();
}

template <DType kType>
Refusal accepts_conv(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, kType)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape &x = q.input(0).shape, &w = q.input(1).shape, &out = q.out[0].shape;
  if (p.group > 1 && w[1] == 1) return "one channel a group: depthwise kernels are faster";
  // It fills channels up to 8 with zeros and multiplies them with what lies behind: where that is an infinity or NaN,
  // outputs are NaN that see none. (Own kernels are faster for pictures.)
  if (kType == DType::f16 && w[1] % 8 != 0) return "channels of a group are no multiple of 8";
  constexpr std::int64_t kMost = 1LL << 31;
  if (x.count(1, x.rank) >= kMost || out.count(1, out.rank) >= kMost) return "too large for counts of 32 bits";
  const bool varies = q.input(0).dynamic || q.out[0].dynamic;
  for (int i = 0; i < p.spatial; ++i) {
    const std::int64_t pad = conv_pad_begin(p, i, x[i + 2], w[i + 2], out[i + 2]);
    const std::int64_t room = x[i + 2] + 2 * pad - (w[i + 2] - 1) * p.dilation[i] - 1;
    const bool even = p.padding == ConvParams::Padding::given && p.pad_begin[i] == p.pad_end[i];
    if (pad < 0 || room < 0 || (!even && (varies || room / p.stride[i] + 1 != out[i + 2])))
      return "an axis is not padded alike on both sides";
  }
  return backend::cudnn_facts().missing.empty() ? nullptr : "cuDNN is missing (monza doctor says why)";
}

template <typename T, DType kType>
consteval Kernel conv_kernel(const char* name, const Packing& packing) {
  return {.name = name,
          .op = "Conv",
          .device = DeviceKind::cuda,
          .batch_invariant = false,
          .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &packing,
          .packing_count = 1,
          .accepts = accepts_conv<kType>,
          .scratch_bytes = scratch_conv,
          .run = run_conv<T>};
}

}  // namespace

extern const Kernel conv_cudnn_cuda = conv_kernel<float, DType::f32>("conv_cudnn_cuda", conv_gpu_filters_f32);
extern const Kernel conv_cudnn_half_cuda =
    conv_kernel<__half, DType::f16>("conv_cudnn_half_cuda", conv_gpu_filters_f16);

}  // namespace monza::ops
