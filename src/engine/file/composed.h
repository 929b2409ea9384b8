// Weights that lie in several files, one after the other in address space.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/file/image.h"
#include "memory/region.h"

namespace monza::engine_file {

/// `own` bytes that `put` copies or maps to where they belong, then each file from a page on: mapped, or copied. Throws
/// Error.
std::shared_ptr<const Region> compose_weights(std::size_t own, const std::function<void(std::byte* to)>& put,
                                              std::span<const ExternalFile> files, bool copy);

/// The part of an image's weights that is the engine's own.
std::span<const std::byte> own_weights(const Image& image);

/// The file's path in the folder of an engine that is written there. Throws Error when it lies elsewhere.
std::string path_beside(const ExternalFile& file, const std::filesystem::path& folder);
/// Opens the file that an engine in `folder` names. Throws Error when it is missing, or another than it was.
ExternalFile open_external(const std::filesystem::path& folder, std::string_view path, std::uint64_t bytes,
                           std::uint64_t sample);

}  // namespace monza::engine_file
