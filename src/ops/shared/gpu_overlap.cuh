// Launches that overlap with the end of the kernel before them (programmatic dependent launch, compute capability 9.0;
// CUDA C++ programming guide, "Programmatic Dependent Launch and Synchronization"). Between two small kernels that
// depend on each other it saves most of the microsecond that the second one's launch takes.
#pragma once

#include "ops/shared/gpu.cuh"

namespace monza::gpu {

/// When all blocks have said so, the blocks of the next kernel may begin beside them.
__device__ __forceinline__ void let_kernels_begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/// Until the kernels before are done and what they wrote can be read. A kernel that begins early has a thread of each
/// block do this, and touches no memory that others write before it has. (Were there a kernel in a chain that does not
/// wait, the next one could run too early.)
__device__ __forceinline__ void await_kernels_before() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// Both, as the first thing that a thread does.
__device__ __forceinline__ void await_previous() {
  let_kernels_begin();
  await_kernels_before();
}

/// The line of 128 bytes there is fetched to L2. What no kernel has read since the last run is asked for before
/// waiting.
__device__ __forceinline__ void prefetch_line(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

/// kernel<<<blocks, threads, bytes>>>(arguments...) into the stream of `c`, made ready early where the GPU can: code
/// for others than 9.0 is compiled without what waits.
template <typename... Parameters, typename... Arguments>
void launch_early(const KernelContext& c, void (*kernel)(Parameters...), unsigned blocks, int threads,
                  std::size_t bytes, Arguments... arguments) {
  static const bool can = [] {
    int device = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess && major == 9;
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
