// Depthwise and 1x1 convolution in one step: a task computes the depthwise results of a few rows into scratch memory,
// as blocks of channels, and the 1x1 convolution reads them from there, while they lie in the L2 cache.
//
// Both parts are those of conv_depthwise and conv_direct, and compiled there. What is saved is memory: of two steps the
// first writes, and the second reads, 4 * pixels * channels bytes, which at the resolutions where networks use them
// exceed the L2 cache. Floor: input, output and residual once through memory, or 2 * pixels * channels * (taps +
// filters) FLOP over the peak of the FMA ports.
#pragma once

#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/conv/conv_parts.simd.h"
#include "ops/conv/conv_shape.simd.h"
#include "ops/conv/conv_strip.simd.h"
#include "ops/sepconv/sepconv_part.simd.h"

namespace monza::ops {
namespace {

template <DepthwiseRows& kDepthwise, DirectFromStrips& kDirect>
Status run_sepconv(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SeparableConvParams>();
  // What lies between: as the output, with the input's channels. It has no memory of its own.
  TensorView between = c.out[0];
  between.data = nullptr;
  between.shape[1] = c.in[0].shape[1];
  KernelContext first = c, second = c;
  first.params = &p.depth;
  first.in_count = 3;
  first.out = &between;
  second.params = &p.point;
  TensorView in[5];
  in[0] = between;
  for (int i = 1; i < 5; ++i)
    if (c.has_input(i + 2)) in[i] = c.in[i + 2];
  second.in = in;
  second.in_count = 5;

  kDirect(second, {[](const void* self, std::int64_t n, std::int64_t row0, std::int64_t rows, float* strip) {
                     kDepthwise(*static_cast<const KernelContext*>(self), n, row0, rows, strip);
                   },
                   &first});
  return {};
}

Refusal accepts_sepconv(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  for (const int i : {1, 3})
    if (!q.input(i).constant || q.input(i).dynamic) return "a weight is not constant";
  const Shape& depth = q.input(1).shape;
  if (depth[0] < 1) return "no channels";
  if (depth[2] > kMostRows) return "the depthwise kernel has more than 32 rows";
  return nullptr;
}

constexpr Packing kSepconvPackings[] = {
    {.input = 1,
     .bytes = [](const KernelQuery& q) noexcept { return depthwise_bytes(kWidth, PartQuery(q, false).query); },
     .pack = [](const KernelQuery& q,
                std::byte* packed) noexcept { pack_depthwise(kWidth, PartQuery(q, false).query, packed); },
     .format = kWidth == 8 ? &sepconv_depth_8 : &sepconv_depth_16},
    {.input = 3,
     .bytes = [](const KernelQuery& q) noexcept { return direct_bytes(kWidth, PartQuery(q, true).query); },
     .pack = [](const KernelQuery& q,
                std::byte* packed) noexcept { pack_direct(kWidth, PartQuery(q, true).query, packed); },
     .format = kWidth == 8 ? &sepconv_point_8 : &sepconv_point_16}};

template <DepthwiseRows& kDepthwise, DirectFromStrips& kDirect>
consteval Kernel sepconv_kernel(const char* name, Isa needs) {
  return {
      .name = name,
      .op = "SeparableConv",
      .needs = needs,
      .in{Port::channels_last, Port::packed, Port::dense, Port::packed, Port::dense, Port::channels_last, Port::dense},
      .out{Port::channels_last},
      .packings = kSepconvPackings,
      .packing_count = 2,
      .accepts = accepts_sepconv,
      .scratch_bytes = [](const KernelQuery& q) noexcept { return direct_scratch(PartQuery(q, true).query); },
      .run = run_sepconv<kDepthwise, kDirect>};
}

}  // namespace
}  // namespace monza::ops
