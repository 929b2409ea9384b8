// Descriptions of tensors, made by the driver; its functions are found through the runtime library.
#include "ops/shared/gpu_hopper_maps.cuh"

#include <cudaTypedefs.h>
#include <cuda_runtime.h>

namespace monza::gpu {
namespace {

/// A function of the driver's interface as CUDA 12.0 has it; null where the driver lacks it.
template <typename F>
F driver_function(const char* name) noexcept {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  if (cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &result) != cudaSuccess) {
    (void)cudaGetLastError();  // not of the next launch
    return nullptr;
  }
  return result == cudaDriverEntryPointSuccess ? reinterpret_cast<F>(found) : nullptr;
}

struct Driver {
  PFN_cuTensorMapEncodeTiled_v12000 tiled = nullptr;
  PFN_cuTensorMapEncodeIm2col_v12000 pixels = nullptr;
  bool hopper = false;
  Driver() noexcept {
    int major = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) != cudaSuccess) {
      (void)cudaGetLastError();
      return;
    }
    if (major != 9) return;  // sm_90a is for 9.0 alone
    tiled = driver_function<PFN_cuTensorMapEncodeTiled_v12000>("cuTensorMapEncodeTiled");
    pixels = driver_function<PFN_cuTensorMapEncodeIm2col_v12000>("cuTensorMapEncodeIm2col");
    hopper = tiled != nullptr && pixels != nullptr;
  }
};
const Driver& driver() noexcept {
  static const Driver found;
  return found;
}

CUtensorMapSwizzle swizzle_of(int elements) {
  return elements == 64   ? CU_TENSOR_MAP_SWIZZLE_128B
         : elements == 32 ? CU_TENSOR_MAP_SWIZZLE_64B
                          : CU_TENSOR_MAP_SWIZZLE_32B;
}

struct Extents {
  cuuint64_t extent[4], stride[3];
  Extents(const std::int64_t (&extents)[4], const std::int64_t (&strides)[3]) {
    for (int i = 0; i < 4; ++i) extent[i] = static_cast<cuuint64_t>(extents[i] < 1 ? 1 : extents[i]);
    // The driver looks at strides of axes of extent 1, too.
    for (int i = 0; i < 3; ++i)
      stride[i] = extent[i + 1] > 1 ? static_cast<cuuint64_t>(strides[i]) * 2
                  : i > 0           ? stride[i - 1] * extent[i]
                                    : (extent[0] * 2 + 15) / 16 * 16;
  }
};

Status status_of(CUresult result) noexcept {
  return result == CUDA_SUCCESS ? Status{} : Status{StatusCode::unavailable, "the driver describes no such tensor"};
}

}  // namespace

bool hopper() noexcept { return driver().hopper; }

Status describe(const BoxedTensor& t, CUtensorMap& map) noexcept {
  const Extents e(t.extent, t.stride);
  cuuint32_t box[4];
  constexpr cuuint32_t kSteps[4] = {1, 1, 1, 1};
  for (int i = 0; i < 4; ++i) box[i] = static_cast<cuuint32_t>(t.box[i]);
  return status_of(driver().tiled(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 4, const_cast<void*>(t.data), e.extent,
                                  e.stride, box, kSteps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(t.box[0]),
                                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

Status describe(const PixelTensor& t, CUtensorMap& map) noexcept {
  const Extents e(t.extent, t.stride);
  const cuuint32_t steps[4] = {1, static_cast<cuuint32_t>(t.step[0]), static_cast<cuuint32_t>(t.step[1]), 1};
  return status_of(driver().pixels(
      &map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 4, const_cast<void*>(t.data), e.extent, e.stride, t.low, t.high,
      static_cast<cuuint32_t>(t.channels), static_cast<cuuint32_t>(t.pixels), steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      swizzle_of(t.channels), CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

}  // namespace monza::gpu
