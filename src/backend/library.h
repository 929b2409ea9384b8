// Shared libraries of NVIDIA's that kernels may call: found and opened at run time, so that neither the build nor the
// start of the program needs them.
#pragma once

#include <string>
#include <vector>

namespace monza::backend {

/// What became of one library. Thread-safe to read.
struct LibraryFacts {
  const char* name = "";  ///< "cuBLASLt"
  std::string path;       ///< of the file that was opened; empty where there is none
  std::string version;    ///< as the library says
  std::string missing;    ///< why its kernels are left out, empty if they are not
};

/// An opened library; it stays open as long as the process lives.
class Library {
 public:
  /// Opens the first of `file` ("libcublasLt.so.13") that loads: in the folders of the environment variable
  /// MONZA_CUDA_LIBRARIES (separated by ':'; "none" for no library at all), where the loader looks, then where toolkits
  /// and Python's packages put it. Never throws.
  Library(const char* name, const char* file);
  /// The function of that name. Where the library lacks it, `facts().missing` says so and null is returned.
  template <typename F>
  void find(F*& function, const char* symbol) {
    function = reinterpret_cast<F*>(address_of(symbol));
  }
  void set_version(std::string version) { facts_.version = std::move(version); }
  void refuse(std::string why) { facts_.missing = std::move(why); }
  bool usable() const { return facts_.missing.empty(); }
  const LibraryFacts& facts() const { return facts_; }

 private:
  void* address_of(const char* symbol);
  LibraryFacts facts_;
  void* opened_ = nullptr;
};

}  // namespace monza::backend
