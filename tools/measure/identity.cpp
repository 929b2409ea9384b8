#include "tools/measure/identity.h"

#include <fmt/core.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tools/text/json.h"

namespace monza::tool {
namespace {

/// The command line as the shell gave it, without the tool's own name.
Json arguments() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  Json list = Json::array();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    if (at > 0) list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

Json file_of(const std::string& path) {
  Json file = {{"file", path}, {"bytes", 0}, {"hash", ""}};
  try {
    const auto mapped = MappedFile::open(path);
    file["bytes"] = mapped->bytes().size();
    file["hash"] = fmt::format("{:016x}", hash64(mapped->bytes()));
  } catch (const Error&) {
    // It was there a moment ago; a report without its hash is better than none.
  }
  return file;
}

}  // namespace

Json identity_of(const ModelArgs& model, const Engine::Stats& engine) {
  const CpuInfo& cpu = cpu_info();
  return {{"monza", MONZA_VERSION},
          {"model", file_of(model.model)},
          {"engine",
           {{"precision", precision_name(engine.precision)},
            {"device", device_name(engine.device)},
            {"isa", engine.isa},
            {"threads", engine.threads},
            {"replanned", engine.replanned}}},
          {"machine", {{"cpu", cpu.model}, {"isa", isa_name(cpu.isa)}, {"usable_threads", cpu.usable_threads}}},
          {"arguments", arguments()}};
}

}  // namespace monza::tool
