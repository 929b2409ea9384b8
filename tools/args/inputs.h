// The tensors that a model is run on: from files, or random.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/npz.h"
#include "ir/constant.h"
#include "monza/engine.h"
#include "tools/args/model_args.h"
#include "tools/args/options.h"

namespace monza::tool {

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

/// Reads .npy, .npz and .pb, by the file's ending. A .npy or .pb gives one tensor, named as the .pb says or "". `check`
/// is asked about each array of an .npz before it is unpacked (io/npz.h).
std::vector<io::NamedTensor> read_tensor_file(const std::filesystem::path& path, const io::NpzFilter& check = {});

/// Whether a file leaves open which input an array is for: an .npy, a .pb, or the name that numpy.savez makes up.
bool is_nameless(const io::NamedTensor& tensor, const std::string& file);

/// Moves the arrays that are named as inputs of the model to `args`, which takes those that no --input gives.
void take_inputs(std::vector<io::NamedTensor>& arrays, const std::string& file, const ModelArgs& model,
                 InputArgs& args);

/// The elements of an integer tensor of at most 64 elements, on which extents may depend; else empty.
std::vector<std::int64_t> shape_values(const Tensor& tensor);

/// A copy.
Tensor tensor_of(const ir::Constant& constant);

/// Uniform in [0, 1) for floats; 0 or 1 for integers and booleans, all 256 values for bytes. Zeros would flatter a
/// benchmark, and larger integers would miss the tables that many models look up. Throws Error for other types.
Tensor random_tensor(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t seed);

/// An engine and the tensors to run it on, in the order of its inputs.
struct Prepared {
  ModelArgs::Opened opened;
  std::vector<Tensor> inputs;
  std::vector<std::string> random_integers;  ///< names of integer and boolean inputs that nothing gave
};
/// Opens the model for the inputs given: dimensions that an ONNX file leaves open become those of the tensors (min =
/// opt = max, with a note), and the values of small integer inputs, on which extents may depend, are handed to the
/// build, with `hooks` if they are given. A note names random integers that decide shapes or branches. Throws
/// UsageError for an input that nothing gives or that the model lacks, Error for one that does not fit.
Prepared prepare(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks = nullptr);

/// Binds all inputs of a context. Throws RunError.
void bind_inputs(const Engine& engine, Context& context, const std::vector<Tensor>& inputs);
/// Throws RunError with the context's words when `status` is an error.
void check(const Context& context, const Status& status);
/// What stopped a run, with the integer inputs named that were random: their values may be the reason.
std::string with_random_inputs(const std::string& what, const Prepared& prepared);
/// Runs; throws RunError with both.
void run_checked(Context& context, const Prepared& prepared);

}  // namespace monza::tool
