// ONNX files to graphs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "monza/limits.h"

namespace monza {

/// What the user fixed on the command line, and limits on what a stranger's file may ask of us.
struct OnnxImportOptions {
  /// Extents of inputs, by name; -1 leaves a dimension as the model declares it.
  std::map<std::string, std::vector<std::int64_t>> shapes;
  /// Smallest and largest extents of inputs in all profiles, by name; of inputs that are sequences or optionals those
  /// of their tensors. -1: not known.
  std::map<std::string, std::vector<std::int64_t>> least, bounds;
  /// Elements of integer inputs on which extents depend, by name. The engine is specialised to those that
  /// shape inference asks for, and checks them at run time.
  std::map<std::string, std::vector<std::int64_t>> element_values;
  std::set<std::string, std::less<>> fed_initializers;  ///< that are inputs of the model as well, and stay inputs
  std::vector<std::string> outputs;                     ///< only these graph outputs (or inner values); empty: all
  Limits limits;
};

/// Reads and translates an ONNX file. Weights of 64 bytes and more stay where the file (or its external data,
/// confined to the model's folder) has them. Throws Error naming the node, the operator and what to try.
std::unique_ptr<ir::Graph> import_onnx(const std::filesystem::path& path, const OnnxImportOptions& options = {});

/// A model's inputs without importing it: for profiles and generated inputs. Unknown extents are -1.
struct OnnxInput {
  std::string name;
  DType dtype = DType::invalid;
  bool has_shape = false;
  std::vector<std::int64_t> shape;
  std::vector<std::string> symbols;  ///< the dimension's name, or ""
};
std::vector<OnnxInput> onnx_inputs(const std::filesystem::path& path, const Limits& limits = {});
/// The same of its outputs, as far as the file says their types.
std::vector<OnnxInput> onnx_outputs(const std::filesystem::path& path, const Limits& limits = {});
/// The inputs that an initializer gives a value, which callers may replace: OnnxImportOptions::fed_initializers.
std::vector<OnnxInput> onnx_defaults(const std::filesystem::path& path, const Limits& limits = {});

/// The names of the files beside a model that hold its weights, as it writes them, sorted. Whether it may read them is
/// decided when it is imported.
std::vector<std::string> onnx_data_files(const std::filesystem::path& path, const Limits& limits = {});

/// Of the library that parses the files: "3.21.12".
std::string protobuf_version();

}  // namespace monza
