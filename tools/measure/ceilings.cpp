// Ceilings are measured, not looked up: clocks, shares of a core and memory differ between machines of one model.
//
// Arithmetic: the processor's own loops. Memory: every thread reads its part of a block that no cache holds, and the
// best of several rounds counts.
#include "tools/measure/ceilings.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "backend/cuda/cuda_ceilings.h"
#include "base/error.h"
#include "tools/measure/arithmetic_loops.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

using Clock = std::chrono::steady_clock;
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

double giga_ops(int threads, const ArithmeticLoop& loop) {
  const double seconds = best(threads, 40, [&](int) { loop.run(); });
  return static_cast<double>(threads) * static_cast<double>(loop.operations) / seconds * 1e-9;
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
  for (const ArithmeticLoop& loop : arithmetic_loops())
    if (covers(isa, loop.needs)) c.*loop.ceiling = std::max(c.*loop.ceiling, giga_ops(c.threads, loop));
  c.read_gb_s = read_rate(c.threads);
  return c;
}

Ceilings measure_gpu_ceilings() {
  backend::CudaCeilings gpu;
  if (const Status status = backend::measure_cuda_ceilings(gpu); !status)
    fail_hint("--no-ceilings", "the ceilings of the GPU cannot be measured: {}", status.message());
  Ceilings c;
  c.device = DeviceKind::cuda;
  c.f32_gflops = gpu.f32_flops;
  c.f16_gflops = gpu.half_flops;
  c.read_gb_s = gpu.read_bytes;
  return c;
}

std::string owner_of(const Ceilings& c) {
  if (c.device == DeviceKind::cuda) return "the GPU";
  return count_text(c.threads, "thread");
}

}  // namespace monza::tool
