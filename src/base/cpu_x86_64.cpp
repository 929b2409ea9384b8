// What an x86-64 processor says of itself (CPUID).
#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/cpu_detect.h"

namespace monza {
namespace {

struct Regs {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
Regs cpuid(unsigned leaf, unsigned sub = 0) {
  Regs r;
  __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
  return r;
}
bool bit(unsigned value, int n) { return ((value >> n) & 1u) != 0; }

// Linux hands out AMX tile state on request only: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA).
bool request_amx() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

}  // namespace

Isa detect_isa() {
  Isa isa = Isa::none;
  const Regs one = cpuid(1);
  if (!bit(one.c, 27)) return isa;  // OSXSAVE: the system saves extended registers
  unsigned lo, hi;
  __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  const bool ymm = (lo & 0x6) == 0x6, zmm = (lo & 0xe6) == 0xe6, tiles = (lo & 0x60000) == 0x60000;
  const Regs seven = cpuid(7), seven1 = cpuid(7, 1);
  if (ymm && bit(one.c, 28) && bit(one.c, 12) && bit(one.c, 29) && bit(seven.b, 5) && bit(seven.b, 8))
    isa = isa | Isa::avx2;
  if (!covers(isa, Isa::avx2)) return isa;
  if (bit(seven1.a, 4)) isa = isa | Isa::avxvnni;
  if (zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 28) && bit(seven.b, 30) && bit(seven.b, 31)) {
    isa = isa | Isa::avx512;
    if (bit(seven.c, 11)) isa = isa | Isa::avx512vnni;
    if (bit(seven1.a, 5)) isa = isa | Isa::avx512bf16;
    if (bit(seven.d, 23)) isa = isa | Isa::avx512fp16;
    if (tiles && bit(seven.d, 24) && request_amx()) {
      if (bit(seven.d, 25)) isa = isa | Isa::amx_int8;
      if (bit(seven.d, 22)) isa = isa | Isa::amx_bf16;
    }
  }
  return isa;
}

std::string detect_model() {
  char name[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const Regs r = cpuid(0x80000002u + i);
    std::memcpy(name + 16 * i, &r, 16);
  }
  std::string text(name);
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return text.empty() ? "unknown x86-64 CPU" : text;
}

}  // namespace monza

#endif
