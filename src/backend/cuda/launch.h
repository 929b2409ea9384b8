// What a CUDA queue hands to the host code of a kernel, behind KernelContext::stream.
#pragma once

#include <cstdint>

#include "monza/status.h"

struct CUstream_st;

namespace monza::backend {

/// What a kernel finds wrong in the data while it runs; the first one of a run is told when its queue is synchronised.
enum class Fault : std::int32_t { none = 0, index = 1 };

struct CudaLaunch {
  CUstream_st* stream = nullptr;  ///< cudaStream_t
  std::int32_t* fault = nullptr;  ///< of the device's address space: one word, 0 until a kernel reports
  std::int32_t step = 0;          ///< of the plan
};

/// A word that says which step found what: steps are counted from 0, and no word is 0.
constexpr std::int32_t fault_word(std::int32_t step, Fault fault) {
  return ((step < 0 ? 0x7fffff : step & 0x7fffff) << 8) | static_cast<std::int32_t>(fault);
}
constexpr Status status_of_fault(std::int32_t word) {
  const std::int32_t step = word >> 8;
  const Status status = (word & 0xff) == static_cast<std::int32_t>(Fault::index)
                            ? Status{StatusCode::out_of_range, "an index lies outside its axis"}
                            : Status{StatusCode::internal, "a CUDA kernel reports an unknown fault"};
  return step == 0x7fffff ? status : status.at_step(step);
}

}  // namespace monza::backend
