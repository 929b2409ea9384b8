// Everything that runs models here, in one list: placements, engines and ONNX's own cases are tested on each line of
// it.
#pragma once

#include <string>
#include <vector>

#include "base/cpu.h"
#include "monza/constraint.h"

namespace monza::test {

struct Backend {
  const char* name;
  Device device;
  const char* isa;           ///< that kernels of the host may need; "" for all that this CPU has
  Isa needs;                 ///< of this CPU, or another line is the same
  const char* expectations;  ///< of ONNX's cases: a file in tests/data/conformance
  int least;                 ///< of ONNX's cases that pass, beside whole networks
  bool large = false;        ///< whole networks too, which plain kernels take minutes for
};

inline constexpr Backend kBackends[] = {
    {"best", Device::cpu, "", Isa::none, "cpu.txt", 1885, true},
    {"avx512", Device::cpu, "avx512", Isa::avx512 | Isa::avx512vnni, "cpu.txt", 1885},
    {"avx2", Device::cpu, "avx2", Isa::avx2 | Isa::avx512, "cpu.txt", 1885, true},
    {"baseline", Device::cpu, "baseline", Isa::none, "cpu.txt", 1885},
    {"reference", Device::reference, "", Isa::none, "reference.txt", 1885},
    {"cuda", Device::cuda, "", Isa::none, "cuda.txt", 1400},
};

/// Those on other devices than the host: where nodes can be sent to.
std::vector<Backend> backends_beside_the_host();
/// Why this machine cannot run it, for GTEST_SKIP; "" when it can.
std::string lacking(const Backend& backend);
/// Whether its kernels are the host's reference kernels: results agree in every bit.
inline bool computes_as_the_host(const Backend& backend) { return backend.device == Device::reference; }

}  // namespace monza::test
