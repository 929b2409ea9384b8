#pragma once

// Inline functions that kernel files use must never leave a weak symbol behind: compiled with
// AVX-512 in one file, such a copy could be linked into code that runs on every CPU.
#ifdef __CUDACC__
#define MONZA_INLINE inline __attribute__((always_inline)) __host__ __device__
#else
#define MONZA_INLINE inline __attribute__((always_inline))
#endif
