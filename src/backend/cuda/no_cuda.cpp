// In place of the CUDA backend, in builds without one.
#include "backend/cuda/cuda_ceilings.h"
#include "backend/cuda/cuda_device.h"
#include "base/error.h"

namespace monza::backend {

const CudaFacts& cuda_facts() {
  static const CudaFacts none{.missing = "this build of Monza has no CUDA backend"};
  return none;
}

std::vector<LibraryFacts> cuda_libraries() { return {}; }

Status measure_cuda_ceilings(CudaCeilings&) noexcept { return {StatusCode::unavailable, cuda_facts().missing.c_str()}; }

std::shared_ptr<Device> open_cuda_device() { fail_hint("--device cpu", "{}", cuda_facts().missing); }

}  // namespace monza::backend
