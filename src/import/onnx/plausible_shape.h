// Shapes to propose where a model leaves them open.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "monza/limits.h"

namespace monza {

/// By input: the extents that the file says and, for those it leaves open, what its nodes let expect: the channels that
/// a convolution takes, sides of a picture, some tokens, a batch of one. Only a proposal: it may not run. Throws Error
/// as import does.
std::map<std::string, std::vector<std::int64_t>> plausible_shapes(const std::filesystem::path& path,
                                                                  const Limits& limits = {});

}  // namespace monza
