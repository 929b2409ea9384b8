// The version that --version and doctor print.
#pragma once

#include <string>

namespace monza::tool {

inline std::string version_text() { return "monza " MONZA_VERSION; }

}  // namespace monza::tool
