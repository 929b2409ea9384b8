#include "io/npz.h"

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/output_file.h"
#include "io/npy.h"
#include "io/zip.h"

namespace monza::io {

std::vector<NamedTensor> read_npz(const std::filesystem::path& path, const NpzFilter& check) {
  const auto file = MappedFile::open(path);
  const std::string where = "'" + path.string() + "'";
  try {
    std::vector<NamedTensor> arrays;
    std::set<std::string> seen;
    for (const ZipEntry& entry : zip_entries(file->bytes())) {
      std::string name = entry.name;
      if (name.ends_with(".npy")) name.resize(name.size() - 4);
      if (!seen.insert(name).second) fail("it holds the array '{}' twice", name);
      const std::string where = "array '" + name + "'";
      const NpyInfo info = npy_info(zip_content(file->bytes(), entry, kNpyHeadBytes).bytes, where);
      if (check) check(name, info);
      if (entry.size > info.bytes)
        throw Error(fmt::format("the array file has {} bytes, its shape takes {}", entry.size, info.bytes)).at(where);
      arrays.push_back({name, parse_npy(zip_content(file->bytes(), entry).bytes, where)});
    }
    return arrays;
  } catch (const Error& e) {
    throw(e.hint().empty() ? Error(e.fact(), "write the archive again, with numpy.savez") : e).at(where);
  }
}

void write_npz(const std::filesystem::path& path, std::span<const NamedRef> arrays) {
  std::vector<NpyImage> images;
  std::vector<ZipSource> sources;
  images.reserve(arrays.size());
  for (const NamedRef& array : arrays) {
    images.push_back(npy_image(array.tensor));
    const NpyImage& image = images.back();
    sources.push_back({array.name + ".npy", {std::as_bytes(std::span(image.header)), image.data}});
  }
  const ZipLayout layout = zip_layout(sources);
  write_file(path, layout.pieces);
}

}  // namespace monza::io
