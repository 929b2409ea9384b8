// Ceilings are measured, not looked up: clocks, shares of a core and memory differ between machines of one model.
//
// Arithmetic: twelve independent accumulators, enough to hide the latency of two units of up to five cycles.
// Written as assembly so that no compiler merges or hoists them. Memory: every thread reads its part of a block
// that no cache holds, and the best of several rounds counts.
#include "tools/measure/ceilings.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "base/error.h"

namespace monza::tool {
namespace {

using Clock = std::chrono::steady_clock;
constexpr long kRounds = 200'000;
constexpr int kAccumulators = 12;

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

/// Seconds from the first thread's begin to the last one's end.
double together(int threads, const std::function<void(int)>& body) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<Clock::time_point> begin(static_cast<std::size_t>(threads)), end(begin.size());
  const auto work = [&](int i) {
    ready.fetch_add(1);
    while (!go.load(std::memory_order_acquire)) std::this_thread::yield();
    begin[static_cast<std::size_t>(i)] = Clock::now();
    body(i);
    end[static_cast<std::size_t>(i)] = Clock::now();
  };
  std::vector<std::thread> pool;
  for (int i = 1; i < threads; ++i) pool.emplace_back(work, i);
  while (ready.load() < threads - 1) std::this_thread::yield();
  go.store(true, std::memory_order_release);
  work(0);
  for (std::thread& t : pool) t.join();
  return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                       *std::min_element(begin.begin(), begin.end()))
      .count();
}

double best(int threads, int rounds, const std::function<void(int)>& body) {
  double least = together(threads, body);
  for (int i = 1; i < rounds; ++i) least = std::min(least, together(threads, body));
  return least;
}

double giga_ops(int threads, int ops_of_instruction, void (*loop)()) {
  const double seconds = best(threads, 40, [&](int) { loop(); });
  return static_cast<double>(threads) * kRounds * kAccumulators * ops_of_instruction / seconds * 1e-9;
}

/// Sums 64-bit words: wide enough for memory, and the compiler's own vectors do.
std::uint64_t read_all(const std::uint64_t* p, std::size_t words) {
  std::uint64_t a = 0, b = 0, c = 0, d = 0;
  for (std::size_t i = 0; i + 32 <= words; i += 32) {
    __builtin_prefetch(p + i + 512);
    __builtin_prefetch(p + i + 520);
    __builtin_prefetch(p + i + 528);
    __builtin_prefetch(p + i + 536);
    for (std::size_t k = 0; k < 32; k += 4) {
      a += p[i + k];
      b += p[i + k + 1];
      c += p[i + k + 2];
      d += p[i + k + 3];
    }
  }
  return a + b + c + d;
}

double read_rate(int threads) {
  const std::size_t bytes =
      std::clamp<std::size_t>(static_cast<std::size_t>(cpu_info().l3_bytes) * 4, static_cast<std::size_t>(64) << 20,
                              static_cast<std::size_t>(256) << 20);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail_hint("raise the limit on address space (ulimit -v), or leave the ceilings out (--no-ceilings)",
              "cannot get {} MiB to measure memory with", bytes >> 20);
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 1, bytes);
  const std::size_t words = bytes / 8 / static_cast<std::size_t>(threads);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
  const double seconds = best(threads, 12, [&](int i) {
    sums[static_cast<std::size_t>(i)] =
        read_all(static_cast<const std::uint64_t*>(memory) + static_cast<std::size_t>(i) * words, words);
    __asm__ volatile("" : : "r"(sums.data()) : "memory");
  });
  ::munmap(memory, bytes);
  return static_cast<double>(words) * 8 * threads / seconds * 1e-9;
}

}  // namespace

Ceilings measure_ceilings(int threads, Isa isa) {
  Ceilings c;
  c.threads = std::max(1, threads);
  if (covers(isa, Isa::avx512)) c.f32_gflops = giga_ops(c.threads, 32, fma_512);
  if (covers(isa, Isa::avx2)) c.f32_gflops = std::max(c.f32_gflops, giga_ops(c.threads, 16, fma_256));
  if (covers(isa, Isa::avx512 | Isa::avx512vnni)) c.int8_gops = giga_ops(c.threads, 128, dot8_512);
  if (covers(isa, Isa::avxvnni)) c.int8_gops = std::max(c.int8_gops, giga_ops(c.threads, 64, dot8_256));
  if (covers(isa, Isa::avx512 | Isa::avx512bf16)) c.bf16_gflops = giga_ops(c.threads, 64, dot_bf16_512);
  c.read_gb_s = read_rate(c.threads);
  return c;
}

}  // namespace monza::tool
