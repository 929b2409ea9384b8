#if MONZA_WITH_FFMPEG

#include "vision/ffmpeg.h"

#include <dlfcn.h>

extern "C" {
#include <libavdevice/avdevice.h>
}

#include "base/error.h"

namespace monza::vision::ffmpeg {
namespace {

/// A library by the name that its headers' version has. Never closed: functions are kept.
class Library {
 public:
  explicit Library(std::string name) : name_(std::move(name)), handle_(dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) missing();
  }

  template <typename Function>
  void find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr) missing();
  }

 private:
  [[noreturn]] void missing() const {
    const char* why = dlerror();
    fail_hint("install FFmpeg's libraries of the version that Monza was built with, or build Monza again",
              "FFmpeg, which reads and writes video, cannot be loaded: {}", why ? why : name_);
  }

  std::string name_;
  void* handle_;
};

#define MONZA_SONAME(name, version) "lib" name ".so." AV_STRINGIFY(version)

Functions load() {
  const Library avformat(MONZA_SONAME("avformat", LIBAVFORMAT_VERSION_MAJOR));
  const Library swscale(MONZA_SONAME("swscale", LIBSWSCALE_VERSION_MAJOR));
  Functions f;
#define MONZA_X(library, name) library.find(f.name, #name);
  MONZA_FFMPEG_FUNCTIONS(MONZA_X)
#undef MONZA_X
  return f;
}

}  // namespace

const Functions& ff() {
  static const Functions functions = load();
  return functions;
}

void register_devices() {
  ff();
  const Library avdevice(MONZA_SONAME("avdevice", LIBAVDEVICE_VERSION_MAJOR));
  decltype(&::avdevice_register_all) register_all = nullptr;
  avdevice.find(register_all, "avdevice_register_all");
  register_all();
}

}  // namespace monza::vision::ffmpeg

#endif
