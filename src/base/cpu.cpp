#include "base/cpu.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/cpu_detect.h"
#include "base/error.h"

namespace monza {
namespace {

// cgroup v2 cpu.max ("max 100000" or "150000 100000"), v1 cfs quota; 0 when there is no quota.
double cgroup_cpus() {
  double quota = 0, period = 0;
  if (FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    const int n = std::fscanf(f, "%lf %lf", &quota, &period);
    std::fclose(f);
    return n == 2 && period > 0 ? quota / period : 0;
  }
  FILE* q = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r");
  FILE* p = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r");
  const bool read = q && p && std::fscanf(q, "%lf", &quota) == 1 && std::fscanf(p, "%lf", &period) == 1;
  if (q) std::fclose(q);
  if (p) std::fclose(p);
  return read && quota > 0 && period > 0 ? quota / period : 0;
}

CpuInfo detect() {
  CpuInfo info;
  info.isa = detect_isa();
  if (const char* asked = std::getenv("MONZA_ISA"); asked != nullptr && *asked != '\0')
    info.isa = info.isa & parse_isa(asked);
  info.model = detect_model();
  cpu_set_t set;
  CPU_ZERO(&set);
  info.logical_cpus = sched_getaffinity(0, sizeof set, &set) == 0
                          ? std::max(1, CPU_COUNT(&set))
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  info.usable_threads = info.logical_cpus;
  if (const double cpus = cgroup_cpus(); cpus > 0)
    info.usable_threads = std::clamp(static_cast<int>(cpus + 0.5), 1, info.logical_cpus);
  if (const long n = sysconf(_SC_LEVEL1_DCACHE_SIZE); n > 0) info.l1d_bytes = n;
  if (const long n = sysconf(_SC_LEVEL2_CACHE_SIZE); n > 0) info.l2_bytes = n;
  if (const long n = sysconf(_SC_LEVEL3_CACHE_SIZE); n > 0) info.l3_bytes = n;
  return info;
}

struct Name {
  Isa isa;
  const char* name;
};
constexpr Name kNames[] = {{Isa::avx2, "avx2"},
                           {Isa::avx512, "avx512"},
                           {Isa::avx512vnni, "avx512vnni"},
                           {Isa::avx512bf16, "avx512bf16"},
                           {Isa::avxvnni, "avxvnni"},
                           {Isa::avx512fp16, "avx512fp16"},
                           {Isa::amx_int8, "amx_int8"},
                           {Isa::amx_bf16, "amx_bf16"}};

Isa with_lower(Isa isa) {
  if ((isa & (Isa::avx512vnni | Isa::avx512bf16 | Isa::avx512fp16 | Isa::amx_int8 | Isa::amx_bf16)) != Isa::none)
    isa = isa | Isa::avx512;
  if ((isa & (Isa::avx512 | Isa::avxvnni)) != Isa::none) isa = isa | Isa::avx2;
  return isa;
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = detect();
  return info;
}

std::string isa_name(Isa set) {
  std::string text;
  for (const Name& n : kNames)
    if (covers(set, n.isa)) text += (text.empty() ? "" : "+") + std::string(n.name);
  return text.empty() ? "baseline" : text;
}

Isa parse_isa(std::string_view text) {
  Isa isa = Isa::none;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t plus = std::min(rest.find('+'), rest.size());
    const std::string_view word = rest.substr(0, plus);
    rest.remove_prefix(std::min(plus + 1, rest.size()));
    if (word == "baseline" || word == "scalar") continue;
    bool known = false;
    for (const Name& n : kNames)
      if (word == n.name) {
        isa = isa | n.isa;
        known = true;
      }
    if (!known) {
      std::string names;
      for (const Name& n : kNames) names += fmt::format(", {}", n.name);
      fail_hint("one of baseline" + names + ", joined by '+'", "'{}' is no instruction set Monza knows", word);
    }
  }
  return with_lower(isa);
}

}  // namespace monza
