// ONNX models in a line: the notation of the *.messages.txt files.
//
//   Conv(x: f32[1,3,8,8], w: f32[4,3,3,3] = 0; strides = [1,2,3]) opset 17
//
// A model is a row of statements; newlines and ';' between them are free.
//
//   [a, b =] Op(INPUTS; ATTRIBUTES)   a node; Op may carry a domain (com.microsoft.Gelu). An output that is not named
//                                     is called out; the outputs of the last node are the graph's, unless `return` says
//   name: TYPE [= CONSTANT]           an input or initializer by itself
//   return a, b                       the graph's outputs
//   opset N, opset DOMAIN N           default: 24; ai.onnx.ml 5, other domains 1
//   function Op(a, b; attr) { ... }   a local function; its domain stands before Op
//   run(x: i64[1] = [9], ...)         the message is the status of a run; other inputs are zeros, or absent. A sequence
//                                     or optional is given as its tensors: s: (f32[2] = 0, f32[3] = 0)
//   --shape x=1x3                     as the tool takes it: --shape, --min-shape, --max-shape,
//                                     --outputs, --precision, --max-memory, --max-nodes, --max-depth; and
//                                     --shape-values x=1,2 for BuildOptions::shape_values
//
// INPUTS     name | name: TYPE | name: TYPE = CONSTANT | TYPE | TYPE = CONSTANT | [1, 2] (i64) | 3 (i64) | 0.5 (f32)
//            | _ (absent). What has no name is called arg0, arg1 ... What a node in a body declares is the main
//            graph's.
// TYPE       f32[1,n,?] | f32[] (a scalar) | f32 (without a shape) | #99[2] (an unknown element type) | seq(TYPE)
//            | optional(TYPE) | map(i64, TYPE) | sparse(TYPE)
// CONSTANT   0 (everywhere) | [1, [2, 3]] (nesting is for the eye) | ["a", "b"] | sparse(VALUES, INDICES)
//            | external(location = "w.bin", offset = "8") | raw(12) (as many bytes of raw data)
// ATTRIBUTES name = 3 | 1.5 | "text" | [1, 2] | [1.0, 2] | ["a"] | floats [] | strings [] | f32[2] = CONSTANT
//            | type TYPE | @name (of the function's call) | { body } | (INPUTS) { body, ends with return }
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "import/onnx/onnx_import.h"
#include "monza/engine.h"
#include "onnx.pb.h"

namespace monza::test {

struct NotedModel {
  onnx::ModelProto model;
  BuildOptions options;  ///< what the model's `--` words say, without timing and for one thread
  bool runs = false;
  onnx::GraphProto run_inputs;                                      ///< initializers: the inputs that `run` names
  std::map<std::string, std::vector<onnx::TensorProto>> run_lists;  ///< of sequences and optionals
};

/// Throws Error with line and column of the notation.
NotedModel parse_onnx_notation(std::string_view text);

}  // namespace monza::test
