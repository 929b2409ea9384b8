// monza doctor: what this machine and this build offer.
#include <fmt/core.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <memory>

#include "backend/cuda/cuda_device.h"
#include "base/cpu.h"
#include "import/onnx/onnx_import.h"
#include "tools/args/command.h"
#include "tools/measure/ceilings.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#include "tools/text/version.h"

namespace monza::tool {
namespace {

struct DoctorArgs {
  bool json = false, quick = false;
};

std::int64_t memory_of(std::string_view key) {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return std::strtoll(line.c_str() + key.size(), nullptr, 10) * 1024;
  return 0;
}

struct Library {
  const char* name;
  bool found;
  const char* gives;
  const char* package;  ///< what to install where it is missing
};

#ifdef MONZA_WITH_JPEG
constexpr bool kVision = true;
#else
constexpr bool kVision = false;
#define MONZA_WITH_JPEG 0
#define MONZA_WITH_PNG 0
#define MONZA_WITH_WEBP 0
#define MONZA_WITH_FFMPEG 0
#endif
constexpr Library kLibraries[] = {
    {"libjpeg", MONZA_WITH_JPEG == 1, "JPEG pictures", "libjpeg-dev"},
    {"libpng", MONZA_WITH_PNG == 1, "PNG pictures", "libpng-dev"},
    {"libwebp", MONZA_WITH_WEBP == 1, "WebP pictures", "libwebp-dev"},
    {"FFmpeg", MONZA_WITH_FFMPEG == 1, "video files and cameras",
     "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev"},
};

Json to_json(const Ceilings& c) {
  return {{"threads", c.threads},
          {"f32_gflops", c.f32_gflops},
          {"int8_gops", c.int8_gops},
          {"bf16_gflops", c.bf16_gflops},
          {"read_gb_s", c.read_gb_s}};
}

int run(const DoctorArgs& o) {
  const CpuInfo& cpu = cpu_info();
  std::vector<Ceilings> ceilings;
  if (!o.quick) {
    Progress progress(!o.json);
    progress.update("ceilings", 0);
    ceilings.push_back(measure_ceilings(1, cpu.isa));
    progress.update("ceilings", 0.5);
    if (cpu.usable_threads > 1) ceilings.push_back(measure_ceilings(cpu.usable_threads, cpu.isa));
  }
  const backend::CudaFacts& gpu = backend::cuda_facts();
  const std::vector<backend::LibraryFacts> gpu_libraries =
      gpu.missing.empty() ? backend::cuda_libraries() : std::vector<backend::LibraryFacts>{};
  if (o.json) {
    Json report = {
        {"version", version_text()},
        {"cpu",
         {{"model", cpu.model},
          {"isa", isa_name(cpu.isa)},
          {"logical_cpus", cpu.logical_cpus},
          {"usable_threads", cpu.usable_threads},
          {"l1d_bytes", cpu.l1d_bytes},
          {"l2_bytes", cpu.l2_bytes},
          {"l3_bytes", cpu.l3_bytes}}},
        {"memory", {{"total_bytes", memory_of("MemTotal:")}, {"available_bytes", memory_of("MemAvailable:")}}},
        {"ceilings", Json::array()},
        {"devices", {{"cpu", true}, {"reference", true}, {"cuda", gpu.missing.empty()}}},
        {"cuda",
         {{"built", gpu.built},
          {"missing", gpu.missing},
          {"name", gpu.name},
          {"compute_capability", gpu.capability},
          {"driver", gpu.driver},
          {"multiprocessors", gpu.multiprocessors},
          {"memory_bytes", gpu.memory_bytes},
          {"libraries", Json::array()}}},
        {"vision", kVision},
        {"libraries", Json::object()}};
    for (const backend::LibraryFacts& l : gpu_libraries)
      report["cuda"]["libraries"].push_back(
          {{"name", l.name}, {"version", l.version}, {"path", l.path}, {"missing", l.missing}});
    for (const Ceilings& c : ceilings) report["ceilings"].push_back(to_json(c));
    report["libraries"]["protobuf"] = protobuf_version();
    report["libraries"]["zlib"] = zlibVersion();
    for (const Library& l : kLibraries) report["libraries"][l.name] = l.found;
    print_json(report);
    return kExitOk;
  }
  print("{}\n\n", version_text());
  print("CPU        {}\n", cpu.model);
  print("           {} for this process, {} by default (affinity and cgroup quota counted)\n",
        count_text(cpu.logical_cpus, "CPU"), count_text(cpu.usable_threads, "thread"));
  print("           {}\n", isa_name(cpu.isa));
  print("caches     L1d {}, L2 {}, L3 {}\n", bytes_text(static_cast<double>(cpu.l1d_bytes)),
        bytes_text(static_cast<double>(cpu.l2_bytes)), bytes_text(static_cast<double>(cpu.l3_bytes)));
  print("memory     {}, {} available\n", bytes_text(static_cast<double>(memory_of("MemTotal:"))),
        bytes_text(static_cast<double>(memory_of("MemAvailable:"))));
  for (const Ceilings& c : ceilings) {
    print("ceilings   {} thread{}: fp32 {:.0f} GFLOP/s", c.threads, c.threads > 1 ? "s" : "", c.f32_gflops);
    if (c.bf16_gflops > 0) print(", bf16 {:.0f} GFLOP/s", c.bf16_gflops);
    if (c.int8_gops > 0) print(", int8 {:.0f} GOP/s", c.int8_gops);
    print(", memory read {:.1f} GB/s\n", c.read_gb_s);
  }
  print("precisions fp32{}; int8 for models that are quantised already\n",
        covers(cpu.isa, Isa::avx512bf16) ? ", bf16" : "");
  print("devices    cpu, reference{}\n", gpu.missing.empty() ? ", cuda" : "; no cuda: " + gpu.missing);
  if (gpu.missing.empty())
    print("           {}, compute capability {}.{}, {} multiprocessors, {}, driver for CUDA {}.{}{}\n", gpu.name,
          gpu.capability / 10, gpu.capability % 10, gpu.multiprocessors,
          bytes_text(static_cast<double>(gpu.memory_bytes)), gpu.driver / 1000, gpu.driver % 1000 / 10,
          gpu.capability == 90 ? "" : " (untested: tests run on 9.0)");
  for (const backend::LibraryFacts& l : gpu_libraries)
    print("           {} {}\n", l.name,
          l.missing.empty() ? fmt::format("{} in {}", l.version, l.path)
                            : "is missing, its kernels with it: " + l.missing);
  print("libraries  protobuf {}, zlib {}\n", protobuf_version(), zlibVersion());
  if (!kVision) print("           built without pictures and video (MONZA_VISION)\n");
  for (const Library& l : kLibraries)
    if (kVision)
      print("           {:8} {:8} {}{}\n", l.name, l.found ? "found" : "missing", l.gives,
            l.found ? "" : fmt::format("; apt-get install {}", l.package));
  return kExitOk;
}

}  // namespace

void add_doctor(Commands& commands) {
  const auto o = std::make_shared<DoctorArgs>();
  CommandOptions app =
      commands.add("doctor", "Says what this machine and this build offer.",
                   "  monza doctor                 CPU, instruction sets, measured ceilings, libraries\n"
                   "  monza doctor --quick         without measuring\n"
                   "  monza doctor --json          for a program to read",
                   [o] { return run(*o); });
  app.add_flag("--quick", o->quick, "do not measure the ceilings");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
