// The options that every command which takes a MODEL shares, and the way from them to an engine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/constraint.h"
#include "eval/tensors.h"
#include "monza/engine.h"
#include "tools/args/options.h"
#include "tools/args/shape_text.h"

namespace monza {
struct BuildHooks;
struct OnnxInput;
}  // namespace monza

namespace monza::tool {

using eval::ModelInput;

/// "f32", "fp32" and "float32" are one; throws UsageError for a name that is none.
DType parse_dtype_name(const std::string& text);
/// What the command line says about a model. Fill by add_to(), then call open().
class ModelArgs {
 public:
  /// build: `monza build`; run: the commands that run MODEL; source: those whose argument is a picture or video, and
  /// which take the model as --model; serve: the command adds its models itself, and sets `model`.
  enum class Use { build, run, source, serve };

  void add_to(CommandOptions& app, Use use);

  /// Inputs as the file declares them (and --io-type changes them), read without building. Empty for an engine file
  /// (ask the engine).
  std::vector<ModelInput> declared_inputs() const;
  /// Initializers that the model lists among its inputs, whose values are defaults: they can be fed instead.
  std::vector<ModelInput> default_inputs() const;
  /// The same, of an engine file too, which is loaded for it. Extents that vary are -1.
  std::vector<ModelInput> all_inputs() const;
  /// The names of the outputs, read without building or, of an engine file, by loading it.
  std::vector<std::string> output_names() const;
  /// The extents of each input with what --shape says, by its name or by its dimensions' names; open ones stay -1.
  /// Throws UsageError when a rank or a fixed extent disagrees.
  std::vector<std::vector<std::int64_t>> shapes_for(const std::vector<ModelInput>& inputs) const;
  /// The same for an engine: the extents it was planned for (opt) where nothing is said.
  std::vector<std::vector<std::int64_t>> run_shapes(const Engine& engine) const;

  /// Options for Engine::build from the command line alone.
  BuildOptions build_options(const std::vector<ModelInput>& inputs) const;

  struct Opened {
    Engine engine;
    bool built = false;
    double build_ms = 0;  ///< 0 when the engine came from a file
    double load_ms = 0;   ///< 0 when it was built now
  };
  /// Loads an engine file, or builds an ONNX file with `options` (build_options() and what the inputs add), with hooks
  /// if they are given.
  /// Throws Error when an engine was built for another precision, device or instruction set than asked for.
  Opened open(const std::function<void(BuildOptions&)>& adjust = {}, const BuildHooks* hooks = nullptr) const;

  /// A copy with one thing set: "threads", "precision", a dimension by its name, or "batch", which is also the first
  /// dimension of every input that leaves it open. Throws UsageError when the model lacks it.
  ModelArgs with(const std::string& key, const std::string& value) const;

  /// Plans an engine file's own graph anew, with what the command line says of planning. Throws UsageError for options
  /// that need the ONNX file.
  Opened rebuild() const;

  ContextOptions context_options() const;
  Limits limits() const;  ///< what the command line says of them
  bool keeps_external_weights() const { return external_weights_; }
  LoadOptions load_options() const {
    return {.verify = verify_,
            .prefault = prefault_,
            .copy_weights = copy_weights_,
            .replan = true,
            .threads = threads,
            .limits = limits()};
  }
  /// Everything said that changes the engine, and the `metadata` that the command adds, as text: equal texts and models
  /// give equal engines on one machine.
  std::string cache_key(const std::map<std::string, std::string>& metadata) const;
  bool is_engine() const;
  /// The file of a language model that is no engine yet, in a command that takes one.
  bool is_language_model() const;
  bool keeps_all_outputs() const { return outputs_.empty(); }
  bool quiet() const { return quiet_; }
  bool shapes_given() const {
    return !(shapes_.empty() && min_shapes_.empty() && opt_shapes_.empty() && max_shapes_.empty() && profiles_.empty());
  }

  std::string model;
  int threads = 0;
  bool takes_language_models = false;  ///< set before add_to()
  bool tune_by_default = true;         ///< false where one run is not worth timing kernels; set before add_to()

 private:
  std::map<std::string, DType> io_types() const;
  std::vector<ModelInput> typed(std::vector<OnnxInput> declared) const;
  void check_engine(const Engine& engine) const;
  std::map<std::string, std::vector<std::int64_t>> shapes_of(const std::vector<std::string>& given, const char* option,
                                                             const std::vector<ModelInput>& inputs) const;

  std::map<std::string, ShapeProfile> ranges_of(const std::vector<std::string>& min,
                                                const std::vector<std::string>& opt,
                                                const std::vector<std::string>& max, const char* options,
                                                const std::vector<ModelInput>& inputs) const;
  void refuse_build_options() const;
  /// Says so where more threads are asked for than can run at once.
  void note_threads() const;
  /// What the command line says, but for shapes and profiles.
  BuildOptions options_without_shapes() const;

  std::vector<std::string> shapes_, min_shapes_, opt_shapes_, max_shapes_, profiles_, outputs_, feed_, constraints_,
      disabled_passes_, metadata_, io_types_, plugins_;
  std::string precision_, device_, isa_, timing_cache_, max_memory_;
  std::map<std::string, std::string> limits_;  ///< by option; "" where none is given
  double max_build_seconds_ = BuildOptions{}.max_build_seconds;
  std::int64_t max_rewrites_ = -1, tactic_seed_ = -1;
  bool verify_ = false, prefault_ = false, copy_weights_ = false, pin_ = false, batch_invariant_ = false,
       strip_ = false, external_weights_ = false, allow_cpu_nodes_ = false, no_optimize_ = false,
       strict_rewrites_ = false, quiet_ = false;
  std::optional<bool> tune_;
};

}  // namespace monza::tool
