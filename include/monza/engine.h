// The C++ API: build or load an engine, make contexts, run.
//
//   monza::Engine engine = monza::Engine::build("yolov8n.onnx");
//   monza::Context context = engine.create_context();
//   monza::Tensor image(monza::DType::f32, {1, 3, 640, 640});
//   context.bind_input("images", image);
//   if (monza::Status s = context.run(); !s) throw std::runtime_error(context.describe(s));
//   monza::TensorRef boxes = context.output("output0");
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monza/constraint.h"
#include "monza/dtype.h"
#include "monza/error.h"
#include "monza/limits.h"
#include "monza/quantization.h"
#include "monza/status.h"
#include "monza/workers.h"

namespace monza {

/// "f32", "i64", ...
std::string_view name_of(DType dtype);

/// A non-owning dense tensor, row-major.
struct TensorRef {
  DType dtype = DType::invalid;
  std::vector<std::int64_t> shape;
  void* data = nullptr;
  std::size_t bytes = 0;        ///< bytes available at `data`
  Device device = Device::cpu;  ///< whose memory `data` lies in: cpu for the host's

  std::int64_t numel() const noexcept {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    return n;
  }
  template <typename T>
  T* as() const noexcept {
    return static_cast<T*>(data);
  }
};

/// An element of a tensor of strings in the caller's memory: any bytes, not terminated. Those of an input must stay
/// valid until the run completes; those of an output lie in the context and are valid until its next run.
struct StringRef {
  const char* data = nullptr;
  std::size_t size = 0;
  std::string_view view() const noexcept { return {data, size}; }
};

/// An owning dense tensor in host memory, 64-byte aligned.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled: strings are empty. Throws Error when the size overflows.
  Tensor(DType dtype, std::vector<std::int64_t> shape);
  /// A tensor of strings that holds copies of their bytes. Throws Error when their number is not that of the shape.
  static Tensor of_strings(std::span<const std::string_view> strings, std::vector<std::int64_t> shape);
  /// A copy of what `ref` points to.
  static Tensor copy_of(const TensorRef& ref);

  DType dtype() const noexcept { return ref_.dtype; }
  const std::vector<std::int64_t>& shape() const noexcept { return ref_.shape; }
  std::int64_t numel() const noexcept { return ref_.numel(); }
  std::size_t bytes() const noexcept { return ref_.bytes; }
  const TensorRef& ref() const noexcept { return ref_; }
  operator const TensorRef&() const noexcept { return ref_; }  // NOLINT(google-explicit-constructor)
  template <typename T>
  T* as() const noexcept {
    return static_cast<T*>(ref_.data);
  }

 private:
  friend class Engine;
  TensorRef ref_;
  std::shared_ptr<void> storage_;
};

/// Extents that a dynamic input may take. -1 in `min`/`opt`/`max` keeps what the model says.
struct ShapeProfile {
  std::vector<std::int64_t> min, opt, max;
};

/// Progress of a build: stage ("import", "passes", "timing", ...) and a fraction in [0, 1].
using ProgressFn = std::function<void(std::string_view stage, double fraction)>;

