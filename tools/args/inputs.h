// The tensors that a model is run on: from files, or random.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "eval/run.h"
#include "eval/tensors.h"
#include "monza/engine.h"
#include "monza/sequence.h"
#include "tools/args/model_args.h"
#include "tools/args/options.h"

namespace monza::tool {

using eval::bind_inputs, eval::check, eval::is_nameless, eval::random_tensor, eval::read_tensor_file, eval::tensor_of;

class InputArgs {
 public:
  /// `random`: inputs that no file gives are random without being asked for.
  void add_to(CommandOptions& app, bool random);

  /// "NAME=FILE", "FILE" (.npz, or any for a model with one input), or "NAME=NUMBER" (input_numbers.h)
  std::vector<std::string> files;
  std::map<std::string, Tensor> tensors;  ///< at hand already; a file of the same name wins
  std::string tensors_from;               ///< the file that `tensors` are from, for messages
  bool random = false;
  std::uint64_t seed = 0;
};

/// Moves the arrays that are named as inputs of the model to `args`, which takes those that no --input gives.
void take_inputs(std::vector<io::NamedTensor>& arrays, const std::string& file, const ModelArgs& model,
                 InputArgs& args);

/// The elements of an integer tensor of at most 64 elements, on which extents may depend; else empty.
std::vector<std::int64_t> shape_values(const Tensor& tensor);

/// An engine and the tensors to run it on, in the order of its inputs.
struct Prepared {
  ModelArgs::Opened opened;
  std::vector<Tensor> inputs;
  std::vector<std::string> random_integers;  ///< names of integer and boolean inputs that nothing gave
  std::shared_ptr<Sequence> sequence;        ///< that runs read and append to; null for a model without state
};
/// Empties the sequence, if there is one, and binds it for a run over the inputs. Throws RunError.
void begin_sequence(Context& context, const Prepared& prepared);
/// Opens the model for the inputs given: dimensions that an ONNX file leaves open become those of the tensors (min =
/// opt = max, with a note), and the values of small integer inputs, on which extents may depend, are handed to the
/// build, with `hooks` if they are given. A note names random integers that decide shapes or branches. Throws
/// UsageError for an input that nothing gives or that the model lacks, Error for one that does not fit.
Prepared prepare(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks = nullptr);

/// What stopped a run, with the integer inputs named that were random: their values may be the reason.
std::string with_random_inputs(const std::string& what, const Prepared& prepared);
/// Runs from an empty sequence on; throws RunError with both.
void run_checked(Context& context, const Prepared& prepared);

}  // namespace monza::tool
