#include "support/backends.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "backend/device.h"
#include "monza/error.h"

namespace monza::test {

std::vector<Backend> backends_beside_the_host() {
  std::vector<Backend> list;
  std::copy_if(std::begin(kBackends), std::end(kBackends), std::back_inserter(list),
               [](const Backend& b) { return b.device != Device::cpu; });
  return list;
}

std::string lacking(const Backend& backend) {
  if (!covers(cpu_info().isa, backend.needs))
    return fmt::format("this CPU has no {}, so another line is the same", isa_name(backend.needs));
  try {
    (void)backend::open_device(backend.device);
    return "";
  } catch (const Error& e) {
    return e.fact();
  }
}

}  // namespace monza::test