struct BuildOptions {
  /// By input name. Dynamic dimensions without one are a build error that lists them.
  std::map<std::string, ShapeProfile> shapes;
  /// Several ranges of shapes, each with a plan of its own over one copy of the weights: by input name, in place of
  /// what `shapes` says of the input. Empty: one profile, `shapes`.
  std::vector<std::map<std::string, ShapeProfile>> profiles;
  /// Values of integer inputs that extents depend on (a Reshape's shape given as an input): name -> elements.
  std::map<std::string, std::vector<std::int64_t>> shape_values;
  /// Element types of inputs and outputs where they shall differ from the model's; the engine converts. The key ""
  /// stands for all that hold floats.
  std::map<std::string, DType> io_types;
  std::vector<std::string> outputs;  ///< prunes the model to these outputs; empty keeps all
  /// What nodes may compute in beside the model's own precision, and where they run.
  Precision precision = Precision::fp32;
  Device device = Device::cpu;
  /// How a float model is computed in 8 bits (monza/quantization.h); null: only what the model itself quantises is.
  std::shared_ptr<const QuantizationPlan> quantization;
  /// For some nodes in place of `precision` and `device`; of several that name a node, what the last one asks. Nodes
  /// are fused where all that is asked of them can be done by one kernel. Error when one names no node.
  std::vector<NodeConstraint> constraints;
  /// A node for which `device` has no kernel runs on the CPU, with copies around it; false: it is an error.
  bool allow_cpu_nodes = false;
  int threads = 0;                 ///< 0: as many as this process may use
  std::string isa;                 ///< "" for this machine's; "avx2", "avx512", ... to force a lower one
  bool tune = true;                ///< time candidate kernels; false takes the first that fits
  bool optimize = true;            ///< false: no fusions and no layouts, reference kernels; for comparing
  double max_build_seconds = 120;  ///< timing kernels stops there, and preference order decides; 0: no limit
  std::string timing_cache;        ///< file of timings read and written; "" for none
  /// Nothing is timed: the times that decide are drawn from this seed, so that tests reach every plan that timing may
  /// choose. Equal seeds give equal plans on machines of one instruction set. `tune`, budget and cache do not count
  /// then.
  std::optional<std::uint64_t> tactic_seed;
  /// Bytes that weights and activations may take together at the largest shape of each profile: a build that needs more
  /// is an error that names the values. 0: no cap.
  std::int64_t max_memory = 0;
  Limits limits;  ///< what the model may cost to build
  /// Where the weights of an engine go while it is built: to a file without a name in this folder, from which the
  /// engine maps them and Engine::save writes it. Memory then holds the largest tensor beside the mapped model, and the
  /// file system needs room for the engine twice. "": to memory. The engine is the same.
  std::string spool_folder;
  /// Weights that kernels read as a data file beside the model holds them stay there: the engine names the file and
  /// maps it when it is loaded. It must lie in the engine's folder, or below, when the engine is saved and loaded.
  bool external_weights = false;
  std::vector<std::string> disabled_passes;
  std::int64_t max_rewrites = -1;  ///< passes stop after this many rewrites: for bisecting a wrong output
  /// A rewrite that cannot be made throws std::logic_error, where else it is undone and noted: for tests and fuzzers.
  bool strict_rewrites = false;
  bool batch_invariant = false;                 ///< only kernels whose row results do not depend on the batch
  bool strip = false;                           ///< leave the graph and original weights out of the engine
  std::map<std::string, std::string> metadata;  ///< stored in the engine beside the model's own
  ProgressFn progress;
};

struct LoadOptions {
  bool verify = false;    ///< check the checksum of every weight block
  bool prefault = false;  ///< touch every page of the weights now
  /// Copies the weights instead of mapping them, so that nothing that happens to the file later matters. Plans are
  /// always copied. Mapped weights change with the file, and where the file has been cut, reading them is a signal
  /// (SIGBUS): write engines beside and rename them, as Engine::save and the tool do.
  bool copy_weights = false;
  /// An engine of another build, instruction set or for fewer threads is planned anew from the graph that it carries,
  /// with a warning (Stats::replanned says why), where the program links the compiler. False: it is refused.
  bool replan = true;
  int threads = 0;  ///< that the contexts will use at most; 0: what the engine was planned for
  Limits limits;    ///< of the graph that is planned anew
};

/// What an input or output is: one tensor, or a list of tensors of one element type, or one of these that may be
/// absent.
enum class ValueKind : std::uint8_t { tensor = 0, sequence = 1, optional = 2, optional_sequence = 4 };

/// A dimension of an input or output: fixed when min == max. For sequences and optionals: of their elements.
struct TensorInfo {
  std::string name;
  DType dtype = DType::invalid;
  ValueKind kind = ValueKind::tensor;
  std::vector<std::int64_t> min, opt, max;
  std::vector<std::string> symbols;  ///< the model's name for a dimension, or ""
};

