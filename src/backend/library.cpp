#include "backend/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>

#include <cstdlib>
#include <sstream>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"

namespace monza::backend {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Patterns of folders, for glob(3).
std::vector<std::string> known_folders() {
  std::vector<std::string> folders;
  for (const char* root : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string value = variable(root); !value.empty()) folders.push_back(value + "/lib64");
  folders.insert(folders.end(), {"/usr/local/cuda/lib64", "/usr/local/cuda-13*/lib64", "/usr/lib/*-linux-gnu"});
  // The wheels nvidia-cublas and nvidia-cudnn-cu13, which PyTorch brings.
  const auto python = [&](const std::string& root) {
    folders.push_back(root + "/lib/python3*/*-packages/nvidia/*/lib");
  };
  for (const char* root : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string value = variable(root); !value.empty()) python(value);
  if (const std::string home = variable("HOME"); !home.empty()) python(home + "/.local");
  for (const char* root : {"/usr/local", "/usr", "/opt/*"}) python(root);
  return folders;
}

std::vector<std::string> files_in(const std::string& folder, const char* file) {
  std::vector<std::string> found;
  ::glob_t matches{};
  if (::glob((folder + "/" + file).c_str(), 0, nullptr, &matches) == 0)
    for (std::size_t i = 0; i < matches.gl_pathc; ++i) found.emplace_back(matches.gl_pathv[i]);
  ::globfree(&matches);
  return found;
}

}  // namespace

Library::Library(const char* name, const char* file) {
  facts_.name = name;
  const std::string asked = variable("MONZA_CUDA_LIBRARIES");
  if (asked == "none") {
    refuse("MONZA_CUDA_LIBRARIES says none");
    return;
  }
  std::string failure;  // of a file that is there
  const auto open = [&](const std::string& path) {
    opened_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const char* error = opened_ == nullptr ? ::dlerror() : nullptr;
    if (error != nullptr && failure.empty() && path.find('/') != std::string::npos) failure = printable(error);
    return opened_ != nullptr;
  };
  std::istringstream list(asked);
  for (std::string folder; opened_ == nullptr && std::getline(list, folder, ':');)
    for (const std::string& path : files_in(folder, file))
      if (open(path)) break;
  if (opened_ == nullptr) open(file);
  if (opened_ == nullptr)
    for (const std::string& folder : known_folders())
      for (const std::string& path : files_in(folder, file))
        if (opened_ == nullptr) open(path);
  if (opened_ == nullptr) {
    refuse(failure.empty() ? message("{} is not installed, or not where it is looked for", file)
                           : message("{} cannot be opened: {}", file, failure));
    return;
  }
  const ::link_map* map = nullptr;
  facts_.path = ::dlinfo(opened_, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr ? map->l_name : file;
}

void* Library::address_of(const char* symbol) {
  void* address = opened_ == nullptr ? nullptr : ::dlsym(opened_, symbol);
  if (address == nullptr && usable()) refuse(message("{} has no {}", facts_.path, symbol));
  return address;
}

}  // namespace monza::backend
