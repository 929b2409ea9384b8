// The first stage of a build: the model as a graph, for the shapes that the options give.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/build_report.h"
#include "engine/file/image.h"
#include "ir/graph.h"
#include "monza/engine.h"

namespace monza {

struct ImportedModel {
  std::unique_ptr<ir::Graph> graph;
  std::vector<plan::Profile> profiles;  ///< ranges of the dimensions that are left open, for each profile
  std::vector<NamedTensor> tensors;     ///< that nodes make, in the model's order
  /// Files that the engine carries, by name.
  std::map<std::string, std::vector<std::byte>> carried;
};

/// Imports an ONNX file: with the outputs, shapes, elements and element types of inputs, and limits that `options` give
/// and the initializers that stay inputs. Throws Error: what import refuses, shapes that contradict each other, and
/// inputs whose dimensions no profile bounds.
ImportedModel import_model(const std::string& path, const BuildOptions& options,
                           const std::vector<std::string>& fed_initializers);
/// All that import_model is told, as text: equal texts give equal graphs of one file.
std::string import_key(const BuildOptions& options, const std::vector<std::string>& fed_initializers);

}  // namespace monza