/// A range of shapes that an engine has a plan for.
struct ProfileInfo {
  std::vector<TensorInfo> inputs;
  std::int64_t arena_bytes = 0;  ///< of a context's activations at the largest shape
};

struct StepProfile {
  std::string name;                ///< what it computes, shortened
  std::vector<std::string> nodes;  ///< the ONNX nodes it computes; none where it only rearranges a value
  std::string op;
  std::string kernel;
  double best_us = 0, mean_us = 0;
  double flops = 0, bytes = 0;
  std::int64_t runs = 0;
  double start_us = 0;  ///< of the last run, since its start
};

struct ContextOptions {
  int threads = 0;  ///< 0: what the engine was planned for, within what this process may use
  /// Whose threads it borrows, `threads` of them at most; none: it has threads of its own.
  std::optional<Workers> workers;
  int priority = 0;       ///< of its runs among those on the same workers: free threads help the highest first
  bool pin = false;       ///< bind each worker to one CPU; shared workers say it themselves
  bool prefault = false;  ///< touch every page of the arena now
  bool huge_pages =
      true;  ///< ask for 2 MiB pages for the arena, where the system gives them on request: the first run faults less
  /// Most bytes that the strings, sequences and optionals of one run may take; a run that needs more returns
  /// resource_exhausted. Address space is reserved for it when the model has any; pages are committed on touch.
  std::int64_t max_pool_bytes = std::int64_t{1} << 30;
  /// Most sequences that one run may have. Memory for their tables is taken when the context is made.
  int max_sequences = 64;
  /// On a device that can replay work (a GPU): most shapes of inputs that it is kept ready for. A shape that is new
  /// runs launch by launch, while a thread gets it ready; the one used longest ago makes room. Fixed shapes are ready
  /// from the start and do not count.
  int captured_shapes = 8;
};

class Context;
class Sequence;

/// A sequence in a run of many, and how many of the run's new positions are its own.
struct SequenceRun {
  Sequence* sequence = nullptr;
  std::int64_t positions = 0;
};

/// A model compiled for a machine. Immutable; safe to share between threads; cheap to copy (shared ownership).
class Engine {
 public:
  /// Compiles an ONNX file, or plans an engine file's graph anew (then shapes, outputs, types, passes, precision and
  /// constraints are the engine's). Throws Error.
  static Engine build(const std::string& model_path, const BuildOptions& options = {});
  /// Maps an engine file. Throws Error when it is of another version, damaged, or stale and cannot be planned anew.
  static Engine load(const std::string& engine_path, const LoadOptions& options = {});
  /// True if the file begins as an engine file does.
  static bool is_engine_file(const std::string& path);
  /// Writes the engine beside `engine_path` and renames it.
  void save(const std::string& engine_path) const;

  Context create_context(const ContextOptions& options = {}) const;
  /// A zero-filled tensor in host memory that copies to and from the engine's devices at full speed and beside other
  /// work (page-locked, for a GPU). Such memory is scarce and slow to get: make it once. Outputs that are not bound lie
  /// in such memory, too. Strings have none. Throws Error.
  Tensor host_tensor(DType dtype, std::vector<std::int64_t> shape) const;

  /// What the profiles take together: the smallest min, the largest max, the first one's opt.
  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;
  /// At least one. A context takes, run by run, the one with the fewest elements that the shapes fit.
  const std::vector<ProfileInfo>& profiles() const;
  std::map<std::string, std::string> metadata() const;

  struct Stats {
    double import_ms = 0, passes_ms = 0, plan_ms = 0, load_ms = 0;  ///< build: the first three; load: the last
    std::int64_t arena_bytes = 0, arena_lower_bound_bytes = 0;      ///< of the profile that needs most
    std::int64_t weights_bytes = 0;  ///< the engine's own, and of data files beside it what it uses
    int steps = 0;                   ///< of the first profile
    int threads = 0;
    std::string isa;
    Precision precision = Precision::fp32;
    Device device = Device::cpu;
    std::string replanned;  ///< why load planned the engine anew; empty when it did not
  };
  Stats stats() const;
  /// The plans for reading: steps, kernels, operands, memory. One line a step.
  std::string describe_plan() const;
  /// The graph after the passes, as text; empty when it was stripped.
  std::string graph_text() const;

