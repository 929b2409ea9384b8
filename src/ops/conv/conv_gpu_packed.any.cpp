// Packs convolution weights for GPU kernels, and gives them back: elements move as bits.
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernel/packed_format.h"
#include "ops/conv/conv_gpu.params.h"

namespace monza::ops {
namespace {

const ConvParams& params_of(const KernelQuery& q) { return *static_cast<const ConvParams*>(q.params); }

/// visit(position in the packed form, position in the dense one) for every weight.
template <typename Layout, typename Visit>
void each_weight(const KernelQuery& q, Visit&& visit) {
  const Layout layout(params_of(q), q.input(1).shape);
  std::int64_t dense = 0;
  for (std::int64_t g = 0; g < layout.groups; ++g)
    for (std::int64_t m = 0; m < layout.filters; ++m)
      for (std::int64_t channel = 0; channel < layout.channels; ++channel)
        for (std::int64_t tap = 0; tap < layout.taps; ++tap) visit(layout.at(g, m, channel, tap), dense++);
}

template <typename Layout, typename Bits>
std::size_t packed_bytes(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(Layout(params_of(q), q.input(1).shape).count()) * sizeof(Bits);
}

template <typename Layout, typename Bits>
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  std::memset(packed, 0, packed_bytes<Layout, Bits>(q));
  const auto* from = static_cast<const Bits*>(q.input(1).data);
  auto* to = reinterpret_cast<Bits*>(packed);
  each_weight<Layout>(q, [&](std::int64_t at, std::int64_t dense) { to[at] = from[dense]; });
}

template <typename Layout, typename Bits, DType kType>
std::size_t bytes_of(const KernelQuery& q, int) noexcept {
  const OperandDesc& w = q.input(1);
  const std::int64_t groups = params_of(q).group;
  const bool fits = w.dtype == kType && w.shape.rank >= 3 && groups >= 1 && w.shape[0] % groups == 0;
  // One filter of one channel each.
  constexpr bool kDepthwise = std::is_same_v<Layout, ConvTaps>;
  if (!fits || (kDepthwise && (w.shape[0] != groups || w.shape[1] != 1))) return kNeverPacked;
  if (std::is_same_v<Layout, ConvPatchRows> &&
      (groups != 1 || w.shape[1] > ConvPatchRows::kChannels || w.shape[w.shape.rank - 1] < 1))
    return kNeverPacked;
  return packed_bytes<Layout, Bits>(q);
}

template <typename Layout, typename Bits>
void unpack(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  const auto* from = reinterpret_cast<const Bits*>(packed);
  each_weight<Layout>(q, [&](std::int64_t at, std::int64_t to) { static_cast<Bits*>(dense)[to] = from[at]; });
}

template <typename Layout, typename Bits, DType kType>
constexpr PackedFormat format_of(const char* name) {
  return {name, bytes_of<Layout, Bits, kType>, unpack<Layout, Bits>};
}
template <typename Layout, typename Bits>
constexpr Packing packing_of(const PackedFormat& format) {
  return {.input = 1, .bytes = packed_bytes<Layout, Bits>, .pack = pack<Layout, Bits>, .format = &format};
}

constexpr PackedFormat kColumns32 = format_of<ConvColumns, std::uint32_t, DType::f32>("conv_gpu_columns_f32");
constexpr PackedFormat kRows16 = format_of<ConvRows, std::uint16_t, DType::f16>("conv_gpu_rows_f16");
constexpr PackedFormat kFilters32 = format_of<ConvFilters, std::uint32_t, DType::f32>("conv_gpu_filters_f32");
constexpr PackedFormat kFilters16 = format_of<ConvFilters, std::uint16_t, DType::f16>("conv_gpu_filters_f16");
constexpr PackedFormat kTaps32 = format_of<ConvTaps, std::uint32_t, DType::f32>("conv_gpu_taps_f32");
constexpr PackedFormat kTaps16 = format_of<ConvTaps, std::uint16_t, DType::f16>("conv_gpu_taps_f16");
constexpr PackedFormat kPatchRows16 = format_of<ConvPatchRows, std::uint16_t, DType::f16>("conv_gpu_patch_rows_f16");

}  // namespace

// Read by the kernels in *.cu.
extern const Packing conv_gpu_columns_f32, conv_gpu_rows_f16, conv_gpu_filters_f32, conv_gpu_filters_f16,
    conv_gpu_taps_f32, conv_gpu_taps_f16, conv_gpu_patch_rows_f16;
const Packing conv_gpu_columns_f32 = packing_of<ConvColumns, std::uint32_t>(kColumns32);
const Packing conv_gpu_rows_f16 = packing_of<ConvRows, std::uint16_t>(kRows16);
const Packing conv_gpu_filters_f32 = packing_of<ConvFilters, std::uint32_t>(kFilters32);
const Packing conv_gpu_filters_f16 = packing_of<ConvFilters, std::uint16_t>(kFilters16);
const Packing conv_gpu_taps_f32 = packing_of<ConvTaps, std::uint32_t>(kTaps32);
const Packing conv_gpu_taps_f16 = packing_of<ConvTaps, std::uint16_t>(kTaps16);
const Packing conv_gpu_patch_rows_f16 = packing_of<ConvPatchRows, std::uint16_t>(kPatchRows16);

constexpr const PackedFormat* kConvGpuPackedFormats[] = {&kColumns32, &kRows16, &kFilters32,  &kFilters16,
                                                         &kTaps32,    &kTaps16, &kPatchRows16};
extern const PackedFormatList conv_gpu_packed_formats{kConvGpuPackedFormats};

}  // namespace monza::ops
