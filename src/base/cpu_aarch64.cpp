// What the system says of an aarch64 processor. Monza has no kernels for one yet but the portable ones.
#if defined(__aarch64__)

#include <fstream>

#include "base/cpu_detect.h"

namespace monza {

Isa detect_isa() { return Isa::none; }

/// Linux has the board's name, and of the processor numbers alone: MIDR_EL1, whose upper byte is the implementer and
/// whose bits 4 to 15 are the part.
std::string detect_model() {
  std::string text;
  std::getline(std::ifstream("/sys/firmware/devicetree/base/model"), text, '\0');
  if (!text.empty()) return text;
  std::getline(std::ifstream("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"), text);
  return "aarch64 CPU" + (text.empty() ? text : " " + text);
}

}  // namespace monza

#endif