  struct Impl;
  explicit Engine(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Completion of a submitted run, and of that run alone. Allocated with its context; its status is kept until a later
/// run is done.
class Ticket {
 public:
  Ticket();
  bool done() const noexcept;
  Status wait() noexcept;
  /// Waits at most `timeout`; false when the run has not completed.
  bool wait_for(std::chrono::microseconds timeout) noexcept;

 private:
  friend class Context;
  struct State;
  Ticket(State* state, std::uint64_t run) : state_(state), run_(run) {}
  explicit Ticket(Status refusal) : refusal_(refusal) {}
  State* state_ = nullptr;
  std::uint64_t run_ = 0;
  Status refusal_;  ///< without a state
};

/// One execution at a time: its own arena and bindings. Not thread-safe; use one context per thread.
class Context {
 public:
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  /// Binds the caller's memory, which must stay valid until the run completes. Its shape is this run's shape. Memory of
  /// another device (TensorRef::device) is taken where the input is read on that device alone; what is in it must have
  /// been written when the run starts.
  Status bind_input(std::string_view name, const TensorRef& tensor) noexcept;
  Status bind_input(std::size_t index, const TensorRef& tensor) noexcept;
  /// Binds the tensors of a sequence (or the one of an optional). The caller's list and memory must stay valid until
  /// the run completes.
  Status bind_input_list(std::string_view name, std::span<const TensorRef> tensors) noexcept;
  /// Binds an optional input to nothing.
  Status bind_input_absent(std::string_view name) noexcept;
  /// Makes the run write there. `tensor.bytes` must hold the output at this run's shape. Unbound outputs
  /// are written to memory of the context, valid until its next run. Memory of another device is taken where the output
  /// is computed on that device.
  Status bind_output(std::string_view name, const TensorRef& tensor) noexcept;
  void unbind_output(std::string_view name) noexcept;
  /// Binds the sequence whose state the next runs read and append to (monza/sequence.h). It must stay where it is
  /// while it is bound. A run that fails leaves its length as it was.
  Status bind_sequence(Sequence& sequence) noexcept;
  /// Binds many, for runs that have new positions of each: positions [0, n) of the inputs' first axis are those of the
  /// first sequence, of which n is the number, and so on; none is a number, too. Each must have room (reserve) and may
  /// come once. A run that succeeds makes each longer by its number, one that fails leaves all as they were. A refused
  /// batch, or a run that fails for one of the sequences, says which: Status::row(). Nothing is bound afterwards when
  /// the batch is refused.
  Status bind_sequences(std::span<const SequenceRun> batch) noexcept;
  void unbind_sequences() noexcept;

  Status run() noexcept;
  /// Starts a run on a thread of its own and returns at once. `callback`, if given, is called when it is done, on
  /// that thread (at once when the run is refused: while another one is in progress). Until the run is done
  /// every other call that binds or runs returns unavailable.
  Ticket submit(void (*callback)(void* user, Status status) = nullptr, void* user = nullptr) noexcept;

  /// The number of the engine's profile that the last run took.
  std::size_t profile_index() const noexcept;
  /// The output after a run: its shape and where it lies.
  TensorRef output(std::string_view name) const;
  TensorRef output(std::size_t index) const;
  /// Copies of the tensors of an output that is a sequence, or the one of an optional; nullopt for an optional that is
  /// absent. Throws Error when there is no such output or it is a tensor.
  std::optional<std::vector<Tensor>> output_list(std::string_view name) const;

  /// Turns profiling on or off; profile() sums over the runs since, of the profile that the last one took.
  void set_profiling(bool on) noexcept;
  std::vector<StepProfile> profile() const;
  /// The status in words: what, in which ONNX node, and the bound it left.
  std::string describe(const Status& status) const;
  std::int64_t arena_bytes() const noexcept;

 private:
  friend class Engine;
  struct Impl;
  explicit Context(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace monza
