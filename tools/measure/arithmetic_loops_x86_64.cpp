// Twelve independent accumulators, enough to hide the latency of two units of up to five cycles. Written as assembly so
// that no compiler merges or hoists them.
#if defined(__x86_64__)

#include "tools/measure/arithmetic_loops.h"

namespace monza::tool {
namespace {

constexpr long kRounds = 200'000;
constexpr std::int64_t kInstructions = kRounds * 12;

// clang-format off
#define STEP(op, reg, n) op " %%" reg "12, %%" reg "13, %%" reg #n "\n\t"
#define STEPS(op, reg) STEP(op, reg, 0) STEP(op, reg, 1) STEP(op, reg, 2) STEP(op, reg, 3) STEP(op, reg, 4) STEP(op, reg, 5) \
                       STEP(op, reg, 6) STEP(op, reg, 7) STEP(op, reg, 8) STEP(op, reg, 9) STEP(op, reg, 10) STEP(op, reg, 11)
#define LOOP(name, op, reg)                                                                                              \
  void name() {                                                                                                          \
    long left = kRounds;                                                                                                 \
    __asm__ volatile("vzeroall\n\t1:\n\t" STEPS(op, reg) "dec %0\n\tjnz 1b\n\tvzeroupper\n\t" : "+r"(left) : : "cc",     \
                     "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"); \
  }
// clang-format on
LOOP(fma_256, "vfmadd231ps", "ymm")
LOOP(fma_512, "vfmadd231ps", "zmm")
LOOP(dot8_256, "%{vex%} vpdpbusd", "ymm")
LOOP(dot8_512, "vpdpbusd", "zmm")
LOOP(dot_bf16_512, "vdpbf16ps", "zmm")
#undef LOOP
#undef STEPS
#undef STEP

constexpr ArithmeticLoop kLoops[] = {
    {Isa::avx512, &Ceilings::f32_gflops, kInstructions * 32, fma_512},
    {Isa::avx2, &Ceilings::f32_gflops, kInstructions * 16, fma_256},
    {Isa::avx512 | Isa::avx512vnni, &Ceilings::int8_gops, kInstructions * 128, dot8_512},
    {Isa::avxvnni, &Ceilings::int8_gops, kInstructions * 64, dot8_256},
    {Isa::avx512 | Isa::avx512bf16, &Ceilings::bf16_gflops, kInstructions * 64, dot_bf16_512},
};

}  // namespace

std::span<const ArithmeticLoop> arithmetic_loops() { return kLoops; }

}  // namespace monza::tool

#endif
