// Launches that overlap with the end of the kernel before them (programmatic dependent launch, compute capability 9.0;
// CUDA C++ programming guide, "Programmatic Dependent Launch and Synchronization"). Between two small kernels that
// depend on each other it saves most of the microsecond that the second one's launch takes.
#pragma once

#include "ops/shared/gpu.cuh"

namespace monza::gpu {

/// The first thing that every thread of a kernel does which `launch_early` launches, before it returns or touches
/// memory that others write: lets the next kernel be made ready, and waits until the kernels before are done and what
/// they wrote can be read. (Were there a thread that waits in no kernel of a chain, the next one could run too early.)
__device__ __forceinline__ void await_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;\n\tgriddepcontrol.wait;" ::: "memory");
#endif
}

/// kernel<<<blocks, threads, bytes>>>(arguments...) into the stream of `c`, made ready early where the GPU can.
template <typename... Parameters, typename... Arguments>
void launch_early(const KernelContext& c, void (*kernel)(Parameters...), unsigned blocks, int threads,
                  std::size_t bytes, Arguments... arguments) {
  static const bool can = [] {
    int device = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess && major >= 9;
  }();
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = bytes;
  config.stream = stream_of(c);
  config.attrs = &early;
  config.numAttrs = can ? 1 : 0;
  (void)cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);  // `launched` tells
}

}  // namespace monza::gpu
