// The files that a command line names: none that is read is written over.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/args/options.h"

namespace monza::tool {

struct NamedFile {
  std::string option;  ///< "--output", "MODEL": for the message
  std::string value;   ///< as it was given
  FileRole role;
};

/// True where both names lead to one file or folder, through links of either kind, or would when they are made. Devices
/// are nobody's content and never the same.
bool same_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// Throws Error where one of the files would be written over another that is read (a model's weights beside it
/// included) or written, or lies in a folder that is read; and where one cannot be written (base/output_file.h).
void refuse_overwriting(const std::vector<NamedFile>& files);

}  // namespace monza::tool
