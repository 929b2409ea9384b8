// What the CPU at hand can do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace monza {

/// Instruction-set extensions that kernels ask for, as bits.
enum class Isa : std::uint32_t {
  none = 0,
  avx2 = 1u << 0,        ///< AVX2 with FMA and F16C
  avx512 = 1u << 1,      ///< AVX-512 F, BW, DQ, VL, CD
  avx512vnni = 1u << 2,  ///< 8-bit dot products on 512-bit registers
  avx512bf16 = 1u << 3,  ///< bf16 dot products
  avxvnni = 1u << 4,     ///< 8-bit dot products on 256-bit registers
  avx512fp16 = 1u << 5,
  amx_int8 = 1u << 6,
  amx_bf16 = 1u << 7,
};
constexpr Isa operator|(Isa a, Isa b) { return Isa(std::uint32_t(a) | std::uint32_t(b)); }
constexpr Isa operator&(Isa a, Isa b) { return Isa(std::uint32_t(a) & std::uint32_t(b)); }
/// True if every extension in `needs` is in `have`.
constexpr bool covers(Isa have, Isa needs) { return (have & needs) == needs; }

/// Facts about this machine's CPU and the share of it this process may use. Detected once; immutable.
struct CpuInfo {
  Isa isa = Isa::none;     ///< what the CPU and the operating system both allow, and MONZA_ISA if it is set
  std::string model;       ///< "AMD EPYC", as the CPU names itself
  int logical_cpus = 1;    ///< what the affinity mask allows
  int usable_threads = 1;  ///< that, limited by the cgroup's CPU quota; the default thread count
  std::int64_t l1d_bytes = 32 << 10, l2_bytes = 1 << 20, l3_bytes = 8 << 20;
};
/// The environment's MONZA_ISA=avx2 (as parse_isa reads it) takes away what it does not name: for trying how this
/// machine would do with less. Throws Error when it names what Monza does not know.
const CpuInfo& cpu_info();

/// Names as in "avx512vnni"; a set joins them with '+', and no extension is "baseline".
std::string isa_name(Isa set);
/// Parses what isa_name prints, and the levels "baseline", "avx2", "avx512", "avx512vnni", ... each
/// of which includes the lower ones. Throws Error on an unknown name.
Isa parse_isa(std::string_view text);

}  // namespace monza
