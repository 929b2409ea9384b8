// Plain integer convolution: one output element at a time, exact (sums wrap at 32 bits); any strides.
#include "kernel/kernel.h"
#include "ops/qconv/qconv.params.h"
#include "ops/shared/operands.params.h"

namespace monza::ops {
namespace {

/// One spatial axis; axes that the operands lack have extent 1.
struct Axis {
  std::int64_t in = 1, k = 1, out = 1, stride = 1, dilation = 1, pad = 0, xs = 0, ws = 0, os = 0;
};

/// Calls store(n, m, spatial indices, offset in out, accumulator) for every output element.
template <typename ZeroW, typename Store>
void convolve(const KernelContext& c, const TensorView& x, const TensorView& w, std::int32_t zero_x, ZeroW zero_w,
              Store store) {
  const auto& p = c.params_as<QConvParams>();
  const TensorView& out = c.out[0];
  Axis s[3];
  for (int i = 0; i < p.spatial; ++i) {
    Axis& a = s[3 - p.spatial + i];
    a = {x.shape[i + 2],  w.shape[i + 2],  out.shape[i + 2], p.stride[i], p.dilation[i], 0,
         x.stride[i + 2], w.stride[i + 2], out.stride[i + 2]};
    a.pad = conv_pad_begin(p, i, a.in, a.k, a.out);
  }
  const std::int64_t filters = out.shape[1], channels = w.shape[1], each = filters / p.group;
  parallel_for(*c.parallel, out.shape[0] * filters, [&](std::int64_t task, int) {
    const std::int64_t n = task / filters, m = task % filters;
    const std::int64_t x_at = n * x.stride[0] + m / each * channels * x.stride[1], w_at = m * w.stride[0];
    const std::int32_t zw = zero_w(m);
    std::int64_t o[3];
    for (o[0] = 0; o[0] < s[0].out; ++o[0])
      for (o[1] = 0; o[1] < s[1].out; ++o[1])
        for (o[2] = 0; o[2] < s[2].out; ++o[2]) {
          std::uint32_t acc = 0;
          std::int64_t k[3];
          for (k[0] = 0; k[0] < s[0].k; ++k[0])
            for (k[1] = 0; k[1] < s[1].k; ++k[1])
              for (k[2] = 0; k[2] < s[2].k; ++k[2]) {
                bool inside = true;
                std::int64_t xe = x_at, we = w_at;
                for (int a = 0; a < 3; ++a) {
                  const std::int64_t i = o[a] * s[a].stride + k[a] * s[a].dilation - s[a].pad;
                  inside = inside && i >= 0 && i < s[a].in;
                  xe += i * s[a].xs;
                  we += k[a] * s[a].ws;
                }
                if (!inside) continue;
                for (std::int64_t ch = 0; ch < channels; ++ch)
                  acc += static_cast<std::uint32_t>((byte_element(x, xe + ch * x.stride[1]) - zero_x) *
                                                    (byte_element(w, we + ch * w.stride[1]) - zw));
              }
          store(n, m, o, n * out.stride[0] + m * out.stride[1] + o[0] * s[0].os + o[1] * s[1].os + o[2] * s[2].os, acc);
        }
  });
}

Status run_conv_integer(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  convolve(
      c, c.in[0], c.in[1], o.zero(2, 0), [&](std::int64_t m) { return o.zero(3, m); },
      [&](std::int64_t, std::int64_t, const std::int64_t*, std::int64_t at, std::uint32_t acc) {
        c.out[0].as<std::int32_t>()[at] = static_cast<std::int32_t>(acc);
      });
  return {};
}

Status run_qconv(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QConvParams>();
  const QFinish finish(c.in, c.in_count, c.out[0], p.act, p.residual_after != 0);
  const QOperands& o = finish.operands;
  convolve(
      c, c.in[QInput::x], c.in[QInput::w], o.zero(QInput::x_zero, 0),
      [&](std::int64_t m) { return o.zero(QInput::w_zero, m); },
      [&](std::int64_t n, std::int64_t m, const std::int64_t* at, std::int64_t offset, std::uint32_t acc) {
        std::int64_t residual = 0;
        if (o.has(QInput::residual)) {
          const TensorView& r = c.in[QInput::residual];
          residual = n * r.stride[0] + m * r.stride[1];
          for (int i = 0; i < p.spatial; ++i) residual += at[3 - p.spatial + i] * r.stride[i + 2];
        }
        finish.store(c.out[0], offset, acc, m, residual);
      });
  return {};
}

}  // namespace

extern const Kernel conv_integer_ref{.name = "conv_integer_ref",
                                     .op = "ConvInteger",
                                     .arithmetic = {Precision::int8, DType::i32},
                                     .reference = true,
                                     .in{Port::strided, Port::strided, Port::dense},
                                     .out{Port::strided},
                                     .run = run_conv_integer};
extern const Kernel qconv_ref{.name = "qconv_ref",
                              .op = "QConv",
                              .arithmetic = {Precision::int8, DType::i32},
                              .reference = true,
                              .in{Port::strided, Port::dense, Port::dense, Port::strided, Port::dense, Port::dense,
                                  Port::dense, Port::dense, Port::dense, Port::strided, Port::dense},
                              .out{Port::strided},
                              .run = run_qconv};

}  // namespace monza::ops
