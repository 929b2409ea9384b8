// Telling the CPU that this thread only waits for memory to change.
#pragma once

namespace monza {

/// A pause of some tens to 140 cycles between two looks at a variable that another thread writes.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace monza
