#include "tools/args/named_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/output_file.h"
#include "base/printable.h"
#include "engine/file/image.h"
#include "import/onnx/onnx_import.h"
#include "monza/engine.h"
#include "tools/args/picture.h"

namespace monza::tool {
namespace fs = std::filesystem;
namespace {

bool writes(const NamedFile& f) {
  return f.role == FileRole::writes || f.role == FileRole::updates || f.role == FileRole::writes_pictures;
}

/// By its ending: what a folder of samples is searched for.
bool is_sample(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".npz" || ending == ".npy" || ending == ".pb" || is_picture(path);
}

[[noreturn]] void refuse(const NamedFile& output, const std::string& what) {
  throw Error(message("{} would write '{}' over {}", output.option, output.value, what),
              "another name for what is written");
}

/// The places that a value may mean: "NAME=FILE" where the name may hold '=' too.
std::vector<std::string> places_of(const NamedFile& input) {
  std::vector<std::string> places = {input.value};
  for (std::size_t at = input.value.find('='); at != std::string::npos; at = input.value.find('=', at + 1))
    places.push_back(input.value.substr(at + 1));
  return places;
}

/// The model's files with weights. A model that cannot be read is refused by who builds it.
std::vector<fs::path> data_of(const std::string& model) {
  std::vector<fs::path> files;
  try {
    if (Engine::is_engine_file(model))
      for (const engine_file::ExternalFile& f : engine_file::read_engine(model, {}).external)
        files.push_back(f.file->path());
    else
      for (const std::string& name : onnx_data_files(model)) files.push_back(fs::path(model).parent_path() / name);
  } catch (const Error&) {
  }
  return files;
}

void check_pair(const NamedFile& output, const NamedFile& input) {
  std::error_code none;
  for (const std::string& place : places_of(input)) {
    if (same_file(output.value, place)) refuse(output, message("{}, which is read", input.option));
    const fs::path folder = fs::path(output.value).parent_path();
    if (is_sample(output.value) && fs::is_directory(place, none) && fs::is_regular_file(output.value, none) &&
        same_file(folder.empty() ? "." : folder, place))
      refuse(output, message("a file of the folder that {} reads", input.option));
  }
  if (input.role != FileRole::reads_model || !fs::is_regular_file(output.value, none)) return;
  for (const fs::path& data : data_of(input.value))
    if (same_file(output.value, data)) refuse(output, message("weights of {}", input.option));
}

}  // namespace

bool same_file(const fs::path& a, const fs::path& b) {
  struct stat first{}, second{};
  const bool here = ::stat(a.c_str(), &first) == 0, there = ::stat(b.c_str(), &second) == 0;
  const auto holds = [](const struct stat& st) { return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode); };
  if (here && there)
    return holds(first) && holds(second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  std::error_code error;
  if (here || there || a.empty() || b.empty()) return false;
  // Absolute before: of a relative path that does not exist "./" would be kept.
  return fs::weakly_canonical(fs::absolute(a), error) == fs::weakly_canonical(fs::absolute(b), error) && !error;
}

void refuse_overwriting(const std::vector<NamedFile>& files) {
  std::error_code none;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const NamedFile& output = files[i];
    if (!writes(output)) continue;
    for (std::size_t k = 0; k < files.size(); ++k) {
      if (!writes(files[k])) check_pair(output, files[k]);
      else if (k < i && same_file(output.value, files[k].value))
        refuse(output, message("what {} writes", files[k].option));
    }
    if (output.role == FileRole::writes && !output.value.empty()) check_output(output.value);
  }
}

}  // namespace monza::tool
