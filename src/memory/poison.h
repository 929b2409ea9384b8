// Marks memory as out of bounds for the address sanitizer; nothing at all in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define MONZA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MONZA_ASAN 1
#endif
#endif

#ifdef MONZA_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace monza {

#ifdef MONZA_ASAN
inline constexpr bool kPoisons = true;
inline void poison(const void* data, std::size_t bytes) { __asan_poison_memory_region(data, bytes); }
inline void unpoison(const void* data, std::size_t bytes) { __asan_unpoison_memory_region(data, bytes); }
#else
inline constexpr bool kPoisons = false;
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
#endif

}  // namespace monza
