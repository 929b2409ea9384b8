// ONNX in, ONNX out: a part of a model, with shapes set, cleaned.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "monza/dtype.h"
#include "monza/limits.h"

namespace monza {

struct ModelEdit {
  /// Values that become inputs and outputs, in this order. Empty: the model's own.
  std::vector<std::string> inputs, outputs;
  /// Extents of inputs by name, -1 leaves one open; an open dimension by its name is the same in all of them.
  std::map<std::string, std::vector<std::int64_t>> shapes;
  /// Element types of values in `inputs`, where neither the file nor shape inference knows them.
  std::map<std::string, DType> types;
  bool sanitise = false;  ///< constants folded, nodes that hand on left out
  bool strip = false;     ///< no doc strings, metadata, producer, types of inner values
  Limits limits;
};

struct EditedModel {
  std::string bytes;  ///< the file
  int nodes_before = 0, nodes_after = 0;
  int folded = 0;                    ///< values that became initializers
  std::vector<std::string> remarks;  ///< what could not be done, and why
};

/// The model with that done to it. What nothing reads any more is left out, nodes are put into an order that can be
/// executed, and weights of other files come into it; all else stays as its exporter wrote it. Throws Error as reading
/// the file does, for names that the model lacks, for an input whose type nobody knows, and where the model outgrows
/// 2 GiB.
EditedModel edit_model(const std::string& path, const ModelEdit& edit);

}  // namespace monza
