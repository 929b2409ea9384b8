// The entry points that libFuzzer calls: monza_fuzz TARGET [libFuzzer's options] [FOLDER or FILE ...]
// With MONZA_FUZZ_LOG in the environment it prints what the errors say, and the most memory that each input took.
#include "fuzz/fuzz.h"

#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "monza/error.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace monza::fuzz {
namespace {

constexpr const Target* kTargets[] = {&engine_target,  &tables_target,      &onnx_target,        &text_target,
                                      &image_target,   &npz_target,         &npy_target,         &tensor_target,
                                      &timings_target, &calibration_target, &http_target,        &tokenizer_target,
                                      &gguf_target,    &template_target,    &safetensors_target, &grammar_target};
const Target* target = nullptr;

const Target* find_target(std::string_view name) {
  for (const Target* t : kTargets)
    if (name == t->name) return t;
  return nullptr;
}

/// What is allocated and not freed since an input began, the most of it, and how much may be.
std::atomic<std::int64_t> live{0}, peak{0}, most{INT64_MAX};

void on_malloc(const volatile void*, std::size_t bytes) {
  const std::int64_t now = live += static_cast<std::int64_t>(bytes);
  std::int64_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
  if (now <= most) return;
  most = INT64_MAX;
  finding("an input takes more memory than its size is worth");
}
void on_free(const volatile void* p) {
  if (p != nullptr) live -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(p)));
}

bool tell() {
  static const bool wanted = std::getenv("MONZA_FUZZ_LOG") != nullptr;
  return wanted;
}

/// An Error is an answer.
void run_target(Bytes input) {
  try {
    target->run(input);
  } catch (const Error& e) {
    if (tell()) std::fprintf(stderr, "refused: %s\n", e.what());
  }
}

}  // namespace

void finding(std::string_view what) {
  std::fprintf(stderr, "FINDING: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace monza::fuzz

using namespace monza;

// The target's name is taken off the arguments; libFuzzer's own child processes find it in the environment.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr const char* kVariable = "MONZA_FUZZ_TARGET";
  if (const char* known = std::getenv(kVariable)) {
    fuzz::target = fuzz::find_target(known);
  } else if (*argc > 1 && (fuzz::target = fuzz::find_target((*argv)[1])) != nullptr) {
    ::setenv(kVariable, (*argv)[1], 1);
    for (int i = 1; i + 1 < *argc; ++i) (*argv)[i] = (*argv)[i + 1];
    --*argc;
  }
  if (fuzz::target == nullptr) {
    std::fprintf(stderr, "usage: monza_fuzz TARGET [OPTIONS] [FOLDER or FILE ...]\ntargets:");
    for (const fuzz::Target* t : fuzz::kTargets) std::fprintf(stderr, " %s", t->name);
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  set_log_level(LogLevel::off);
  fuzz::run_target({});  // what is made once is nobody's cost
  __sanitizer_install_malloc_and_free_hooks(fuzz::on_malloc, fuzz::on_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::live = fuzz::peak = 0;
  fuzz::most = fuzz::target->most_bytes + fuzz::target->most_times * static_cast<std::int64_t>(size);
  fuzz::run_target({reinterpret_cast<const std::byte*>(data), size});
  fuzz::most = INT64_MAX;
  if (fuzz::tell()) std::fprintf(stderr, "took %lld bytes for %zu\n", static_cast<long long>(fuzz::peak), size);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  return fuzz::target->mutate != nullptr ? fuzz::target->mutate(data, size, max_size, seed)
                                         : LLVMFuzzerMutate(data, size, max_size);
}
