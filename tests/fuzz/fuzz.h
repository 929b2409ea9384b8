// What the fuzz targets share. Each <name>.fuzz.cpp is one thing that strangers hand to Monza.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "support/memory_file.h"

namespace monza::fuzz {

using Bytes = std::span<const std::byte>;

struct Target {
  const char* name;
  /// An Error is an answer. A crash, a sanitizer's word, any other exception, and seconds or gigabytes for a small
  /// input are findings.
  void (*run)(Bytes input);
  /// Changes an input in place, as LLVMFuzzerCustomMutator does; null for libFuzzer's own changes alone.
  std::size_t (*mutate)(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) = nullptr;
  /// Bytes of memory that an input may take at once, beside what its size is worth: more is a finding.
  std::int64_t most_bytes = std::int64_t{64} << 20, most_times = 1024;
};

extern const Target calibration_target, engine_target, gguf_target, grammar_target, http_target, image_target,
    npy_target, npz_target, onnx_target, safetensors_target, tables_target, template_target, tensor_target, text_target,
    timings_target, tokenizer_target;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

using InputFile = test::MemoryFile;

/// A broken promise that no sanitizer sees: prints it and stops the process, which is libFuzzer's sign of a finding.
[[noreturn]] void finding(std::string_view what);

/// Takes numbers off the front of an input; zeros when it is used up.
class Taker {
 public:
  explicit Taker(Bytes bytes) : rest_(bytes) {}
  template <typename T>
  T take() {
    T value{};
    const std::size_t count = rest_.size() < sizeof(T) ? rest_.size() : sizeof(T);
    if (count > 0) std::memcpy(&value, rest_.data(), count);  // an empty input may have no address
    rest_ = rest_.subspan(count);
    return value;
  }
  bool empty() const { return rest_.empty(); }

 private:
  Bytes rest_;
};

}  // namespace monza::fuzz
