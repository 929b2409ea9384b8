// An NVIDIA GPU as a device: memory, streams as queues, captured graphs, times.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/device.h"
#include "backend/library.h"

namespace monza::backend {

/// What there is to run on, for those who only ask. Thread-safe.
struct CudaFacts {
  bool built = false;   ///< this build has the backend
  std::string missing;  ///< why nothing can run here, empty if it can
  std::string name;     ///< "NVIDIA H200"
  int capability = 0;   ///< 90 for compute capability 9.0
  int driver = 0;       ///< the CUDA version that the driver knows: 13000 for 13.0; 0 without a driver
  int multiprocessors = 0;
  std::int64_t memory_bytes = 0, cache_bytes = 0;  ///< cache: the second level, which all multiprocessors share
};
const CudaFacts& cuda_facts();

/// The libraries whose kernels are candidates beside Monza's own, for those who ask; this opens them. Thread-safe.
std::vector<LibraryFacts> cuda_libraries();

/// The first GPU. Throws Error when this build or this machine has none that can be used.
std::shared_ptr<Device> open_cuda_device();

}  // namespace monza::backend
